import subprocess
import sys
import threading
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from glassviz.explore import address, derive, heterogeneity
from glassviz.explore.memo import Memo
from glassviz.explore.state import ExplorerState
from glassviz.files import netcdf


@pytest.fixture
def state(library):
    return ExplorerState(library)


@pytest.fixture
def small(state):
    """A state on a small sample, quick to compute."""
    samples = [s for s in state.library.samples(state.temperature) if s.particles < derive.LARGE]
    if not samples:
        pytest.fail("the store holds no small sample at this temperature")
    state.sample = samples[0].label
    return state


def test_the_state_needs_no_user_interface():
    code = (
        "import sys, glassviz.explore.state as s; print([m for m in ('panel', 'bokeh', 'torch') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


def test_the_page_does_not_import_torch():
    code = "import sys, glassviz.explore.page; print('torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "False"


def test_samples_follow_the_temperature_and_keep_their_size(state):
    for sample in state.library.samples(state.temperature):
        state.sample = sample.label
        for temperature in state.library.temperatures:
            state.temperature = temperature
            assert state.chosen_sample.temperature == temperature
            assert state.sample in state.param.sample.objects
            if sample.particles in state.library.sizes(temperature):
                assert state.chosen_sample.particles == sample.particles
        state.temperature = sample.temperature


def test_the_opening_sample_can_be_compared_with_its_dynamics(state):
    """Where there are test structures it is one of those that were run longest, in equilibrium if one is."""
    library = state.library
    for temperature in library.temperatures:
        size = library.sizes(temperature)[-1]
        tests = [r for r in library.propensity_files(temperature) if (r.role, r.particles) == ("test", size)]
        state.temperature = temperature
        sample = state.chosen_sample
        assert sample.particles == size
        if not tests:
            assert sample == next(s for s in library.samples(temperature) if s.particles == size)
            continue
        found = library.dynamics(sample)
        assert found.attrs["role"] == "test"
        ends = {row: float(netcdf.load(row.path)["time"][-1]) for row in tests}
        assert float(found["time"][-1]) == max(ends.values())
        longest = {name: row.replicas for row, end in ends.items() if end == max(ends.values()) for name in row.names}
        ds = library.configurations(temperature, size)
        settled = ds["configuration"].values[[said.startswith("equilibrium") for said in ds["verdict"].values]]
        best = [name for name in longest if name in settled] or list(longest)
        assert sample.name in best
        assert found.attrs["replicas"] == max(longest[name] for name in best)


def test_only_a_sample_that_was_chosen_is_kept(library):
    """Each temperature opens with its own sample until one is chosen; then that name or size is followed."""
    hot, cold = 0.30, 0.25
    state = ExplorerState(library, temperature=cold)
    state.temperature = hot
    assert state.chosen_sample == library.opening_sample(hot)
    state.temperature = cold
    assert state.chosen_sample == library.opening_sample(cold)
    other = next(s for s in library.samples(cold) if s != library.opening_sample(cold) and s.particles < derive.LARGE)
    state.sample = other.label
    state.temperature = hot
    state.temperature = cold
    assert state.chosen_sample == other


def test_whoever_follows_the_state_finds_a_sample_of_its_temperature(state):
    """Also where particles are selected, which belong to the sample before."""
    seen = []
    followed = ["temperature", "sample", "selected"]
    state.param.watch(lambda *_: seen.append((address.write(state), state.choice())), followed)
    for sample in state.library.samples(state.temperature):
        state.sample = sample.label
        home = state.temperature
        for temperature in state.library.temperatures:
            state.select([3])
            state.temperature = temperature
            assert state.selected == [] or temperature == home
        state.temperature = home
    assert all(choice.sample.temperature == choice.temperature for _, choice in seen)


def test_what_is_not_there_cannot_be_chosen(state):
    with pytest.raises(ValueError, match="temperature"):
        state.temperature = 0.123
    with pytest.raises(ValueError, match="mean_propensity"):
        state.mean_propensity = 1.5
    with pytest.raises(ValueError, match="sample"):
        state.sample = "N = 7"


def test_frames_are_the_constrained_predictions(small):
    library, choice = small.library, small.choice()
    frames = derive.frames(library, choice.sample, choice.network)
    particles = choice.sample.particles
    assert frames.codes.shape == (40, particles)
    ds = library.configurations(choice.temperature, particles)
    X = library.descriptors(choice.temperature, particles, choice.network)
    level = float(derive.LEVELS[13])
    C = library.ensemble(choice.network).predict(X, temperature=choice.temperature, mean_propensity=level)
    expected = np.clip(C.mean("network").isel(configuration=choice.sample.index).values, 0, 1)
    shown = frames.at(level)
    assert np.array_equal(np.isnan(shown), np.isnan(expected))
    assert np.nanmax(np.abs(shown - expected)) < 0.6 / 254
    first = ds["species"].values[choice.sample.index] == 0
    assert np.isfinite(shown[first]).all()


def test_frames_are_interpolated_between_the_levels(small):
    frames = derive.frames(small.library, small.chosen_sample, small.network)
    a, b = frames.at(derive.LEVELS[4]), frames.at(derive.LEVELS[5])
    between = frames.at(0.25 * derive.LEVELS[4] + 0.75 * derive.LEVELS[5])
    assert np.nanmax(np.abs(between - (0.25 * a + 0.75 * b))) < 1e-5


def test_bottleneck_and_attention_belong_to_the_sample(small):
    nodes, propensity = derive.bottleneck(small.library, small.choice())
    assert nodes.shape == (small.chosen_sample.particles, 2)
    assert np.array_equal(np.isnan(nodes).any(axis=1), np.isnan(propensity))
    distribution, xi = derive.attention(small.library, small.choice())
    assert np.allclose(distribution.integrate("length"), 1)
    assert 0 < float(xi) < 9


def test_curves_carry_errors_and_times(small):
    curves = heterogeneity.fluctuations(small.library, small.temperature, small.network)
    assert curves.sizes["state"] == 40
    assert (np.diff(curves["time"]) > 0).all()
    reached = derive.frames(small.library, small.chosen_sample, small.network).reached
    assert reached.any()
    if curves.attrs["structures"] > 1:
        assert np.array_equal(np.isfinite(curves["chi4"]), reached)
        assert (curves["chi4"][reached] >= 0).all()
    curves = curves.isel(state=reached)
    box = small.library.configurations(small.temperature, curves.attrs["particles"]).attrs["box_length"]
    assert (curves["chord"] <= box).all()


def test_the_smallest_boxes_need_no_transfer_test(state):
    """What of large ones: tests/explore/test_untrusted.py."""
    library = state.library
    for temperature in library.temperatures:
        smallest = library.sizes(temperature)[-1]
        if smallest < derive.LARGE:
            assert derive.transfer(library, temperature, smallest, state.network) == (True, "")


def test_a_box_narrower_than_the_networks_look_is_not_coloured(state):
    narrow = xr.Dataset(attrs={"box_length": 20.0})
    library = SimpleNamespace(configurations=lambda *_: narrow, ensemble=state.library.ensemble)
    passed, why = derive.transfer(library, 0.3, 480, state.network)
    assert not passed
    assert why == "The box is 20 σ wide, less than the 32 σ across which the networks look."


def test_the_memory_computes_once_and_stays_bounded():
    class Value:
        nbytes = 100

    memo, calls = Memo(limit=350), []

    def compute():
        calls.append(1)
        time.sleep(0.05)
        return Value()

    threads = [threading.Thread(target=memo, args=("same", compute)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    for key in range(10):
        memo(key, Value)
    assert "same" not in memo
    assert 9 in memo
    assert 6 not in memo


def test_what_is_mapped_from_a_file_takes_no_memory(tmp_path):
    np.save(tmp_path / "columns.npy", np.ones(1000, np.float32))
    memo = Memo(limit=350)
    for key in range(3):
        mapped = np.load(tmp_path / "columns.npy", mmap_mode="c")
        memo(key, partial(xr.DataArray, mapped[None]))
    assert all(key in memo for key in range(3))
    memo("own", partial(xr.DataArray, np.ones(1000, np.float32)))
    assert 0 not in memo


def test_a_failed_computation_is_tried_again():
    memo = Memo()

    def fail():
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        memo("key", fail)
    assert memo("key", lambda: 5) == 5


def test_samples_of_several_files_lie_in_one_box_and_keep_their_verdicts(library):
    for temperature in library.temperatures:
        for particles in library.sizes(temperature):
            ds = library.configurations(temperature, particles)
            assert float(ds["inherent_position"].max()) < ds.attrs["box_length"]
            assert "verdict" not in ds or not {"", "nan"} & {str(said) for said in ds["verdict"].values}
