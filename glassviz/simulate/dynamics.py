r"""Isoconfigurational molecular dynamics: every replica of a structure in its own SIMD lane.

Newton's equations by velocity Verlet at constant energy, Maxwell velocities with zero total momentum. Bond breaking,
mean square displacement and self-intermediate scattering are measured on the fly; no trajectory is stored.

Positions are 32-bit fixed-point numbers (see `lanes`), velocities and forces float32 in units of the fixed-point step
per time step, so one step is `velocity += acceleration; position += round(velocity)`. Pairs come from two nested lists:
a wide one, rebuilt when a particle of any replica has left its surroundings, and a narrow one chosen from it every few
tens of steps, at the cost of two force evaluations.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from numba import njit

from glassviz import mixture
from glassviz.files import netcdf
from glassviz.simulate.bonds import initial_bonds, surviving_fraction
from glassviz.simulate.lanes import LANES, UNITS, add_pair_forces, close_pairs, nearest_lane
from glassviz.simulate.neighbors import REACH, cells_per_side, sort_into_cells
from glassviz.simulate.potential import potential_energy

EQUATION = r"\mathcal{C}_B^i(t) = \left\langle n_t^i / n_0^i \right\rangle_{\mathrm{iso}}"
CAPTION = "The bond-breaking propensity is the fraction of its neighbours a particle keeps, averaged over replicas."

TIME_STEP = 0.01
NARROW_SKIN = 0.5
WIDE_SKIN = 2.4
SCATTERING_WAVENUMBER = 7.0


class Lanes(NamedTuple):
    """Eight replicas of one structure; arrays `(particle, LANES)`."""

    x: np.ndarray  # int32, fixed-point
    y: np.ndarray
    vx: np.ndarray  # float32, fixed-point steps per time step
    vy: np.ndarray
    traveled_x: np.ndarray  # int64, unwrapped displacement up to the last segment
    traveled_y: np.ndarray


@njit(cache=True, error_model="numpy")
def _occupied_cells(x, y, side):
    """Every cell that a particle visits in some lane: cells by particle, and particles by cell, as compressed lists."""
    n = len(x)
    of_particle = np.zeros(n + 1, np.int64)
    cells = np.empty(LANES * n, np.int32)
    of_cell = np.zeros(side * side + 1, np.int64)
    count = 0
    for i in range(n):
        begin = count
        for lane in range(LANES):
            cx = np.int64(np.uint32(x[i, lane]) * np.uint64(side) >> np.uint64(32))
            cy = np.int64(np.uint32(y[i, lane]) * np.uint64(side) >> np.uint64(32))
            c = cx * side + cy
            known = False
            for k in range(begin, count):
                known |= cells[k] == c
            if not known:
                cells[count] = c
                of_cell[c + 1] += 1
                count += 1
        of_particle[i + 1] = count
    for c in range(side * side):
        of_cell[c + 1] += of_cell[c]
    fill = of_cell[:-1].copy()
    particles = np.empty(count, np.int32)
    for i in range(n):
        for k in range(of_particle[i], of_particle[i + 1]):
            particles[fill[cells[k]]] = i
            fill[cells[k]] += 1
    return of_particle, cells, of_cell, particles


@njit(cache=True, error_model="numpy")
def _wide_list(x, y, reach):
    """Half list of the pairs within reach (fixed-point units) in at least one lane."""
    n = len(x)
    side = cells_per_side(UNITS, reach)
    of_particle, cells, of_cell, particles = _occupied_cells(x, y, side)
    reach2 = np.float32(reach * reach)
    around = 1 if side >= 3 else 0
    start = np.zeros(n + 1, np.int64)
    neighbor = np.empty(128 * n + n, np.int32)
    seen = np.full(n, -1, np.int32)
    searched = np.full(side * side, -1, np.int32)
    count = 0
    for i in range(n):
        if count + n > len(neighbor):
            grown = np.empty(2 * len(neighbor) + n, np.int32)
            grown[:count] = neighbor[:count]
            neighbor = grown
        for m in range(of_particle[i], of_particle[i + 1]):
            cx, cy = cells[m] // side, cells[m] % side
            for ox in range(-around, around + 1):
                for oy in range(-around, around + 1):
                    c = (cx + ox + side) % side * side + (cy + oy + side) % side
                    if searched[c] == i:
                        continue
                    searched[c] = i
                    for k in range(of_cell[c], of_cell[c + 1]):
                        j = particles[k]
                        if j > i and seen[j] != i:
                            seen[j] = i
                            neighbor[count] = j
                            count += nearest_lane(x, y, i, np.int64(j)) < reach2
        start[i + 1] = count
    return start, neighbor[:count].copy()


@njit(cache=True, error_model="numpy", fastmath=True)
def _drift(x, y, vx, vy, fx, fy, from_x, from_y, kick):
    """Kick velocities, move, clear the forces; returns the largest squared distance from the list's positions."""
    farthest = np.float32(0)
    zero = np.float32(0)
    for k in range(x.size):
        vx[k] += kick * fx[k]
        vy[k] += kick * fy[k]
        x[k] = np.int32(x[k] + np.int32(np.rint(vx[k])))
        y[k] = np.int32(y[k] + np.int32(np.rint(vy[k])))
        fx[k] = zero
        fy[k] = zero
        dx = np.float32(np.int32(x[k] - from_x[k]))
        dy = np.float32(np.int32(y[k] - from_y[k]))
        farthest = max(farthest, dx * dx + dy * dy)
    return farthest


