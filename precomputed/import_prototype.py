"""Turn the prototype configurations in ../shared/configurations into `precomputed/configurations/N*_T*.nc`."""

from pathlib import Path

import numpy as np

from glassviz import mixture
from glassviz.files import netcdf

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
            names=data["name"] if "name" in data else ["large"],
            provenance=f"locally balanced swap Monte Carlo (prototype), {sweeps.min()} to {sweeps.max()} sweeps",
            source=path.name,
        )
    netcdf.save(ds, target)
    print(target)


if __name__ == "__main__":
    for path in sorted(SOURCE.glob("N*_T*.npz")):
        convert(path)
