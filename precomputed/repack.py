"""Write the shipped files anew in as few bytes as possible, and check that every value is still there.

    python precomputed/repack.py precomputed/propensities/*.nc precomputed/configurations/*.nc

Energies of inherent structures follow from their positions, and are left out; of propensity files also the energies,
which do too.
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import xarray as xr

from glassviz.files import netcdf

before = after = 0
for path in map(Path, sys.argv[1:]):
    original, size = netcdf.load(path), path.stat().st_size
    without = ["inherent_energy", "energy"] if "propensity" in original else ["inherent_energy"]
    with TemporaryDirectory(dir=path.parent) as folder:
        copy = Path(shutil.copy(path, folder))
        netcdf.repack(copy, without)
        xr.testing.assert_identical(netcdf.load(copy), original.drop_vars(without, errors="ignore"))
        copy.replace(path)
    before, after = before + size, after + path.stat().st_size
print(f"{len(sys.argv) - 1} files, {before / 1e6:.2f} MB before, {after / 1e6:.2f} MB now; every value as it was")
