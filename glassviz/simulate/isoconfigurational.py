r"""Isoconfigurational ensembles: replicas of one structure that differ only in their velocities.

Maxwell velocities with zero total momentum. Bond breaking, mean square displacement and self-intermediate scattering
are measured on the fly at the output times; no trajectory is stored.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import numpy as np
import xarray as xr

from glassviz import mixture
from glassviz.files import netcdf
from glassviz.simulate.bonds import initial_bonds, require_species_1, surviving_fraction
from glassviz.simulate.dynamics import TIME_STEP, Lanes, advance, displacements, positions, start_lanes
from glassviz.simulate.lanes import LANES, UNITS
from glassviz.simulate.neighbors import sort_into_cells
from glassviz.simulate.potential import forces

EQUATION = r"\mathcal{C}_B^i(t) = \left\langle n_t^i / n_0^i \right\rangle_{\mathrm{iso}}"
CAPTION = "The bond-breaking propensity is the fraction of its neighbours a particle keeps, averaged over replicas."

SCATTERING_WAVENUMBER = 7.0
LONGEST_JUMP = 0.1  # σ a particle at rest may be pushed within a time step; in equilibrium it is a tenth of that
LONGEST_STEP = 0.1
FARTHEST = 0.5  # σ a particle may move within a time step; in equilibrium it is a tenth of that
LONGEST = 1e12  # last time; no simulation gets there
MOST_PER_DECADE = 200  # output times, more than a time step apart from t = 1 on
STAGE = 25_000_000  # steps of a particle that run without a look at anything else, some seconds on a CPU
SAVED_AFTER = 10.0  # s from one checkpoint to the next, beside those at output times
SHORTEST_STAGE = 1000  # steps
FLIGHT = 10  # times the mean square displacement of free flight that no liquid reaches
_DIMS = {
    "propensity": ("time", "particle"),
    "propensity_variance": ("time", "particle"),
    "mean_propensity_variance": ("time", "component"),
    "mean_square_displacement": ("time",),
    "self_scattering": ("time",),
}


def logarithmic_times(until, per_decade=6):
    """Output times 1 … until (σ(m/ε)^½), evenly spaced in the logarithm, `until` included.

    Raises
    ------
    InvalidData
        Where `until` does not exceed 1 or is beyond any simulation, or there are too few or too many times per decade.
    """
    if not 1 < until <= LONGEST:
        raise mixture.InvalidData(f"dynamics: the last time is {until:g}; expected more than 1, at most {LONGEST:g}.")
    if not 1 <= per_decade <= MOST_PER_DECADE:
        raise mixture.InvalidData(f"dynamics: {per_decade} times per decade; expected 1 to {MOST_PER_DECADE}.")
    times = 10 ** (np.arange(0, np.floor(np.log10(until) * per_decade + 1e-9) + 1) / per_decade)
    return times if np.isclose(times[-1], until) else np.append(times[times < until - 2 * TIME_STEP], until)


class _Ensemble:
    """The replicas of one structure, lane group by lane group, and what has been measured of them so far."""

    def __init__(self, position, species, length, temperature, replicas, seed, time_step, times, device):
        _require_no_overlap(position, species, length, time_step)
        # Particles in the order of their cells keep a pair's data close together in memory.
        side = max(1, int(length / 3))
        self.order = sort_into_cells(position, length, side)[2]
        self.species = np.ascontiguousarray(species[self.order], dtype=np.int8)
        self.length, self.time_step, self.times, self.device = float(length), time_step, times, device
        self.bonds = initial_bonds(position[self.order], self.species, length)
        groups = -(-replicas // LANES)
        # What a checkpoint must agree with to be of this run.
        self.run = {
            "box_length": self.length,
            "time_step": time_step,
            "temperature": temperature,
            "seed": seed,
            "replicas": LANES * groups,
            "device": device,
            "structure": hashlib.sha256(position.tobytes() + species.tobytes()).hexdigest(),
        }
        self.groups = [
            start_lanes(position[self.order], length, temperature, time_step, seed, range(LANES * g, LANES * (g + 1)))
            for g in range(groups)
        ]
        sizes = {"time": len(times), "particle": len(position), "component": len(mixture.COMPOSITION)}
        self.done, self.steps = 0, 0
        self.stage = max(SHORTEST_STAGE, STAGE // len(position))
        self.outputs = np.rint(times / time_step).astype(int)
        self.measured = {name: np.full([sizes[dim] for dim in dims], np.nan) for name, dims in _DIMS.items()}

    def run_on(self, pool):
        """Advance every group to the next output time and measure, or to the end of a stage on the way there.

        Stages end at the same steps in every run, so that one that was interrupted repeats it.
        """
        stop = min(self.outputs[self.done], (self.steps // self.stage + 1) * self.stage)
        how = self.species, self.length, stop - self.steps, self.time_step
        if self.device == "cuda":
            from glassviz.simulate import cuda

            cuda.advance(self.groups, *how)
        else:
            list(pool.map(lambda group: advance(group, *how), self.groups))
        self.steps = int(stop)
        if self.steps == self.outputs[self.done]:
            self._measure()

    def _measure(self):
        """Take the measurements of the output time that has been reached."""
        surviving = np.array(
            [
                surviving_fraction(*self.bonds, later, self.species, self.length)
                for group in self.groups
                for later in positions(group, self.length)
            ]
        )
        moved = np.concatenate([displacements(group, self.length) for group in self.groups])
        k = self.done
        self.measured["propensity"][k, self.order] = surviving.mean(axis=0)
        self.measured["propensity_variance"][k, self.order] = surviving.var(axis=0, ddof=1)
        for component in np.unique(self.species):
            means = surviving[:, self.species == component].mean(axis=1)
            self.measured["mean_propensity_variance"][k, component] = means.var(ddof=1)
        fastest = max(float(np.abs(v).max()) for group in self.groups for v in (group.vx, group.vy))
        if not fastest * self.length / UNITS < FARTHEST:
            raise mixture.InvalidData(
                f"isoconfigurational: by t = {self.times[k]:g} a particle moves farther than {FARTHEST:g} σ in a time "
                f"step of {self.time_step:g}; expected a shorter one at T = {self.run['temperature']:g}."
            )
        squared = (moved**2).sum(axis=-1).mean()
        if not squared < FLIGHT * 2 * self.run["temperature"] * self.times[k] ** 2:
            raise mixture.InvalidData(
                f"isoconfigurational: by t = {self.times[k]:g} particles have moved {np.sqrt(squared):.3g} σ, farther "
                "than in free flight; expected a relaxed configuration at its temperature."
            )
        self.measured["mean_square_displacement"][k] = squared
        self.measured["self_scattering"][k] = np.cos(SCATTERING_WAVENUMBER * moved).mean()
        self.done += 1

    def save(self, path):
        """Write everything a later process needs to go on."""
        state = {f"{name}_{g}": value for g, group in enumerate(self.groups) for name, value in group._asdict().items()}
        dataset = xr.Dataset(
            {name: (("particle", "lane"), value) for name, value in state.items()}
            | {name: (_DIMS[name], value) for name, value in self.measured.items()},
            attrs={"done": self.done, "steps": self.steps, "times": self.times, **self.run},
        )
        netcdf.save(dataset, path)

    def restore(self, path):
        """Take up the state that `save` wrote."""
        saved = netcdf.load(path)
        same = (np.array_equal(saved.attrs.get(name, value), value) for name, value in self.run.items())
        done = measured_times(path)
        if "done" not in saved.attrs or not all(same) or not np.array_equal(done, self.times[: len(done)]):
            raise mixture.InvalidData(
                f"{path}: this checkpoint is of another run; remove it or repeat the run's options."
            )
        self.done = len(done)
        self.steps = int(saved.attrs.get("steps", self.outputs[self.done - 1]))  # early ones are at output times only
        if self.done < len(self.outputs) and self.steps > self.outputs[self.done]:
            raise mixture.InvalidData(
                f"{path}: this checkpoint is at t = {self.steps * self.time_step:g} already, beyond the output time "
                f"t = {self.times[self.done]:g}; expected a later one, or that this file is gone."
            )
        for name in self.measured.keys() & saved.keys():  # early checkpoints lack the variance of the mean
            self.measured[name][: self.done] = saved[name].values[: self.done]
        self.groups = [
            Lanes(
                *(
                    np.ascontiguousarray(saved[f"{name}_{g}"].values) if f"{name}_{g}" in saved else at_start
                    for name, at_start in group._asdict().items()  # early checkpoints lack the particles of the slots
                )
            )
            for g, group in enumerate(self.groups)
        ]


def _require_no_overlap(position, species, length, time_step):
    """`InvalidData` where a particle would be thrown in the first time step."""
    strongest, most = np.abs(forces(position, species, length)).max(), LONGEST_JUMP / time_step**2
    if not strongest < most:
        raise mixture.InvalidData(
            f"isoconfigurational: the largest force is {strongest:.3g} ε/σ (do particles overlap?); expected less than "
            f"{most:.3g} for time steps of {time_step:g}."
        )


def measured_times(checkpoint):
    """Output times that the run of a checkpoint has passed, (time,) ndarray; empty where there is no checkpoint."""
    if not checkpoint.exists():
        return np.empty(0)
    attributes, _, _ = netcdf.header(checkpoint)
    return np.atleast_1d(attributes.get("times", []))[: int(attributes.get("done", 0))]


def require(device):
    """Check that a device, "cpu" or "cuda", is there; `InvalidData` where it is not."""
    if device not in ("cpu", "cuda"):
        raise mixture.InvalidData(f"dynamics: there is no device {device!r}; expected 'cpu' or 'cuda'.")
    if device == "cuda":
        from glassviz.simulate import cuda

        cuda.require()


def isoconfigurational(
    ds,
    times,
    replicas=20,
    *,
    temperature=None,
    seed=0,
    time_step=TIME_STEP,
    threads=1,
    device="cpu",
    checkpoint=None,
    progress=None,
):
    r"""Propensities of one structure by molecular dynamics from it, C_B^i(t) = ⟨n_t/n_0⟩ over replicas.

    Parameters
    ----------
    ds : xarray.Dataset
        One configuration (`glassviz.mixture`).
    times : sequence of float
        Output times (σ(m/ε)^½), rising; each is rounded to a whole number of steps.
    replicas : int, optional
        Number of replicas, rounded up to a multiple of 8: the paper's 20 are 24.
    temperature : float, optional
        Temperature of the Maxwell velocities; that of the configuration by default.
    seed : int, optional
        Seed of the velocities.
    time_step : float, optional
        Time step of velocity Verlet.
    threads : int, optional
        Groups of 8 replicas that run at the same time.
    device : {"cpu", "cuda"}, optional
        Where the dynamics runs; "cuda" is an NVIDIA GPU, one thread block for each replica.
    checkpoint : path, optional
        File that takes the state after every output time, and every few seconds in between. From it an interrupted
        run goes on, bit for bit, and a finished one to later times; not to an output time that it has passed.
    progress : callable, optional
        Called with (time done, last time) as often.

    Returns
    -------
    xarray.Dataset
        The configuration with `propensity` and `propensity_variance` (over replicas)
        `(configuration, time, particle)`, `mean_propensity` (species 1), `mean_square_displacement` (σ²) and
        `self_scattering` F_s(q = 7) (all species) `(configuration, time)`, and `mean_propensity_variance`
        `(configuration, time, component)`, the unbiased variance over replicas of n_t/n_0 averaged over all particles
        of a species; attrs `replicas`, `time_step`, `dynamics_seed`, `dynamics_device`.

    Raises
    ------
    InvalidData
        Where `ds` is not one configuration of known temperature with particles of species 1, particles overlap or run
        away, the times do not rise or the time step is too long, there is no replica, the device is not there, or the
        checkpoint is of another run.
    """
    ds = mixture.check(ds).drop_dims(["time", "component"], errors="ignore")  # of dynamics that it has behind it
    if ds.sizes["configuration"] != 1:
        raise mixture.InvalidData(
            f"isoconfigurational: {ds.sizes['configuration']} configurations; expected one structure at a time."
        )
    require_species_1(ds, "isoconfigurational")
    temperature = ds.attrs["temperature"] if temperature is None else temperature
    temperature = mixture.checked_temperature(temperature, "isoconfigurational")
    if np.isnan(temperature):
        raise mixture.InvalidData("isoconfigurational: the temperature is unknown; expected a positive number.")
    if not 0 < time_step <= LONGEST_STEP:
        raise mixture.InvalidData(f"isoconfigurational: time step {time_step:g}; expected 0 to {LONGEST_STEP:g}.")
    times = np.rint(np.atleast_1d(np.asarray(times, dtype=float)) / time_step) * time_step
    if times.ndim > 1 or not times.size or not np.all(np.diff(times, prepend=0) > 0) or times[-1] > LONGEST:
        raise mixture.InvalidData(
            f"isoconfigurational: the output times do not rise from above zero to {LONGEST:g}; expected them to."
        )
    mixture.require_counts("isoconfigurational", replicas=replicas, threads=threads)
    require(device)

    configuration = ds.isel(configuration=0)
    ensemble = _Ensemble(
        configuration["position"].values,
        configuration["species"].values,
        ds.attrs["box_length"],
        temperature,
        replicas,
        seed,
        time_step,
        times,
        device,
    )
    checkpoint = Path(checkpoint) if checkpoint else None
    if checkpoint and checkpoint.exists():
        ensemble.restore(checkpoint)
    with ThreadPoolExecutor(threads) as pool:
        saved = monotonic()
        while ensemble.done < len(times):
            measured = ensemble.done
            ensemble.run_on(pool)
            if checkpoint and (ensemble.done > measured or monotonic() - saved > SAVED_AFTER):
                ensemble.save(checkpoint)
                saved = monotonic()
            if progress:
                progress(ensemble.steps * time_step, times[-1])
    return _labelled(ds, ensemble, temperature, seed)


def _labelled(ds, ensemble, temperature, seed):
    """The configuration Dataset with the ensemble's measurements."""
    result = ds.assign_coords(time=ensemble.times)
    for name, values in ensemble.measured.items():
        result[name] = ("configuration", *_DIMS[name]), values[None]
    first = ds["species"].values[0] == 0
    result["mean_propensity"] = ("configuration", "time"), ensemble.measured["propensity"][None, :, first].mean(axis=-1)
    result.attrs.update(
        temperature=temperature,
        replicas=LANES * len(ensemble.groups),
        time_step=ensemble.time_step,
        dynamics_seed=int(seed),
        dynamics_device=ensemble.device,
    )
    return result
