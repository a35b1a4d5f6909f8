"""Molecular dynamics on a GPU: the same steps as `dynamics`, one thread block for each replica.

Fixed-point positions, float32 velocities and forces as on the processor, and paths that agree with those of
`dynamics.advance` up to rounding. A block keeps the positions of its replica in shared memory and a full list of the
neighbours of every particle in global memory, which it makes anew from cells when a particle has moved by half the
skin; cells are sorted, so that the same run is the same to the bit. A replica alone leaves most of a GPU idle: run many
structures at the same time, from several threads (each has a stream of its own), as `glassviz campaign dynamics
--device cuda` does.

Threads of a block, registers of a thread and skin were chosen on an NVIDIA H100: 384 replicas of 32 structures of
N = 1290 at T = 0.27, 20 000 steps from the start, copies and all:

=======  =========  ====  ============================
threads  registers  skin  million replica-steps/s
=======  =========  ====  ============================
448      48         0.5   5.23
448      48         0.7   5.35
448      32         0.7   5.01
672      32         0.5   5.62
672      32         0.9   5.65
672      40         0.7   5.69
1024     32         0.7   5.75
=======  =========  ====  ============================

Eight replicas alone make 0.30 million steps/s.
"""

import os
import time

import numpy as np

# Streams that may run at the same time; the driver reads it when the process first speaks to the GPU.
os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")

from numba import config, cuda, float32, int32

from glassviz import mixture
from glassviz.simulate.dynamics import TIME_STEP, Lanes
from glassviz.simulate.lanes import LANES, UNITS
from glassviz.simulate.neighbors import REACH, cells_per_side

THREADS = 672
SKIN = 0.7
CAPACITY = 64  # neighbours of one particle; a liquid at this density has about 30
MOST = 3600  # particles of a replica: 12 bytes each of the 48 kB of shared memory
STEPS_PER_LAUNCH = 10_000
REGISTERS = {} if config.ENABLE_CUDASIM else {"max_registers": 40}  # so that two blocks share a multiprocessor
MOVING = Lanes._fields[:6]  # every replica has its own lists, so its particles stay in their slots

_ONE, _THREE, _SIX, _HALF = np.float32(1), np.float32(3), np.float32(6), np.float32(0.5)
_C2, _TWO_C4, _CUTOFF2 = np.float32(mixture.C2), np.float32(2 * mixture.C4), np.float32(mixture.CUTOFF**2)
_PARTICLE, _SPECIES_BIT = np.uint32(0x3FFF), np.uint32(14)  # an entry of a list: the neighbour and its species


def require():
    """Raise `InvalidData` where there is no CUDA GPU."""
    if not cuda.is_available():
        raise mixture.InvalidData(
            "device 'cuda': this machine has no CUDA GPU, or no driver and toolkit for it; use 'cpu'."
        )


@cuda.jit(device=True)
def _cell(x, y, side):
    """Cell of fixed-point coordinates, row-major in (x, y)."""
    cx = np.uint64(np.uint32(x)) * np.uint64(side) >> np.uint64(32)
    cy = np.uint64(np.uint32(y)) * np.uint64(side) >> np.uint64(32)
    return np.int32(cx) * side + np.int32(cy)


@cuda.jit(device=True)
def _sort_into_cells(x, y, side, start, fill, order):
    """Particles of the block's replica cell by cell, by rising index within a cell."""
    first, stride, n, cells = cuda.threadIdx.x, cuda.blockDim.x, x.shape[0], side * side
    c = first
    while c < cells + 1:
        start[c] = 0
        c += stride
    cuda.syncthreads()
    i = first
    while i < n:
        cuda.atomic.add(start, _cell(x[i], y[i], side) + 1, 1)
        i += stride
    cuda.syncthreads()
    if first == 0:
        for c in range(cells):
            start[c + 1] += start[c]
            fill[c] = start[c]
    cuda.syncthreads()
    i = first
    while i < n:
        order[cuda.atomic.add(fill, _cell(x[i], y[i], side), 1)] = i
        i += stride
    cuda.syncthreads()
    c = first
    while c < cells:
        for k in range(start[c] + 1, start[c + 1]):
            moved, place = order[k], k
            while place > start[c] and order[place - 1] > moved:
                order[place] = order[place - 1]
                place -= 1
            order[place] = moved
        c += stride
    cuda.syncthreads()


