r"""Molecular dynamics at constant energy: velocity Verlet with every replica of a structure in its own SIMD lane.

Positions are 32-bit fixed-point numbers (see `lanes`), velocities and forces float32 in units of the fixed-point step
per time step, so one step is `velocity += acceleration; position += round(velocity)`. Pairs come from two nested lists:
a wide one, rebuilt when a particle of any replica has left its surroundings, and a narrow one chosen from it every few
tens of steps, at the cost of two force evaluations.

The lists are shared for good, however far the replicas drift apart: particles of one species change slots, so that
neighbours in one lane stay neighbours in all (see `slots`). Eight replicas at N = 1290, T = 0.40; forces per replica
and step, with particles that stay in their slots and with slots shared:

=====  =======  ====  =================  ===========  =================  ===========
t      ⟨C̄_B⟩    MSD   pairs, own slots   forces (µs)  pairs, slots       forces (µs)
                                                      shared
=====  =======  ====  =================  ===========  =================  ===========
1      0.999    0.04  22 300             9.9          22 300             9.9
316    0.84     0.6   33 700             14.9         33 500             14.9
1000   0.63     1.8   44 500             19.1         39 800             17.6
4000   0.28     6.3   72 600             31.7         42 200             18.9
10000  0.12     17    102 800            44.1         43 200             19.6
=====  =======  ====  =================  ===========  =================  ===========

(with a narrow skin of 0.7 σ, beside other work on the machine; a step takes some 8 µs besides). A replica with a list
of its own, vectorised over the neighbours, takes about 90 µs for the forces alone, three times the whole step of
replicas with nothing in common, and so there is no second layout (`bench_dynamics.py` keeps watch).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from glassviz import mixture
from glassviz.simulate.lanes import LANES, UNITS, add_pair_forces, close_pairs, near_in_a_lane
from glassviz.simulate.neighbors import REACH, cells_per_side
from glassviz.simulate.potential import potential_energy
from glassviz.simulate.slots import share_slots

TIME_STEP = 0.01
NARROW_SKIN = 0.75
WIDE_SKIN = 2.7
SHARED = 8  # wide lists from one change of slots to the next


class Lanes(NamedTuple):
    """Eight replicas of one structure; arrays `(particle, LANES)`."""

    x: np.ndarray  # int32, fixed-point
    y: np.ndarray
    vx: np.ndarray  # float32, fixed-point steps per time step
    vy: np.ndarray
    traveled_x: np.ndarray  # int64, unwrapped displacement up to the last segment
    traveled_y: np.ndarray
    particle: np.ndarray  # int32, which particle is in the slot


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
    # Replicas far apart visit so many cells that these hold every pair, and more than once.
    by_cells = side >= 3 and 9 * len(particles) ** 2 < n * n / 2 * side**2
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
        if not by_cells:
            for j in range(i + 1, n):
                neighbor[count] = j
                count += near_in_a_lane(x, y, i, j, reach2)
            start[i + 1] = count
            continue
        for m in range(of_particle[i], of_particle[i + 1]):
            cx, cy = cells[m] // side, cells[m] % side
            for ox in range(-1, 2):
                for oy in range(-1, 2):
                    c = (cx + ox + side) % side * side + (cy + oy + side) % side
                    if searched[c] == i:
                        continue
                    searched[c] = i
                    for k in range(of_cell[c], of_cell[c + 1]):
                        j = particles[k]
                        if j > i and seen[j] != i:
                            seen[j] = i
                            neighbor[count] = j
                            count += near_in_a_lane(x, y, i, np.int64(j), reach2)
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
def _advance(x, y, vx, vy, traveled_x, traveled_y, particle, species, length, time_step, steps):
    """Velocity Verlet for `steps` steps, in place; pair lists are made anew first, so a restart repeats a run."""
    n = len(x)
    unit = length / UNITS
    share_slots(x, y, vx, vy, traveled_x, traveled_y, particle, species, unit)
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
    renewed = 1
    for _ in range(steps):
        moved2 = _drift(*flat, narrow_x.reshape(-1), narrow_y.reshape(-1), kick)
        if moved2 > narrow_limit:
            if _farthest(flat[0], flat[1], wide_x.reshape(-1), wide_y.reshape(-1)) > wide_limit:
                _accumulate(traveled_x, x, origin_x)
                _accumulate(traveled_y, y, origin_y)
                if renewed % SHARED == 0:
                    share_slots(x, y, vx, vy, traveled_x, traveled_y, particle, species, unit)
                    origin_x[:] = x
                    origin_y[:] = y
                renewed += 1
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
    particle = np.repeat(np.arange(n, dtype=np.int32)[:, None], LANES, axis=1)
    return Lanes(x, y, vx, vy, np.zeros((n, LANES), np.int64), np.zeros((n, LANES), np.int64), particle)


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


def by_particle(lanes, *fields):
    """Fields of all lanes in the order of the particles, stacked along the last axis, (LANES, n, fields)."""
    slot = np.argsort(lanes.particle, axis=0)
    stacked = np.stack([np.take_along_axis(field, slot, axis=0) for field in fields], axis=-1)
    return np.ascontiguousarray(np.moveaxis(stacked, 1, 0))


def positions(lanes, length):
    """Wrapped positions (σ) of every replica, (LANES, n, 2) float64."""
    return by_particle(lanes, lanes.x, lanes.y).view(np.uint32) * (length / UNITS)


def displacements(lanes, length):
    """Unwrapped displacements (σ) of every replica since the start, (LANES, n, 2) float64."""
    return by_particle(lanes, lanes.traveled_x, lanes.traveled_y) * (length / UNITS)


def total_energy(lanes, species, length, time_step=TIME_STEP):
    """Potential plus kinetic energy per particle (ε) of every replica, (LANES,) float64."""
    speed = length / UNITS / time_step
    kinetic = 0.5 * speed**2 * (lanes.vx.astype(float) ** 2 + lanes.vy.astype(float) ** 2).mean(axis=0)
    return kinetic + [potential_energy(position, species, length).mean() for position in positions(lanes, length)]
