from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from glassviz.learn import baselines, training, twostep, unlabelled
from glassviz.learn.checkpoint import Checkpoint, digest
from glassviz.learn.networkfile import available_networks, load_networks
from glassviz.learn.pattern import pattern_of
from glassviz.learn.plan import PRESETS, Plan, Preset
from glassviz.learn.trainer import Trainer
from glassviz.mixture import InvalidData
from tests.learn.test_learn_labels import structure
from tests.learn.test_learn_training import points, weights_of

SHORT = Plan(squared=((30, 1e-3),), full=((15, 1e-4),), folds=2)
PRESET = Preset(SHORT, SHORT, seeds=4, keep=2)


@pytest.fixture
def labelled():
    """Labels of three levels: two temperatures reach the first two, the hottest alone the third."""
    return [points(levels=(0.9, 0.7, 0.5)), points(temperature=0.3, levels=(0.9, 0.7), seed=1)]


@pytest.fixture
def cold():
    """Structures at T = 0.2 that nobody has simulated."""
    p = points(temperature=0.2, levels=(0.9,), structures=3, seed=2).at_levels([])
    return replace(p, names=np.array(["d0", "d1", "d2"]))


def test_pattern_of_table_1(labelled):
    plan = pattern_of(labelled, [0.2, 0.3, 0.4], (0.9, 0.7, 0.5, 0.2))
    assert ["".join(row) for row in plan.marks] == ["txx", "txx", "rrx", "rrr"]
    assert plan.equal_time_levels.tolist() == [0.9, 0.7]
    assert (0.2, 0.7) in plan.where("t")
    plan.reject(0.2, 0.7)
    assert plan.where("t") == [(0.2, 0.9)]
    assert str(plan).splitlines()[1].split() == ["0.900", "t", "x", "x"]


def test_networks_pass_at_the_smallest_tolerance_that_keeps_enough():
    means = np.array([0.80005, 0.8002, 0.805, 0.9])
    passed, tolerance = twostep.consistent(means, 0.8, keep=2)
    assert passed.tolist() == [True, True, False, False]
    assert tolerance == 3e-4
    assert twostep.consistent(means, 0.8, keep=4) == (None, None)
    assert twostep.consistent(means, 0.8, keep=4, species=1)[0].all()


def test_equal_time_networks_learn_their_own_level(labelled):
    """Spoiling the labels of one level changes that level's networks and no others."""
    levels = np.repeat([0.9, 0.7], 2)
    spoiled = [replace(p, labels=p.labels.copy()) for p in labelled]
    for p in spoiled:
        p.labels[:, 1] = 1 - p.labels[:, 1]
    first, second = (training.fit(data, 4, SHORT, 0, levels=levels) for data in (labelled, spoiled))
    apart = (first.net.table - second.net.table).abs().amax(dim=1)
    assert apart[:2].max() == 0
    assert apart[2:].min() > 0


def test_transferred_labels_have_the_level_as_mean_and_the_networks_spread(labelled, cold):
    plan = pattern_of(labelled, [0.2, 0.3, 0.4], (0.9, 0.7))
    levels = np.repeat([0.9, 0.7], 4)
    known = [(cold, np.array([0.9, 0.7]), np.array([0.9, 0.7]))]
    fitted = training.fit(labelled, 8, replace(SHORT, squared=((300, 2e-3),)), 0, levels=levels, known=known)
    found = twostep.transferred(fitted, levels, known, plan, keep=2)
    (given,) = found.points
    np.testing.assert_allclose(given.labels.mean(axis=(0, 2)), given.levels, atol=1e-6)
    assert set(found.tolerance.values()) <= set(twostep.LADDER)
    assert min(found.networks.values()) >= 2
    assert (given.noise == 0).all()
    assert len(plan.where("t")) == len(given.levels)


