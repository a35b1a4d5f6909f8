"""Step width, sweeps between swaps and proposals of the balanced chain: bonds lost per processor second.

    python tests/benchmarks/study_swap_ratio.py [--seconds 2] [--samples 8] [--temperatures 0.25 0.18 0.15]

Every setting runs from the same samples of N = 1290 for the same processor time; what it has lost of the bonds at the
end, 1 − C_B, is averaged over the samples (where there are fewer than asked for, they run again with other seeds). The
error is that of the mean.
"""

import argparse
from pathlib import Path
from time import process_time
from unittest.mock import patch

import numba
import numpy as np

from glassviz import files
from glassviz.simulate import swap_chain
from glassviz.simulate.bonds import initial_bonds, surviving_fraction

CONFIGURATIONS = Path(__file__).parents[2] / "precomputed" / "configurations"
SETTINGS = (  # step (σ), sweeps between swaps, proposals per particle after them
    (0.11, 20, 0.31),
    (0.08, 20, 0.31),
    (0.11, 5, 0.10),
    (0.08, 5, 0.10),
    (0.08, 3, 0.06),
    (0.08, 2, 0.06),
    (0.08, 1, 0.05),
    (0.08, 1, 0.10),
)


def lost(ds, index, temperature, seconds):
    """1 − C_B of species 1 after so many processor seconds from one sample."""
    which = index % ds.sizes["configuration"]
    position, species = ds["position"].values[which], ds["species"].values[which]
    length = ds.attrs["box_length"]
    bonds = initial_bonds(position, species, length)
    chain = swap_chain.SwapMonteCarlo(position, species, length, temperature, seed=index)
    chain.run(swap_chain.SWEEPS_BETWEEN_SWAPS)
    start = process_time()
    while process_time() - start < seconds:
        chain.run(5 * swap_chain.SWEEPS_BETWEEN_SWAPS)
    return 1 - surviving_fraction(*bonds, chain.position, species, length)[species == 0].mean()


def main(seconds, samples, temperatures):
    """Print the table."""
    numba.set_num_threads(1)
    heads = ["step (σ)", "sweeps", "proposals per particle", *(f"1 − C_B, T = {t:.2f}" for t in temperatures)]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for step, sweeps, proposals in SETTINGS:
        cells = []
        for temperature in temperatures:
            ds = files.read(CONFIGURATIONS / f"N1290_T{temperature:.2f}.nc")
            names = {"STEP": step, "SWEEPS_BETWEEN_SWAPS": sweeps, "PROPOSALS_PER_PARTICLE": proposals}
            with patch.multiple(swap_chain, **names):
                values = np.array([lost(ds, k, temperature, seconds) for k in range(samples)])
            cells.append(f"{values.mean():.4f} ± {values.std(ddof=1) / np.sqrt(len(values)):.4f}")
        print(f"| {step:.2f} | {sweeps} | {proposals:.2f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--temperatures", type=float, nargs="+", default=(0.25, 0.18, 0.15))
    main(**vars(parser.parse_args()))