@cuda.jit(device=True)
def _neighbors_of(i, x, y, species, reach2, side, start, order, neighbor, at, overflow):
    """Write the list of particle i, which begins `at`, from the cells around it; how long it is."""
    around = 1 if side >= 3 else 0
    cell, found, kind = _cell(x[i], y[i], side), 0, 3 * species[i]
    for ox in range(-around, around + 1):
        for oy in range(-around, around + 1):
            c = (cell // side + ox + side) % side * side + (cell % side + oy + side) % side
            for k in range(start[c], start[c + 1]):
                j = order[k]
                dx = np.float32(np.int32(x[i] - x[j]))
                dy = np.float32(np.int32(y[i] - y[j]))
                if i != j and dx * dx + dy * dy < reach2[kind + species[j]]:
                    if found < CAPACITY:
                        neighbor[at + found * x.shape[0]] = np.uint32(j) | np.uint32(species[j]) << _SPECIES_BIT
                    found += 1
    if found > CAPACITY:
        overflow[0] = 1
    return min(found, CAPACITY)


@cuda.jit(device=True)
def _force(x, y, i, kind, neighbor, at, count, scale, strength):
    """Force on particle i, whose list begins `at`, in the units of its velocity per step."""
    fx, fy, n = np.float32(0), np.float32(0), np.uint32(x.shape[0])
    here_x, here_y = x[i], y[i]
    for _ in range(count):
        entry = np.uint32(neighbor[at])
        at += n
        j = entry & _PARTICLE
        pair = kind + (entry >> _SPECIES_BIT)
        dx = np.float32(np.int32(here_x - x[j]))
        dy = np.float32(np.int32(here_y - y[j]))
        s = (dx * dx + dy * dy) * scale[pair]
        inverse = _ONE / s
        inverse3 = inverse * inverse * inverse
        push = inverse * inverse3 * (_SIX * inverse3 - _THREE) - _C2 - _TWO_C4 * s
        push = push * strength[pair] if s < _CUTOFF2 else np.float32(0)
        fx += push * dx
        fy += push * dy
    return fx, fy


@cuda.jit(fastmath=True, **REGISTERS)
def _run(
    x_at, y_at, vx, vy, traveled_x, traveled_y, from_x, from_y, neighbor, count, species, reach2, scales, strengths,
    side, limit, steps, overflow,
):  # fmt: skip
    """Velocity Verlet of one replica for a number of steps; arrays (replica, particle), one block for each replica."""
    replica, first, stride, n = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x, x_at.shape[1]
    shared, cells = cuda.shared.array(0, int32), side * side
    x, y, start, fill = shared[:n], shared[n : 2 * n], shared[2 * n :], shared[2 * n + cells + 1 :]
    order = shared[2 * n + 2 * cells + 1 :]
    scale = cuda.shared.array(9, float32)
    strength = cuda.shared.array(9, float32)
    stale = cuda.shared.array(2, int32)
    count, from_x, from_y, begin = count[replica], from_x[replica], from_y[replica], replica * CAPACITY * n
    vx, vy, traveled_x, traveled_y = vx[replica], vy[replica], traveled_x[replica], traveled_y[replica]
    k = first
    while k < 9:
        scale[k], strength[k] = scales[k], strengths[k]
        k += stride
    i = first
    while i < n:
        x[i], y[i] = x_at[replica, i], y_at[replica, i]
        from_x[i], from_y[i] = x[i], y[i]
        i += stride
    stale[0] = 1
    cuda.syncthreads()
    for step in range(steps + 1):
        if step > 0:
            i = first
            while i < n:
                x[i] += np.int32(round(vx[i]))
                y[i] += np.int32(round(vy[i]))
                dx = np.float32(np.int32(x[i] - from_x[i]))
                dy = np.float32(np.int32(y[i] - from_y[i]))
                if dx * dx + dy * dy > limit:
                    stale[step % 2] = 1
                i += stride
            cuda.syncthreads()
        if stale[step % 2] == 1:
            _sort_into_cells(x, y, side, start, fill, order)
            i = first
            while i < n:
                count[i] = _neighbors_of(i, x, y, species, reach2, side, start, order, neighbor, begin + i, overflow)
                traveled_x[i] += np.int32(x[i] - from_x[i])
                traveled_y[i] += np.int32(y[i] - from_y[i])
                from_x[i], from_y[i] = x[i], y[i]
                i += stride
        kick = _HALF if step == 0 or step == steps else _ONE
        i = first
        while i < n:
            fx, fy = _force(
                x, y, i, np.uint32(3 * species[i]), neighbor, np.uint32(begin + i), count[i], scale, strength
            )
            vx[i] += kick * fx
            vy[i] += kick * fy
            i += stride
        stale[(step + 1) % 2] = 0
        cuda.syncthreads()
    i = first
    while i < n:
        x_at[replica, i], y_at[replica, i] = x[i], y[i]
        traveled_x[i] += np.int32(x[i] - from_x[i])
        traveled_y[i] += np.int32(y[i] - from_y[i])
        i += stride


def _await(stream):
    """Wait for a stream without keeping other threads from theirs, as waiting in the driver does.

    It is done for every launch, so that the driver's queue stays short: 32 structures that queued some 250 launches
    each ran at a third of the speed that they have with two.
    """
    if config.ENABLE_CUDASIM:
        return  # there it has been done
    done = cuda.event(timing=False)
    done.record(stream)
    while not done.query():
        time.sleep(0.01)


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
        Where there is no CUDA GPU, there are more particles than a block takes, or a particle has more neighbours than
        the lists hold.
    """
    require()
    n, replicas, unit = len(species), LANES * len(groups), length / UNITS
    if n > MOST:
        raise mixture.InvalidData(f"device 'cuda': {n} particles; expected at most {MOST}, or device 'cpu'.")
    side = cells_per_side(UNITS, (REACH.max() + SKIN) / unit)
    stream = cuda.stream()
    state = [
        cuda.to_device(np.ascontiguousarray(np.concatenate([getattr(g, name) for g in groups], axis=1).T), stream)
        for name in MOVING
    ]
    shapes = ((replicas, n), np.int32), ((replicas, n), np.int32), (replicas * CAPACITY * n, np.uint16)
    work = [cuda.device_array(*shape, stream=stream) for shape in (*shapes, ((replicas, n), np.int32))]
    constants = [
        species,
        (((REACH + SKIN) / unit).ravel() ** 2).astype(np.float32),
        (unit**2 / mixture.SIGMA**2).astype(np.float32).ravel(),
        (8 * mixture.EPSILON / mixture.SIGMA**2 * time_step**2).astype(np.float32).ravel(),
    ]
    constants = [cuda.to_device(np.ascontiguousarray(values), stream) for values in constants]
    limit = np.float32((0.5 * SKIN / unit) ** 2)
    overflow = cuda.to_device(np.zeros(1, np.int32), stream)
    launch = replicas, min(THREADS, n), stream, 4 * (3 * n + 2 * side**2 + 1)
    for done in range(0, steps, STEPS_PER_LAUNCH):
        now = min(STEPS_PER_LAUNCH, steps - done)
        _run[launch](*state, *work, *constants, side, limit, now, overflow)
        _await(stream)
    overflowed = overflow.copy_to_host(stream=stream)
    columns = [values.copy_to_host(stream=stream).T for values in state]
    stream.synchronize()
    if overflowed[0]:
        raise mixture.InvalidData(f"dynamics: a particle has more than {CAPACITY} neighbours; expected a liquid.")
    for name, values in zip(MOVING, columns, strict=True):
        for k, group in enumerate(groups):
            getattr(group, name)[:] = values[:, LANES * k : LANES * (k + 1)]