@njit(cache=True, error_model="numpy", fastmath=True)
def _farthest(x, y, from_x, from_y):
    """Largest squared distance between two sets of fixed-point positions."""
    farthest = np.float32(0)
    for k in range(x.size):
        dx = np.float32(np.int32(x[k] - from_x[k]))
        dy = np.float32(np.int32(y[k] - from_y[k]))
        farthest = max(farthest, dx * dx + dy * dy)
    return farthest


@njit(cache=True, error_model="numpy", fastmath=True, nogil=True)
def _advance(x, y, vx, vy, traveled_x, traveled_y, species, length, time_step, steps):
    """Velocity Verlet for `steps` steps, in place; pair lists are made anew first, so a restart repeats a run."""
    n = len(x)
    unit = length / UNITS
    wide = (REACH.max() + WIDE_SKIN) / unit
    narrow2 = (((REACH + NARROW_SKIN) / unit).ravel() ** 2).astype(np.float32)
    scale = (unit**2 / mixture.SIGMA**2).astype(np.float32).ravel()
    strength = (8 * mixture.EPSILON / mixture.SIGMA**2 * time_step**2).astype(np.float32).ravel()
    narrow_limit = (0.5 * NARROW_SKIN / unit) ** 2
    # A narrow list is complete if particles are within (WIDE − NARROW)/2 of the wide list's positions.
    wide_limit = (0.5 * (WIDE_SKIN - NARROW_SKIN) / unit) ** 2

    fx = np.zeros((n, LANES), np.float32)
    fy = np.zeros((n, LANES), np.float32)
    origin_x, origin_y = x.copy(), y.copy()
    wide_x, wide_y = x.copy(), y.copy()
    narrow_x, narrow_y = x.copy(), y.copy()
    wide_start, wide_neighbor = _wide_list(x, y, wide)
    start, neighbor = close_pairs(x, y, wide_start, wide_neighbor, species, narrow2)
    add_pair_forces(x, y, fx, fy, start, neighbor, species, scale, strength)
    flat = (x.reshape(-1), y.reshape(-1), vx.reshape(-1), vy.reshape(-1), fx.reshape(-1), fy.reshape(-1))
    kick = np.float32(0.5)
    for _ in range(steps):
        moved2 = _drift(*flat, narrow_x.reshape(-1), narrow_y.reshape(-1), kick)
        if moved2 > narrow_limit:
            if _farthest(flat[0], flat[1], wide_x.reshape(-1), wide_y.reshape(-1)) > wide_limit:
                _accumulate(traveled_x, x, origin_x)
                _accumulate(traveled_y, y, origin_y)
                wide_x[:] = x
                wide_y[:] = y
                wide_start, wide_neighbor = _wide_list(x, y, wide)
            narrow_x[:] = x
            narrow_y[:] = y
            start, neighbor = close_pairs(x, y, wide_start, wide_neighbor, species, narrow2)
        add_pair_forces(x, y, fx, fy, start, neighbor, species, scale, strength)
        kick = np.float32(1.0)
    if steps > 0:
        vx += np.float32(0.5) * fx
        vy += np.float32(0.5) * fy
    _accumulate(traveled_x, x, origin_x)
    _accumulate(traveled_y, y, origin_y)