def test_a_state_whose_networks_all_diverged_is_predicted_only(labelled, cold):
    plan = pattern_of(labelled, [0.2, 0.3, 0.4], (0.9, 0.7))
    levels = np.repeat([0.9, 0.7], 2)
    known = [(cold, np.array([0.9, 0.7]), np.array([0.9, 0.7]))]
    fitted = training.fit(labelled, 4, SHORT, 0, levels=levels, known=known)
    fitted = replace(fitted, alive=levels == 0.9)
    twostep.transferred(fitted, levels, known, plan, keep=1)
    assert (0.2, 0.7) in plan.where("r")


def test_structures_of_a_temperature_come_together_those_in_equilibrium_first(configurations_at):
    ds = configurations_at(0.4).isel(configuration=[0, 1])
    hot, cold = [ds.assign_attrs(verdict="nearly"), ds.assign_coords(configuration=["s0", "s1"])], ds.copy()
    hot[1]["verdict"] = "configuration", ["equilibrium", "glass"]
    cold.attrs |= {"temperature": 0.3, "verdict": "equilibrium: settled"}
    first, second = unlabelled.structures_without_labels([*hot, cold], 0, without=["a"], most=3)
    names = [str(name) for name in ds["configuration"].values]
    assert first.names.tolist() == [*names, "s0"]
    assert first.columns.shape[:2] == first.labels.shape[::2] == (3, 600)
    assert second.names.tolist() == names
    (one,) = unlabelled.structures_without_labels(hot, 0, without=names, most=1)
    assert one.names.tolist() == ["s0"]


@pytest.mark.parametrize("change", [{"temperature": 0.25}, {"noise": 0.1}, {"known": 0.8}])
def test_a_checkpoint_of_other_data_counts_as_none(labelled, cold, tmp_path, change):
    path, seen = tmp_path / "a.safetensors", []
    known = [(cold, np.array([0.9]), np.array([0.9]))]
    training.fit(labelled, 2, SHORT, 0, known=known, checkpoint=path)
    other = list(labelled)
    if "temperature" in change:
        other[1] = replace(other[1], temperature=0.25)
    elif "noise" in change:
        other[1] = replace(other[1], noise=other[1].noise + 0.1)
    else:
        known = [(cold, np.array([0.8]), np.array([0.8]))]
    training.fit(other, 2, SHORT, 0, known=known, checkpoint=path, progress=lambda step, *_: seen.append(step))
    assert min(seen) <= 1


def test_the_mean_of_other_species_is_that_of_the_lowest_temperature_with_labels(labelled):
    levels = np.array([0.9, 0.7, 0.5, 0.2])
    np.testing.assert_array_equal(unlabelled.species_means(labelled, levels), levels)
    found = unlabelled.species_means(labelled[::-1], levels, species=1)
    hot, cold = labelled
    expected = [cold.labels[:, 0].mean(), cold.labels[:, 1].mean(), hot.labels[:, 2].mean(), np.nan]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("mean", [0.9, 0.75])
def test_the_known_mean_is_learnt(labelled, cold, mean):
    """Structures unlike the labelled ones mislead the mean; training on the mean, which is known, brings it back."""
    strange = replace(cold, columns=cold.columns + cold.columns.std(axis=(0, 1)))
    columns = strange.columns.reshape(-1, cold.columns.shape[-1])
    networks, level = 8, 0.9
    missed = []
    for known in ((), [(strange, np.array([level]), np.array([mean]))]):
        plan = Plan(squared=((300, 2e-3),), full=(), folds=2)
        fitted = training.fit(labelled, networks, plan, 0, levels=[level] * networks, known=known)
        branch, reference = fitted.branch(range(networks)), fitted.reference_temperature
        fields = [twostep.Field(branch, n, columns, reference) for n in range(networks)]
        means = [field.propensity(np.array([0.2]), np.array([level])).mean() for field in fields]
        missed.append(np.abs(np.array(means) - mean).mean())
    assert missed[1] < 0.5 * missed[0]


@pytest.fixture
def simulated(own_cache):
    """Runs of two structures and of a test structure, and of one of the two when it is colder."""
    return [
        structure("a"),
        structure("b", seed=1),
        structure("unseen", seed=2, role="test"),
        structure("a", temperature=0.3, seed=3),
    ]


