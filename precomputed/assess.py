"""Say of every prototype configuration how far from its past its run has taken it.

The prototype runs recorded their energies but not their bonds. At each temperature the first small configuration is
therefore continued by `glassviz.equilibrate` for as many sweeps as its own run had; the fraction of bonds that survive
along it says what a run of any length forgets there, whatever the size of the box. (Runs beyond LONGEST sweeps are cut
there, which can only overstate what survives; so do the bonds that are there again by chance, half a percent, which are
not subtracted.) The verdict goes into the attribute `verdict` of the file; positions are not touched. Samples of our
own coolings (`N1290_T0.40_s51.nc`) carry verdicts of their own.
"""

from pathlib import Path

import numpy as np

import glassviz as gv
from glassviz.files import netcdf
from glassviz.simulate.verdict import drift, half_life, level

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "shared" / "configurations"
LONGEST = 100_000


def survival(temperature):
    """Sweeps and fractions of surviving bonds along the continued run at one temperature."""
    name = f"N1290_T{temperature}"
    ds = gv.read(HERE / "configurations" / f"{name}.nc")
    if "bond_series" in ds:
        sweeps, bonds = int(ds["sweeps"][0]), ds["bond_series"].mean("configuration").values
    else:
        with np.load(SOURCE / f"{name}.npz") as data:
            sweeps = min(int(data["sweeps"][0]), LONGEST)
        run = gv.equilibrate(ds.isel(configuration=[0]), temperature=float(temperature), sweeps=sweeps, seed=1)
        bonds = run["bond_series"].values[0]
    return sweeps * np.arange(len(bonds) + 1) / len(bonds), np.concatenate([[1], bonds])


def assess(path, sweeps, bonds):
    """Write the verdict of one prototype file."""
    ds = netcdf.load(path)
    if "verdict" in ds:
        return
    with np.load(SOURCE / f"{path.stem}.npz") as data:
        done = int(np.min(data["sweeps"]))
        energies = np.atleast_2d(data["energy_blocks"]).mean(axis=0)
    surviving = float(np.interp(done, sweeps, bonds))
    word = level(*drift(energies), done / (half_life(bonds[1:]) * sweeps[-1]))
    ds.attrs["verdict"] = f"{word}: {100 * surviving:.0f} % of the bonds survive {done} sweeps of swap Monte Carlo"
    netcdf.save(ds, path, encoding=netcdf.compact(ds))
    print(path.name, ds.attrs["verdict"])


if __name__ == "__main__":
    paths = sorted((HERE / "configurations").glob("N*_T?.??.nc"))
    for temperature in sorted({path.stem.split("_T")[1] for path in paths}):
        curve = survival(temperature)
        for path in paths:
            if path.stem.endswith(f"_T{temperature}"):
                assess(path, *curve)