@njit(cache=True, error_model="numpy")
def _accumulate(traveled, position, origin):
    """Add the displacement since `origin` to `traveled` and make the present position the origin."""
    for i in range(position.shape[0]):
        for lane in range(position.shape[1]):
            traveled[i, lane] += np.int32(position[i, lane] - origin[i, lane])
            origin[i, lane] = position[i, lane]


def start_lanes(position, length, temperature, time_step, seed, replicas):
    """Eight replicas of one structure with Maxwell velocities.

    Parameters
    ----------
    position : (n, 2) ndarray
        Positions (σ) in [0, L).
    length : float
        Side of the box (σ).
    temperature : float
        Temperature of the velocities (ε/k_B).
    time_step : float
        Time step (σ(m/ε)^½).
    seed : int
        Seed of the structure's ensemble; replica k always gets the same velocities.
    replicas : sequence of int
        The replicas' numbers, one per lane.

    Returns
    -------
    Lanes
    """
    fixed = np.floor(position / length * UNITS).astype(np.int64).astype(np.uint32).view(np.int32)
    n = len(position)
    velocity = np.empty((n, 2, LANES))
    for lane, replica in enumerate(replicas):
        generator = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(replica,))))
        drawn = generator.normal(scale=np.sqrt(temperature), size=(n, 2))
        velocity[:, :, lane] = drawn - drawn.mean(axis=0)
    velocity *= time_step * UNITS / length
    x, y = (np.repeat(fixed[:, axis, None], LANES, axis=1) for axis in range(2))
    vx, vy = (np.ascontiguousarray(velocity[:, axis], dtype=np.float32) for axis in range(2))
    return Lanes(x, y, vx, vy, np.zeros((n, LANES), np.int64), np.zeros((n, LANES), np.int64))


def advance(lanes, species, length, steps, time_step=TIME_STEP):
    """Run all lanes for a number of time steps, in place.

    Parameters
    ----------
    lanes : Lanes
        The replicas.
    species : (n,) ndarray of int8
        Species, 0-based.
    length : float
        Side of the box (σ).
    steps : int
        Number of steps.
    time_step : float, optional
        Time step (σ(m/ε)^½).
    """
    _advance(*lanes, species, float(length), float(time_step), int(steps))


def positions(lanes, length):
    """Wrapped positions (σ) of every replica, (LANES, n, 2) float64."""
    stacked = np.stack([lanes.x, lanes.y], axis=-1).view(np.uint32) * (length / UNITS)
    return np.ascontiguousarray(np.moveaxis(stacked, 1, 0))


def displacements(lanes, length):
    """Unwrapped displacements (σ) of every replica since the start, (LANES, n, 2) float64."""
    stacked = np.stack([lanes.traveled_x, lanes.traveled_y], axis=-1) * (length / UNITS)
    return np.ascontiguousarray(np.moveaxis(stacked, 1, 0))


def total_energy(lanes, species, length, time_step=TIME_STEP):
    """Potential plus kinetic energy per particle (ε) of every replica, (LANES,) float64."""
    speed = length / UNITS / time_step
    kinetic = 0.5 * speed**2 * (lanes.vx.astype(float) ** 2 + lanes.vy.astype(float) ** 2).mean(axis=0)
    return kinetic + [potential_energy(position, species, length).mean() for position in positions(lanes, length)]