def samples(temperature):
    """Configurations among which the test structure is found again."""
    alike = [structure(name, temperature=temperature, seed=k) for k, name in enumerate(("unseen", "a", "other"))]
    return xr.concat(alike, "configuration").drop_vars(("time", "propensity", "propensity_variance"))


def names_at(found):
    return [(p.temperature, p.names.tolist()) for p in found]


def test_test_structures_and_what_is_colder_than_told_are_not_learned(simulated):
    configurations = [samples(0.2), samples(0.3), samples(0.4)]
    points, structures = twostep.gathered(simulated, configurations, 0, (0.9, 0.7), minimum_temperature=0.4)
    assert names_at(points) == [(0.4, ["a", "b"])]
    assert points[0].levels.tolist() == [0.9, 0.7]
    assert names_at(structures) == [(0.4, ["a", "b"]), (0.3, ["a", "other"]), (0.2, ["a", "other"])]
    every = twostep.every_structure(simulated, configurations[:2], 0, structures)
    assert names_at(every) == [(0.3, ["a", "other"]), (0.2, ["a", "other"]), (0.4, ["a", "b"])]
    assert names_at(twostep.gathered(simulated, [], 0, (0.9,))[0]) == [(0.4, ["a", "b"]), (0.3, ["a"])]
    for none in (simulated[2:3], simulated[3:]):
        with pytest.raises(InvalidData, match=r"no training structures at T ≥ 0\.4"):
            twostep.gathered(none, configurations, 0, minimum_temperature=0.4)


@pytest.fixture
def gathered(monkeypatch, labelled, cold):
    monkeypatch.setattr(
        twostep, "gathered", lambda *_, **__: ([replace(p) for p in labelled], [*labelled, replace(cold)])
    )


def test_two_steps_from_labels_to_a_file(gathered, tmp_path):
    ensemble = twostep.two_step([], [], PRESET, species=(1, 0, 0), levels=(0.9, 0.7, 0.5), folder=tmp_path, seed=2)
    assert ensemble.networks == 2
    assert ensemble.species == (0, 1)
    again = twostep.two_step([], [], PRESET, species=(0, 1), levels=(0.9, 0.7, 0.5), seed=2)
    np.testing.assert_array_equal(weights_of(again), weights_of(ensemble))
    back = load_networks(ensemble.save(tmp_path / "two.safetensors"))
    record = back.header["training"]["species1"]
    assert record["equal_time"]["levels"] == [0.9, 0.7]
    assert back.header["minimum_temperature"] == 0.3
    assert back.header["pattern"]["temperatures"] == [0.2, 0.3, 0.4]
    assert (back.kind, back.has_attention, back.has_bottleneck) == ("tglassmlp", True, True)
    written = [f"species{s}-step{k}.safetensors" for s in (1, 2) for k in (1, 2)]
    assert sorted(p.name for p in tmp_path.glob("species*")) == written
    with pytest.raises(InvalidData, match="species 1"):
        twostep.two_step([], [], PRESET, species=(1,))


def test_networks_that_ship_are_consistent(gathered):
    preset = replace(PRESET, consistent=True)
    ensemble = twostep.two_step([], [], preset, species=(0,), levels=(0.9, 0.7, 0.5), seed=2)
    record = ensemble.header["training"]["species1"]
    assert record["consistency"] < 1e-4 < record["consistency_of_training"]


@pytest.mark.parametrize("after", [3, 17, 30])
def test_a_stopped_training_goes_on_to_the_same_networks(labelled, tmp_path, monkeypatch, after):
    whole = training.fit(labelled, 2, SHORT, 5)
    look = Trainer._look
    seen = []

    def stopped(self, *args):
        look(self, *args)
        seen.append(args)
        if len(seen) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_look", stopped)
    with pytest.raises(KeyboardInterrupt):
        training.fit(labelled, 2, SHORT, 5, checkpoint=tmp_path / "c.safetensors")
    monkeypatch.setattr(Trainer, "_look", look)
    resumed = training.fit(labelled, 2, SHORT, 5, checkpoint=tmp_path / "c.safetensors")
    np.testing.assert_array_equal(resumed.net.table.numpy(), whole.net.table.numpy())
    assert resumed.history == whole.history


