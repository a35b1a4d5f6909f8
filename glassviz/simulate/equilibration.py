"""Equilibrium configurations: recorded runs of the swap Monte Carlo chain at one temperature, resumable."""

from numbers import Real
from pathlib import Path

import numpy as np
import xarray as xr

from glassviz import mixture
from glassviz.files import netcdf
from glassviz.simulate.bonds import initial_bonds, require_species_1, surviving_fraction
from glassviz.simulate.history import with_cooling
from glassviz.simulate.order import require_apart, with_order
from glassviz.simulate.potential import potential_energy
from glassviz.simulate.swap_chain import SwapMonteCarlo
from glassviz.simulate.verdict import assess

COLDEST = 1e-4  # temperature that swap Monte Carlo is asked for
BLOCKS = 200  # energies recorded along a run
BLOCKS_BETWEEN_CHECKPOINTS = 20


def random_start(particles, seed):
    """A square lattice of particles with species at random, to be melted.

    Parameters
    ----------
    particles : int
        Number of particles.
    seed : int or numpy.random.Generator
        Seed of the species.

    Returns
    -------
    xarray.Dataset
        One configuration in the box of the mixture's density.

    Raises
    ------
    InvalidData
        Where the number of particles is not a whole one up to 90 000.
    """
    if particles != int(particles) or not 1 <= particles <= mixture.MAX_PARTICLES:
        raise mixture.InvalidData(
            f"random start: {particles} particles; expected a whole number, 1 to {mixture.MAX_PARTICLES}."
        )
    length = mixture.box_length(particles)
    side = int(np.ceil(np.sqrt(particles)))
    sites = (np.stack(np.divmod(np.arange(side * side), side), axis=-1) + 0.5) * length / side
    species = np.repeat(np.arange(3), mixture.species_counts(particles))
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(side * side, particles, replace=False))
    return mixture.configurations(sites[chosen], rng.permutation(species), length)


def _save_chain(chain, run, start, energies, bonds, path):
    """Write everything a later process needs to go on bit for bit."""
    state = xr.Dataset(
        {
            "start_position": (("particle", "space"), start[0]),
            "start_species": ("particle", start[1]),
            "energy_series": ("block", np.array(energies)),
            "bond_series": ("block", np.array(bonds)),
            **chain.checkpoint(),
        },
        attrs=run,
    )
    netcdf.save(state, path)


def _restore_chain(chain, run, start, path):
    """Take up the state `_save_chain` wrote; returns the series so far."""
    saved = netcdf.load(path)
    same = [saved.attrs.get(name) == value for name, value in run.items()]
    for name, values in zip(("start_position", "start_species"), start, strict=True):
        same.append(name in saved and np.array_equal(saved[name], values))
    if not all(same):
        raise mixture.InvalidData(
            f"{path}: this checkpoint is of another run; remove it or repeat the run's start and options."
        )
    chain.restore(saved)
    return list(saved["energy_series"].values), list(saved["bond_series"].values)


def _run_one(ds, temperature, sweeps, seed, swap, threads, checkpoint, progress):
    """Run one configuration; returns it with its record."""
    configuration = ds.isel(configuration=0)
    length = ds.attrs["box_length"]
    position, species = configuration["position"].values, configuration["species"].values
    require_apart(position, f"equilibrate: {configuration['configuration'].item()}")
    chain = SwapMonteCarlo(position, species, length, temperature, seed, swap, threads)
    start, energies, bonds = (position, species.copy()), [], []
    # What a checkpoint must agree with to be of this run.
    run = {
        "beta": chain.beta,
        "box_length": length,
        "sweeps": sweeps,
        "blocks": BLOCKS,
        "moves": chain.moves,
        "stream": "-".join(f"{word:08x}" for word in chain.key.tolist()),
    }
    if checkpoint and checkpoint.exists():
        energies, bonds = _restore_chain(chain, run, start, checkpoint)
    initial = initial_bonds(*start, length)
    marks = np.rint(np.linspace(0, sweeps, BLOCKS + 1)).astype(int)
    while len(energies) < BLOCKS:
        # The list is renewed at every mark, in an uninterrupted run too, so that a restart repeats it.
        chain.renew_neighbors()
        chain.run(marks[len(energies) + 1] - marks[len(energies)])
        energies.append(potential_energy(chain.position, chain.species, length).mean())
        surviving = surviving_fraction(*initial, chain.position, start[1].astype(np.int8), length)
        bonds.append(surviving[start[1] == 0].mean())
        if checkpoint and len(energies) % BLOCKS_BETWEEN_CHECKPOINTS == 0:
            _save_chain(chain, run, start, energies, bonds, checkpoint)
        if progress:
            progress(len(energies), BLOCKS)
    return recorded((chain.position, chain.species, length), ds, temperature, sweeps, energies, bonds, chain.moves)