class _Ensemble:
    """The replicas of one structure, lane group by lane group, and what has been measured of them so far."""

    def __init__(self, position, species, length, temperature, replicas, seed, time_step, times):
        # Particles in the order of their cells keep a pair's data close together in memory.
        side = max(1, int(length / 3))
        self.order = sort_into_cells(position, length, side)[2]
        self.species = np.ascontiguousarray(species[self.order], dtype=np.int8)
        self.length, self.time_step, self.times = float(length), time_step, times
        self.bonds = initial_bonds(position[self.order], self.species, length)
        groups = -(-replicas // LANES)
        self.groups = [
            start_lanes(position[self.order], length, temperature, time_step, seed, range(LANES * g, LANES * (g + 1)))
            for g in range(groups)
        ]
        n = len(position)
        self.done = 0
        self.measured = {
            "propensity": np.zeros((len(times), n)),
            "propensity_variance": np.zeros((len(times), n)),
            "mean_square_displacement": np.zeros(len(times)),
            "self_scattering": np.zeros(len(times)),
        }

    def run_to_next_time(self, pool):
        """Advance every group to the next output time and measure."""
        steps = np.rint(np.concatenate([[0], self.times]) / self.time_step).astype(int)
        todo = steps[self.done + 1] - steps[self.done]
        list(pool.map(lambda g: advance(g, self.species, self.length, todo, self.time_step), self.groups))
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
        self.measured["mean_square_displacement"][k] = (moved**2).sum(axis=-1).mean()
        self.measured["self_scattering"][k] = np.cos(SCATTERING_WAVENUMBER * moved).mean()
        self.done += 1

    def save(self, path):
        """Write everything a later process needs to go on."""
        state = {f"{name}_{g}": value for g, group in enumerate(self.groups) for name, value in group._asdict().items()}
        dataset = xr.Dataset(
            {name: (("particle", "lane"), value) for name, value in state.items()}
            | {name: (("time", "particle")[: value.ndim], value) for name, value in self.measured.items()},
            attrs={"done": self.done, "box_length": self.length, "time_step": self.time_step},
        )
        netcdf.save(dataset, path)

    def restore(self, path):
        """Take up the state that `save` wrote."""
        saved = netcdf.load(path)
        if saved.sizes["particle"] != len(self.species) or saved.sizes["time"] != len(self.times):
            raise mixture.InvalidData(
                f"{path}: this checkpoint is of another run; remove it or repeat the run's options."
            )
        self.done = int(saved.attrs["done"])
        for name in self.measured:
            self.measured[name] = saved[name].values
        self.groups = [
            Lanes(*(np.ascontiguousarray(saved[f"{name}_{g}"].values) for name in Lanes._fields))
            for g in range(len(self.groups))
        ]


def isoconfigurational(
    ds,
    times,
    replicas=20,
    *,
    temperature=None,
    seed=0,
    time_step=TIME_STEP,
    threads=1,
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
        Number of replicas, rounded up to a multiple of 8.
    temperature : float, optional
        Temperature of the Maxwell velocities; that of the configuration by default.
    seed : int, optional
        Seed of the velocities.
    time_step : float, optional
        Time step of velocity Verlet.
    threads : int, optional
        Groups of 8 replicas that run at the same time.
    checkpoint : path, optional
        File that takes the state after every output time and from which an interrupted run goes on, bit for bit;
        removed at the end.
    progress : callable, optional
        Called with (steps done, steps in all) after every output time.

    Returns
    -------
    xarray.Dataset
        The configuration with `propensity` and `propensity_variance` (over replicas)
        `(configuration, time, particle)`, `mean_propensity` (species 1), `mean_square_displacement` (σ²) and
        `self_scattering` F_s(q = 7) (all species) `(configuration, time)`; attrs `replicas`, `time_step`, `seed`.

    Raises
    ------
    InvalidData
        Where `ds` is not one configuration of known temperature, or the times do not rise.
    """
    ds = mixture.check(ds)
    if ds.sizes["configuration"] != 1:
        raise mixture.InvalidData(
            f"isoconfigurational: {ds.sizes['configuration']} configurations; expected one structure at a time."
        )
    temperature = ds.attrs["temperature"] if temperature is None else temperature
    if not temperature > 0:
        raise mixture.InvalidData("isoconfigurational: the temperature is unknown; expected a positive number.")
    times = np.rint(np.asarray(times, dtype=float) / time_step) * time_step
    if times.size == 0 or np.any(np.diff(times, prepend=0) <= 0):
        raise mixture.InvalidData("isoconfigurational: the output times do not rise from above zero; expected them to.")

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
    )
    checkpoint = Path(checkpoint) if checkpoint else None
    if checkpoint and checkpoint.exists():
        ensemble.restore(checkpoint)
    with ThreadPoolExecutor(threads) as pool:
        while ensemble.done < len(times):
            ensemble.run_to_next_time(pool)
            if checkpoint:
                ensemble.save(checkpoint)
            if progress:
                progress(times[ensemble.done - 1], times[-1])
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    return _labelled(ds, ensemble, temperature, seed)


def _labelled(ds, ensemble, temperature, seed):
    """The configuration Dataset with the ensemble's measurements."""
    result = ds.assign_coords(time=ensemble.times)
    for name, values in ensemble.measured.items():
        dims = ("configuration", "time", "particle")[: values.ndim + 1]
        result[name] = dims, values[None]
    first = ds["species"].values[0] == 0
    result["mean_propensity"] = ("configuration", "time"), ensemble.measured["propensity"][None, :, first].mean(axis=-1)
    result.attrs.update(
        temperature=temperature,
        replicas=LANES * len(ensemble.groups),
        time_step=ensemble.time_step,
        dynamics_seed=int(seed),
    )
    return result
