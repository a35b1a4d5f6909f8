r"""Equilibrium configurations: runs of the swap Monte Carlo chain, and the verdict on what it reached.

An energy that no longer drifts proves little at low temperature, where it settles long before the structure is
forgotten. The verdict therefore also asks which part of the bonds of the start survives at the end.
"""

import numpy as np
import xarray as xr

from glassviz import mixture
from glassviz.files import netcdf
from glassviz.simulate.bonds import initial_bonds, surviving_fraction
from glassviz.simulate.potential import potential_energy
from glassviz.simulate.swap_chain import SwapMonteCarlo

BLOCKS = 20  # energies recorded along a run
VERDICTS = ("equilibrium", "nearly", "glass")


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
    """
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
    same = [saved.attrs.get(name, value) == value for name, value in run.items()]
    for name, values in zip(("start_position", "start_species"), start, strict=True):
        same.append(name in saved and np.array_equal(saved[name], values))
    if not all(same):
        raise mixture.InvalidData(
            f"{path}: this checkpoint is of another run; remove it or repeat the run's start and options."
        )
    chain.restore(saved)
    return list(saved["energy_series"].values), list(saved["bond_series"].values)


def _drift(energies):
    """Energy change over the last half of a run, and its standard error from the scatter of the blocks."""
    half = np.asarray(energies)[len(energies) // 2 :]
    early, late = np.array_split(half, 2)
    error = np.sqrt(early.var(ddof=1) / len(early) + late.var(ddof=1) / len(late))
    return late.mean() - early.mean(), error


def verdict(energies, bond_persistence):
    """What a run has shown: "equilibrium", "nearly" or "glass".

    Parameters
    ----------
    energies : sequence of float
        Energy per particle (ε) at equal intervals of the run.
    bond_persistence : float
        Fraction of the initial bonds that survives at the end of the run.

    Returns
    -------
    str
        "glass" where the energy still falls by more than three standard errors over the last half; "equilibrium" where
        it does not and less than half of the bonds survive; "nearly" where the energy is settled but memory remains.
    """
    drift, error = _drift(energies)
    if drift < -3 * error:
        return "glass"
    return "equilibrium" if bond_persistence < 0.5 else "nearly"


def statement(level, surviving, sweeps):
    """A verdict in one line, for people.

    Parameters
    ----------
    level : str
        From `verdict`.
    surviving : float
        Fraction of the initial bonds at the end of the run.
    sweeps : int
        Length of the run.

    Returns
    -------
    str
    """
    return f"{level}: {100 * surviving:.0f} % of the bonds survive {sweeps} sweeps of swap Monte Carlo"


def _run_one(ds, temperature, sweeps, seed, swap, checkpoint, progress):
    """Run one configuration; returns it with its record."""
    configuration = ds.isel(configuration=0)
    length = ds.attrs["box_length"]
    position, species = configuration["position"].values, configuration["species"].values
    chain = SwapMonteCarlo(position, species, length, temperature, seed, swap)
    start, energies, bonds = (position, species.copy()), [], []
    # What a checkpoint must agree with to be of this run.
    run = {
        "beta": chain.beta,
        "box_length": length,
        "sweeps": sweeps,
        "swap": swap,
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
        if checkpoint:
            _save_chain(chain, run, start, energies, bonds, checkpoint)
        if progress:
            progress(len(energies), BLOCKS)
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    names = ds["configuration"].values
    result = mixture.configurations(chain.position, chain.species, length, temperature, names=names)
    return result.assign(
        energy_series=(("configuration", "block"), [energies]),
        bond_series=(("configuration", "block"), [bonds]),
        species_changed=("configuration", [(chain.species != start[1]).mean()]),
        sweeps=("configuration", [sweeps]),
        verdict=("configuration", [verdict(energies, bonds[-1])]),
    )


def equilibrate(
    ds=None,
    *,
    temperature,
    sweeps,
    particles=1290,
    seed=0,
    swap="balanced",
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
        Sweeps of N displacements, with the swaps that belong to them.
    particles : int, optional
        Size of a random start.
    seed : int or sequence of int, optional
        Configuration k takes the k-th stream of this seed.
    swap : {"balanced", "plain"}, optional
        Swap moves.
    checkpoint : path, optional
        File that takes the chain's state twenty times along the run and from which an interrupted run goes on, bit for
        bit; removed at the end. One configuration at a time.
    progress : callable, optional
        Called with (blocks done, blocks in all).

    Returns
    -------
    xarray.Dataset
        Configurations with `energy_series` (ε per particle) and `bond_series` (fraction of the bonds that species 1 had
        at the start) `(configuration, block)` at twenty equal intervals, `species_changed` (fraction of particles),
        `sweeps` and `verdict (configuration)`.

    Raises
    ------
    InvalidData
        Where the start is not a configuration, the temperature or the number of sweeps is not positive, or the
        checkpoint is of another run.
    """
    if not temperature > 0 or not sweeps >= BLOCKS:
        raise mixture.InvalidData(
            f"equilibrate: temperature {temperature} and {sweeps} sweeps; expected T > 0 and at least {BLOCKS} sweeps."
        )
    ds = random_start(particles, seed) if ds is None else mixture.check(ds)
    if checkpoint and ds.sizes["configuration"] != 1:
        raise mixture.InvalidData("equilibrate: a checkpoint belongs to one configuration; expected one at a time.")
    streams = np.random.SeedSequence(seed).spawn(ds.sizes["configuration"])
    results = []
    for index, stream in enumerate(streams):
        one = ds.isel(configuration=[index])
        results.append(_run_one(one, temperature, sweeps, stream, swap, checkpoint, progress))
    return xr.concat(results, "configuration", combine_attrs="override")