def recorded(where, before, temperature, sweeps, energies, bonds, moves):
    """Where a chain is after a run, with the record of the run, its cooling and its verdict.

    Parameters
    ----------
    where : ((n, 2) ndarray, (n,) ndarray of int, float)
        Positions (σ), species and side of the box (σ) now.
    before : xarray.Dataset
        The configuration that it started from.
    temperature : float
        Where it is (ε/k_B).
    sweeps : int
        Length of the run.
    energies, bonds : sequence of float
        Energy per particle (ε) and fraction of the first bonds at equal intervals.
    moves : str
        What was done.

    Returns
    -------
    xarray.Dataset
        See `equilibrate`.
    """
    names = before["configuration"].values
    result = mixture.configurations(*where, temperature, names=names)
    result = result.assign(
        energy_series=(("configuration", "block"), [energies]),
        bond_series=(("configuration", "block"), [bonds]),
        species_changed=("configuration", [(where[1] != before["species"].values[0]).mean()]),
        sweeps=("configuration", [sweeps]),
    )
    result.attrs["moves"] = moves
    return assess(with_order(with_cooling(result, before)))


def equilibrate(
    ds=None,
    *,
    temperature,
    sweeps,
    particles=1290,
    seed=0,
    swap="balanced",
    threads=None,
    checkpoint=None,
    progress=None,
):
    """Run swap Monte Carlo at one temperature, from given configurations or from a random start.

    Parameters
    ----------
    ds : xarray.Dataset, optional
        Configurations to start from; by default one random start of `particles` particles.
    temperature : float
        Temperature (ε/k_B).
    sweeps : int
        Sweeps of N displacements, with the swaps that belong to them; at least 200.
    particles : int, optional
        Size of a random start.
    seed : int or sequence of int, optional
        Configuration k takes the k-th stream of this seed.
    swap : {"balanced", "plain"}, optional
        Swap moves.
    threads : int, optional
        Displace and swap in checkerboard cells on so many threads, for large boxes; see `SwapMonteCarlo`.
    checkpoint : path, optional
        File that takes the chain's state ten times along the run, the end among them, and from which an interrupted
        run goes on, bit for bit; to be removed when the result is safe. One configuration at a time.
    progress : callable, optional
        Called with (blocks done, blocks in all).

    Returns
    -------
    xarray.Dataset
        Configurations with `energy_series` (ε per particle) and `bond_series` (fraction of the bonds that species 1 had
        at the start) `(configuration, block)` at 200 equal intervals, `species_changed` (fraction of particles) and
        `sweeps` `(configuration)`; the cooling so far (`glassviz.simulate.history`), `hexatic_order` and `demixing`
        (`glassviz.simulate.order`), and the verdict (`glassviz.simulate.verdict`). The attribute `moves` says what the
        chain did between the records.

    Raises
    ------
    InvalidData
        Where the start is no configuration, has no particle of species 1 or two of its particles are at one place, the
        temperature is below 10⁻⁴, there are fewer than 200 sweeps or no whole number of them, there are no such swaps,
        the box is too small for several threads, or the checkpoint is of another run or is asked for with several
        configurations.
    """
    temperature = mixture.checked_temperature(temperature, "equilibrate")
    whole = isinstance(sweeps, Real) and np.isfinite(sweeps) and sweeps == int(sweeps)
    if not temperature >= COLDEST or not whole or sweeps < BLOCKS:
        raise mixture.InvalidData(
            f"equilibrate: temperature {temperature:g} and {sweeps} sweeps; "
            f"expected at least {COLDEST:g}, and {BLOCKS} whole sweeps."
        )
    sweeps, checkpoint = int(sweeps), Path(checkpoint) if checkpoint else None
    ds = random_start(particles, seed) if ds is None else mixture.check(ds)
    require_species_1(ds, "equilibrate")
    if checkpoint and ds.sizes["configuration"] != 1:
        raise mixture.InvalidData("equilibrate: a checkpoint belongs to one configuration; expected one at a time.")
    streams = np.random.SeedSequence(seed).spawn(ds.sizes["configuration"])
    results = []
    for index, stream in enumerate(streams):
        one = ds.isel(configuration=[index])
        results.append(_run_one(one, temperature, sweeps, stream, swap, threads, checkpoint, progress))
    return xr.concat(results, "configuration", combine_attrs="override")