def test_a_checkpoint_of_another_training_counts_as_none(tmp_path):
    path = tmp_path / "c.safetensors"
    Checkpoint(path, digest("one", np.arange(3))).save({"x": torch.ones(2)}, {"step": 4})
    assert Checkpoint(path, digest("one", np.arange(3))).load()[1]["step"] == 4
    assert Checkpoint(path, digest("one", np.arange(4))).load() is None
    path.write_bytes(b"nonsense")
    assert Checkpoint(path, digest("one", np.arange(3))).load() is None
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_a_diverging_network_is_stopped_and_the_others_go_on(labelled):
    levels = np.array([0.9, 0.9, 0.7, 0.7])
    spoiled = [replace(p, labels=p.labels.copy()) for p in labelled]
    for p in spoiled:
        p.labels[:, 1] = np.inf
    fitted = training.fit(spoiled, 4, Plan(squared=((20, 1e-3),), full=(), folds=2, linear=False), 0, levels=levels)
    assert fitted.alive.tolist() == [True, True, False, False]
    assert np.isinf(fitted.last).tolist() == [False, False, True, True]
    assert fitted.net.table[:2].isfinite().all()


def test_presets_have_the_papers_numbers():
    paper = PRESETS["paper"]
    assert [length for length, _ in paper.equal_time.squared] == [10, 50, 25]
    assert [rate for _, rate in paper.equal_time.squared + paper.final.full] == [1e-3, 5e-4, 2e-4, 4e-5]
    assert paper.equal_time.counted(40).steps == pytest.approx(135 * 40, abs=4)
    assert paper.seeds == 16
    assert paper.keep == 4
    assert PRESETS["quick"].changed(seeds=2, steps=50).final.steps == pytest.approx(50, abs=5)


def test_only_species_1_learns_clusters_as_only_its_noise_is_known():
    final = PRESETS["precomputed"].final
    assert final.of(0) == final
    assert (final.of(1).absolute, final.of(1).clusters) == (False, 0)


def test_single_state_baseline_knows_only_the_mean(labelled, tmp_path):
    ensemble = baselines.glassmlp(labelled, PRESET, temperature=0.3, level=0.7)
    columns = labelled[0].columns.reshape(-1, 176)
    C, report = ensemble.propensity(columns, np.zeros(len(columns), int), [0.3, 0.15], [0.7, 0.4])
    assert report["converged"].all()
    shift = C[:, 0] - C[:, 1]
    np.testing.assert_allclose(shift, np.broadcast_to(shift.mean(axis=1, keepdims=True), shift.shape), atol=1e-5)
    assert C[0, 0].std() > 0.01
    back = load_networks(ensemble.save(tmp_path / "glassmlp.safetensors"))
    assert (back.kind, back.has_attention, back.has_bottleneck) == ("glassmlp", False, True)
    assert back.header["training"]["species1"]["states"][0]["levels"] == [0.7]
    with pytest.raises(InvalidData, match="no labels"):
        baselines.trained_state(labelled, 0.3, 0.5)
    assert baselines.trained_state(labelled).levels.tolist() == [0.7]


