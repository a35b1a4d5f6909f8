"""Molecular dynamics on a GPU: the same steps as `dynamics`, one thread block for each replica.

Fixed-point positions, float32 velocities and forces as on the processor; every replica has a pair list of its own,
which its block renews by looking at all pairs when a particle has moved by half the skin. Meant for boxes of a few
thousand particles, many replicas at a time. Paths agree with those of `dynamics.advance` up to rounding.
"""

import numpy as np
from numba import cuda

from glassviz import mixture
from glassviz.simulate.dynamics import TIME_STEP, Lanes
from glassviz.simulate.lanes import LANES, UNITS
from glassviz.simulate.neighbors import REACH

THREADS = 256
SKIN = 0.8
CAPACITY = 96  # neighbours of one particle; a liquid at this density has about 40
STEPS_PER_LAUNCH = 10_000
MOVING = Lanes._fields[:6]  # every replica has its own lists, so its particles stay in their slots


def require():
    """Raise `InvalidData` where there is no CUDA GPU."""
    if not cuda.is_available():
        raise mixture.InvalidData("device 'cuda': this machine has no CUDA GPU with a working driver; use 'cpu'.")


@cuda.jit(device=True)
def _renew(x, y, from_x, from_y, species, reach2, neighbor, count, replica, overflow):
    """The neighbours of this thread's particles, and where all were when they were looked up."""
    for i in range(cuda.threadIdx.x, x.shape[1], cuda.blockDim.x):
        from_x[replica, i] = x[replica, i]
        from_y[replica, i] = y[replica, i]
        found = 0
        for j in range(x.shape[1]):
            dx = np.float32(np.int32(x[replica, i] - x[replica, j]))
            dy = np.float32(np.int32(y[replica, i] - y[replica, j]))
            if i != j and dx * dx + dy * dy < reach2[3 * species[i] + species[j]]:
                if found < CAPACITY:
                    neighbor[replica, found, i] = j
                found += 1
        if found > CAPACITY:
            overflow[0] = 1
        count[replica, i] = min(found, CAPACITY)


@cuda.jit(device=True)
def _force(x, y, species, neighbor, count, scale, strength, replica, i):
    """Force on particle i of a replica, in the units of its velocity per step."""
    fx, fy = np.float32(0), np.float32(0)
    for k in range(count[replica, i]):
        j = neighbor[replica, k, i]
        pair = 3 * species[i] + species[j]
        dx = np.float32(np.int32(x[replica, i] - x[replica, j]))
        dy = np.float32(np.int32(y[replica, i] - y[replica, j]))
        s = (dx * dx + dy * dy) * scale[pair]
        if s < _CUTOFF2:
            inverse = _ONE / s
            inverse3 = inverse * inverse * inverse
            push = inverse * inverse3 * (_SIX * inverse3 - _THREE) - _C2 - _TWO_C4 * s
            push *= strength[pair]
            fx += push * dx
            fy += push * dy
    return fx, fy


_ONE, _THREE, _SIX = np.float32(1), np.float32(3), np.float32(6)
_C2, _TWO_C4, _CUTOFF2 = np.float32(mixture.C2), np.float32(2 * mixture.C4), np.float32(mixture.CUTOFF**2)
_HALF = np.float32(0.5)


@cuda.jit
def _run(
    x, y, vx, vy, traveled_x, traveled_y, fx, fy, from_x, from_y, neighbor, count, species, reach2, scale, strength,
    limit, steps, overflow,
):  # fmt: skip
    """Velocity Verlet of one replica for a number of steps; arrays (replica, particle), one block for each replica."""
    replica, first, stride, n = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x, x.shape[1]
    stale = cuda.shared.array(1, np.int32)
    _renew(x, y, from_x, from_y, species, reach2, neighbor, count, replica, overflow)
    for i in range(first, n, stride):
        fx[replica, i], fy[replica, i] = _force(x, y, species, neighbor, count, scale, strength, replica, i)
    kick = _HALF
    for _ in range(steps):
        if first == 0:
            stale[0] = 0
        cuda.syncthreads()
        for i in range(first, n, stride):
            vx[replica, i] += kick * fx[replica, i]
            vy[replica, i] += kick * fy[replica, i]
            step_x = np.int32(round(vx[replica, i]))
            step_y = np.int32(round(vy[replica, i]))
            x[replica, i] += step_x
            y[replica, i] += step_y
            traveled_x[replica, i] += step_x
            traveled_y[replica, i] += step_y
            dx = np.float32(np.int32(x[replica, i] - from_x[replica, i]))
            dy = np.float32(np.int32(y[replica, i] - from_y[replica, i]))
            if dx * dx + dy * dy > limit:
                stale[0] = 1
        cuda.syncthreads()
        if stale[0] == 1:
            _renew(x, y, from_x, from_y, species, reach2, neighbor, count, replica, overflow)
        for i in range(first, n, stride):
            fx[replica, i], fy[replica, i] = _force(x, y, species, neighbor, count, scale, strength, replica, i)
        kick = _ONE
        cuda.syncthreads()
    for i in range(first, n, stride):
        vx[replica, i] += _HALF * fx[replica, i]
        vy[replica, i] += _HALF * fy[replica, i]


def advance(groups, species, length, steps, time_step=TIME_STEP):
    """Run all groups of replicas for a number of time steps, in place, at the same time.

    Parameters
    ----------
    groups : sequence of Lanes
        Replicas of one structure.
    species : (n,) ndarray of int8
        Species, 0-based.
    length : float
        Side of the box (σ).
    steps : int
        Number of steps.
    time_step : float, optional
        Time step (σ(m/ε)^½).

    Raises
    ------
    InvalidData
        Where there is no CUDA GPU, or a particle has more neighbours than the lists hold.
    """
    require()
    n, replicas, unit = len(species), LANES * len(groups), length / UNITS
    state = [
        cuda.to_device(np.ascontiguousarray(np.concatenate([getattr(g, name) for g in groups], axis=1).T))
        for name in MOVING
    ]
    work = [cuda.device_array((replicas, n), kind) for kind in (np.float32, np.float32, np.int32, np.int32)]
    lists = [cuda.device_array((replicas, CAPACITY, n), np.int32), cuda.device_array((replicas, n), np.int32)]
    constants = [
        species,
        (((REACH + SKIN) / unit).ravel() ** 2).astype(np.float32),
        (unit**2 / mixture.SIGMA**2).astype(np.float32).ravel(),
        (8 * mixture.EPSILON / mixture.SIGMA**2 * time_step**2).astype(np.float32).ravel(),
    ]
    constants = [cuda.to_device(np.ascontiguousarray(values)) for values in constants]
    limit = np.float32((0.5 * SKIN / unit) ** 2)
    overflow = cuda.to_device(np.zeros(1, np.int32))
    threads = min(THREADS, n)
    for done in range(0, steps, STEPS_PER_LAUNCH):
        now = min(STEPS_PER_LAUNCH, steps - done)
        _run[replicas, threads](*state, *work, *lists, *constants, limit, now, overflow)
    if overflow.copy_to_host()[0]:
        raise mixture.InvalidData(f"dynamics: a particle has more than {CAPACITY} neighbours; expected a liquid.")
    for name, values in zip(MOVING, state, strict=True):
        columns = values.copy_to_host().T
        for k, group in enumerate(groups):
            getattr(group, name)[:] = columns[:, LANES * k : LANES * (k + 1)]
