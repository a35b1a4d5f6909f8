"""Turn the prototype configurations in ../shared/configurations into `precomputed/configurations/N*_T*.nc`.

Inherent structures are added. A file that exists is left alone; names given on the command line choose among the files.
"""

import sys
from pathlib import Path

import numpy as np

from glassviz import mixture
from glassviz.files import netcdf
from glassviz.simulate.inherent import inherent_structures

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "shared" / "configurations"


def convert(path):
    """Write one prototype file as a configurations file of the same name."""
    target = HERE / "configurations" / f"{path.stem}.nc"
    if target.exists():
        return
    with np.load(path) as data:
        sweeps = np.atleast_1d(data["sweeps"])
        ds = mixture.configurations(
            np.stack([data["x"], data["y"]], axis=-1),
            data["species"],
            data["box_length"],
            data["temperature"],
            names=data.get("name", ["large"]),
            provenance=f"locally balanced swap Monte Carlo (prototype), {sweeps.min()} to {sweeps.max()} sweeps",
            source=path.name,
        )
    ds = inherent_structures(ds)
    netcdf.save(ds, target, encoding=netcdf.compact(ds))
    print(target)


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["*"]
    for path in (path for name in chosen for path in sorted(SOURCE.glob(f"{name}.npz"))):
        convert(path)