def test_ridge_baseline_is_linear_in_the_columns(labelled, random_descriptors):
    ensemble = baselines.ridge(labelled)
    columns = labelled[0].columns.reshape(-1, 176).astype(np.float64)
    species = np.zeros(len(columns), int)
    C, report = ensemble.propensity(columns, species, 0.3, [0.8, 0.5])
    assert report["converged"].all()
    design = np.column_stack([np.ones(len(columns)), columns[:, ensemble.branches[0].kept]])
    for values in C[:, 0].astype(np.float64):
        fit = design @ np.linalg.lstsq(design, values, rcond=None)[0]
        np.testing.assert_allclose(values, fit, atol=2e-4)
    truth = labelled[0].labels[:, 1].ravel()
    assert np.corrcoef(C[:, 0].mean(axis=0), truth)[0, 1] > 0.8
    with pytest.raises(InvalidData, match="no bottleneck"):
        ensemble.bottleneck(random_descriptors(), 0.3, 0.8)
    with pytest.raises(InvalidData, match="no attention"):
        ensemble.attention(random_descriptors(), 0.3, 0.8)


def test_ridge_baseline_has_the_least_squares_amplitude():
    """Also where the columns' mean, which the constraint on the mean removes, changes with temperature."""
    warm, cold = points(structures=8), points(temperature=0.3, structures=8, seed=1)
    cold = replace(cold, columns=cold.columns + 2 * np.random.default_rng(77).normal(size=(8, 176))[0])
    ensemble = baselines.ridge([warm, cold])
    power = product = 0
    for p in (warm, cold):
        columns = p.columns.reshape(-1, 176).astype(np.float64)
        C, _ = ensemble.propensity(columns, np.zeros(len(columns), int), p.temperature, p.levels)
        apart = C.mean(axis=0) - p.levels[:, None]
        product += (apart * (p.labels.swapaxes(0, 1).reshape(apart.shape) - p.levels[:, None])).sum()
        power += (apart**2).sum()
    assert product / power == pytest.approx(1, abs=0.05)


def test_the_single_state_is_one_with_structures_to_hold_back(labelled):
    alone = labelled[0].structures([0])
    assert baselines.trained_state([labelled[1], replace(alone, temperature=0.2)]).temperature == 0.3
    with pytest.raises(InvalidData, match="only one structure"):
        baselines.trained_state([alone])


@pytest.mark.parametrize("levels", [None, np.repeat([0.9, 0.5], 2)])
def test_a_level_whose_structures_are_all_held_back_is_learned_from_them(labelled, levels):
    longer = points(levels=(0.5,), structures=1, seed=4)  # c0 alone, which networks 0 and 2 keep back
    fitted = training.fit([labelled[1], longer, replace(longer, temperature=0.3)], 4, SHORT, 0, levels=levels)
    assert fitted.alive.all()
    with pytest.raises(InvalidData, match="expected at least 2"):
        training.fit(labelled, 2, replace(SHORT, folds=1), 0)


def test_what_cannot_be_trained_is_said_before_the_training(simulated, monkeypatch):
    monkeypatch.setattr(training, "fit", None)
    other = structure("d", particles=400, temperature=0.2)
    with pytest.raises(InvalidData, match=r"T = 0\.2: 400 particles; expected 129, as the training"):
        twostep.two_step(simulated, [other], PRESET)
    lacking = [ds.assign(species=ds["species"].clip(max=1)) for ds in simulated]
    with pytest.raises(InvalidData, match="a: there are no particles of species 3"):
        twostep.two_step(lacking, [], PRESET, species=(0, 2))
    single = [ds.isel(configuration=0) for ds in simulated[:2]]
    assert names_at(twostep.gathered(single, [], 0)[0]) == [(0.4, ["a", "b"])]


def test_networks_are_listed_with_what_to_show_first(labelled, tmp_path, monkeypatch):
    monkeypatch.setenv("GLASSVIZ_DATA", str(tmp_path))
    folder = tmp_path / "networks"
    baselines.ridge(labelled).save(folder / "a-ridge.safetensors")
    for name, minimum in (("b-warm", 0.3), ("c-cold", 0.25)):
        ensemble = training.train(labelled, seeds=2, plan=SHORT)
        ensemble.header["minimum_temperature"] = minimum
        ensemble.save(folder / f"{name}.safetensors")
    (folder / "0-broken.safetensors").write_bytes(b"x")
    assert available_networks() == ["c-cold", "b-warm", "a-ridge", "0-broken"]
