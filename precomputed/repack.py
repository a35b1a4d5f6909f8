"""Write the shipped files anew in as few bytes as possible, and check that every value is still there.

    python precomputed/repack.py precomputed/propensities/*.nc precomputed/configurations/*.nc

Energies per particle of a propensity file follow from its positions, and are left out.
"""

import sys
from pathlib import Path

import xarray as xr

from glassviz.files import netcdf

DERIVED = ("energy", "inherent_energy")

before = after = 0
for path in map(Path, sys.argv[1:]):
    original, size = netcdf.load(path), path.stat().st_size
    without = DERIVED if "propensity" in original else ()
    netcdf.repack(path, without)
    xr.testing.assert_identical(netcdf.load(path), original.drop_vars(without, errors="ignore"))
    before, after = before + size, after + path.stat().st_size
print(f"{len(sys.argv) - 1} files, {before / 1e6:.2f} MB before, {after / 1e6:.2f} MB now; every value as it was")
