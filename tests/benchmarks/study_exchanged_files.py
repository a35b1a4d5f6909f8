"""How independent the samples of a ladder are: bonds that they share, for every temperature of a folder.

    glassviz exchange FOLDER --start ... --sweeps ... --samples ...
    python tests/benchmarks/study_exchanged_files.py FOLDER

Of the bonds of species 1 in one sample, the fraction that the next one has, C₁, and as many independent samples as n
of them are worth, n² / Σᵢⱼ Cᵢⱼ.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from glassviz import files
from glassviz.simulate.bonds import initial_bonds, surviving_fraction


def shared(samples):
    """Fraction of the bonds of each sample that each has, (sample, sample)."""
    found = np.empty((len(samples), len(samples)))
    for row, ds in zip(found, samples, strict=True):
        species, length = ds["species"].values[0].astype(np.int8), ds.attrs["box_length"]
        bonds = initial_bonds(ds["position"].values[0], species, length)
        for k, other in enumerate(samples):
            later = other["position"].values[0].astype(float)
            row[k] = surviving_fraction(*bonds, later, species, length)[species == 0].mean()
    return found


def main(folder):
    """Print one row for each temperature."""
    ladders = defaultdict(list)
    for path in folder.glob("N*_T*_x*.nc"):
        ladders[path.name.split("_")[1], path.stem.rpartition("-")[0]].append(path)
    print("| T | samples | in the next | independent |\n|---|---|---|---|")
    for (temperature, _), paths in sorted(ladders.items()):
        found = shared([files.read(path) for path in sorted(paths, key=lambda path: int(path.stem.rpartition("-")[2]))])
        following = np.diagonal(found, 1).mean() if len(found) > 1 else np.nan
        print(f"| {temperature[1:]} | {len(found)} | {100 * following:.0f} % | {len(found) ** 2 / found.sum():.1f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
