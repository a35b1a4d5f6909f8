from dataclasses import replace

import numpy as np
import pytest
import torch

from glassviz.files import netcdf
from glassviz.learn import trainer, training
from glassviz.learn.batches import standardisation
from glassviz.learn.labels import StatePoints
from glassviz.learn.networkfile import load_networks
from glassviz.learn.plan import Plan
from glassviz.learn.trainer import Trainer
from glassviz.learn.training import combine, fit, train
from glassviz.mixture import InvalidData
from glassviz.structure.descriptors import descriptors
from tests.learn.test_learn_labels import structure

QUICK = Plan(squared=((40, 1e-3),), full=((20, 1e-4),), folds=2)


def points(structures=4, particles=40, levels=(0.9, 0.7), temperature=0.4, seed=0, masked=5):
    """Columns made of eight hidden numbers per particle, like the real ones much alike; one of them decides."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(structures, particles, 8))
    loadings = np.random.default_rng(77).normal(size=(8, 176))
    columns = (hidden @ loadings + 0.3 * rng.normal(size=(structures, particles, 176)) + 1).astype(np.float32)
    columns[:, :, :masked] = 0.5
    levels = np.array(levels)
    labels = levels[:, None] + 0.3 * (1 - levels[:, None]) ** 0.5 * np.tanh(hidden[:, None, :, 0])
    return StatePoints(
        temperature,
        levels,
        np.arange(1.0, 1 + len(levels)),
        np.array([f"c{k}" for k in range(structures)]),
        columns,
        labels.astype(np.float32),
        np.zeros((structures, len(levels))),
        np.zeros((structures, len(levels))),
        rng.uniform(0, 8, (structures, particles, 2)),
        np.full(structures, 8.0),
        16.0,
        "radical",
    )


def weights_of(ensemble):
    return np.concatenate([w.ravel() for w in ensemble.branches[0].weights.values()])


def test_standardisation_masks_what_is_constant():
    data = [points(), points(temperature=0.3, seed=1)]
    mean, std, kept = standardisation(data)
    assert np.flatnonzero(~kept).tolist() == list(range(5))
    np.testing.assert_allclose(mean[5:], np.concatenate([p.columns for p in data]).mean(axis=(0, 1))[5:], rtol=1e-4)
    np.testing.assert_allclose(std[5:], np.concatenate([p.columns for p in data]).std(axis=(0, 1))[5:], rtol=1e-5)
    assert (std[:5] == 1).all()


def test_same_seed_same_networks_and_another_seed_others():
    data = [points()]
    first, second, other = (train(data, seeds=2, seed=s, plan=QUICK) for s in (3, 3, 4))
    np.testing.assert_array_equal(weights_of(first), weights_of(second))
    assert np.abs(weights_of(first) - weights_of(other)).max() > 0.01


def test_a_network_never_learns_from_its_fold(monkeypatch):
    """Spoiling the labels of one fold changes the networks that learn from it, not those that keep it back.

    The kept-back labels may only choose the moment to stop, so every network is taken at its last step here.
    """
    monkeypatch.setattr(trainer.Trainer, "held_out", lambda self, _: torch.full((4,), 1.0 - len(self.history)))
    plan = Plan(squared=((5, 1e-3),), full=(), folds=2)
    data = points()
    spoiled = points()
    spoiled.labels[[0, 2]] = 0.1  # names c0, c2: fold 0, kept back by networks 0 and 2
    first, second = (train([p], seeds=4, plan=plan, select=False) for p in (data, spoiled))
    both = [e.branches[0].weights["attention"] for e in (first, second)]
    apart = [np.abs(a - b).max() for a, b in zip(*both, strict=True)]
    assert apart[0] == apart[2] == 0
    assert apart[1] > 0
    assert apart[3] > 0


def test_networks_go_back_to_their_best_held_out_state():
    plan = Plan(squared=((60, 3e-3),), full=(), folds=2)
    ensemble = train([points()], seeds=4, plan=plan, select=False)
    record = ensemble.header["training"]["species1"]
    lowest = np.array([losses for _, _, losses in record["history"]]).min(axis=0)
    assert (np.array(record["held_out_loss"]) <= lowest + 1e-5).all()


@pytest.mark.parametrize("full", [(), ((16, 0.0),)], ids=["at the end", "before phase 2"])
def test_kept_weights_have_the_lowest_held_out_loss(monkeypatch, full):
    made = []
    monkeypatch.setattr(training, "Trainer", lambda *args, **options: made.append(Trainer(*args, **options)) or made[0])
    fitted = fit([points()], 4, Plan(squared=((30, 3e-3),), full=full, folds=2), 0)
    looks = np.array([losses for _, phase, losses in fitted.history if phase == "squared"])
    assert (looks[-1] > looks.min(axis=0) + 1e-3).any()
    np.testing.assert_allclose(made[0].held_out("squared"), looks.min(axis=0), atol=1e-5)
    np.testing.assert_allclose(fitted.losses[0], looks.min(axis=0), atol=1e-5)


@pytest.mark.parametrize("averaged", [True, False])
def test_networks_are_kept_with_the_mean_of_their_weights_since_the_last_look(monkeypatch, averaged):
    """One look, so the mean of all steps."""
    tables = []
    step = Trainer._step

    def recorded(self, *arguments):
        step(self, *arguments)
        tables.append(self.net.table.clone())

    monkeypatch.setattr(Trainer, "_step", recorded)
    monkeypatch.setattr(trainer, "CHECKS", 1)
    monkeypatch.setattr(trainer.Trainer, "held_out", lambda self, _: torch.full((4,), 1.0 - len(self.history)))
    fitted = fit([points()], 4, Plan(squared=((20, 1e-3),), full=(), folds=2, averaged=averaged), 0)
    expected = torch.stack(tables).mean(dim=0) if averaged else tables[-1]
    torch.testing.assert_close(fitted.net.table, expected)
    assert not torch.allclose(fitted.net.table, tables[9])


@pytest.mark.usefixtures("own_cache")
def test_files_and_datasets_become_the_state_points_told(tmp_path):
    path = tmp_path / "a.nc"
    netcdf.save(structure("a"), path)
    data = [path, structure("b", seed=1), structure("a", temperature=0.3, means=(0.99, 0.95, 0.85, 0.75))]
    settings = {"levels": (0.9, 0.7), "cutoff": 4.0, "tessellation": "plain"}
    ensemble = train(data, species=2, seeds=2, plan=QUICK, **settings)
    assert ensemble.species == (2,)
    assert (ensemble.header["cutoff"], ensemble.header["tessellation"]) == (4.0, "plain")
    states = ensemble.header["training"]["species3"]["states"]
    assert [(s["temperature"], s["levels"], s["names"]) for s in states] == [
        (0.4, [0.9, 0.7], ["a", "b"]),
        (0.3, [0.9], ["a"]),
    ]
    data[0] = netcdf.load(path)
    tables = [descriptors(ds, cutoff=4.0, tessellation="plain").values[ds["species"].values == 2] for ds in data]
    learned = ensemble.branches[2]
    mean = np.concatenate(tables).reshape(-1, 176).mean(axis=0)
    np.testing.assert_allclose(learned.mean[learned.kept], mean[learned.kept], rtol=1e-5, atol=1e-5)


def test_one_network_of_each_fold_is_selected():
    ensemble = train([points()], seeds=6, plan=QUICK)
    record = ensemble.header["training"]["species1"]
    assert ensemble.networks == 2
    assert sorted(n % 2 for n in record["chosen"]) == [0, 1]


def test_record_survives_the_file(tmp_path):
    data = [points(), points(temperature=0.3, levels=(0.9,), seed=1)]
    ensemble = train(data, seeds=2, plan=QUICK, record={"command": "glassviz train"})
    back = load_networks(ensemble.save(tmp_path / "n.safetensors"))
    record = back.header["training"]["species1"]
    assert [s["temperature"] for s in record["states"]] == [0.4, 0.3]
    assert record["states"][0]["names"] == ["c0", "c1", "c2", "c3"]
    assert record["command"] == "glassviz train"
    assert record["plan"]["folds"] == 2
    np.testing.assert_array_equal(weights_of(back), weights_of(ensemble))
    np.testing.assert_array_equal(back.branches[0].kept, ensemble.branches[0].kept)


def test_a_plan_of_another_length_keeps_its_proportions():
    plan = Plan(decay=0.5).lasting(2000)
    assert plan.steps == pytest.approx(2000, abs=3)
    assert plan.squared[1][0] / plan.full[0][0] == pytest.approx(Plan().squared[1][0] / Plan().full[0][0], rel=0.01)
    assert [rate for _, rate in plan.squared] == [rate for _, rate in Plan().squared]
    assert plan.decay == 0.5


def test_progress_is_told():
    told = []
    train([points()], seeds=2, plan=QUICK, progress=lambda *args: told.append(args))
    assert told[-1][:2] == (60, 60)
    assert np.isfinite([t[2] for t in told]).all()


def test_species_are_combined_in_one_ensemble():
    first = train([points()], seeds=4, plan=QUICK)
    third = train([points(seed=2)], species=2, seeds=2, plan=QUICK)
    both = combine([first, third])
    assert both.species == (0, 2)
    assert both.networks == 2
    assert set(both.header["training"]) == {"species1", "species3"}
    with pytest.raises(InvalidData, match="already have networks"):
        combine([first, first])
    for key, value in (("cutoff", 20.0), ("tessellation", "plain"), ("reference_temperature", 0.25)):
        other = replace(third, header={**third.header, key: value})
        with pytest.raises(InvalidData, match=f"its {key} differs"):
            combine([first, other])


def test_bad_training_data_are_refused():
    with pytest.raises(InvalidData, match="only one structure"):
        train([points(structures=1)], seeds=2, plan=QUICK)
    broken = points()
    broken.labels[:] = np.nan
    with pytest.raises(InvalidData, match="not finite"):
        train([broken], seeds=2, plan=QUICK)
    with pytest.raises(InvalidData, match="no structure"):
        train([])
    for wrong in ({"seeds": 0}, {"seeds": 2.5}, {"threads": 0}, {"plan": replace(QUICK, folds=0)}):
        with pytest.raises(InvalidData, match="expected a whole number, at least 1"):
            train([points()], **{"seeds": 2, "plan": QUICK, **wrong})
    with pytest.raises(InvalidData, match=r"every network diverged by step 0 of 60"):
        fit([broken], 2, replace(QUICK, linear=False), 0)
    alike = points()
    alike.columns[:] = 1
    with pytest.raises(InvalidData, match="no descriptor varies"):
        train(alike, seeds=2, plan=QUICK)


@pytest.mark.usefixtures("own_cache")
def test_test_structures_and_runs_too_short_are_refused():
    data = [structure("a"), structure("b", seed=1), structure("c", seed=2, role="test")]
    with pytest.raises(InvalidData, match="marked 'test'"):
        train(data, seeds=2, plan=QUICK)
    with pytest.raises(InvalidData, match="no run gets to"):
        train(data[:2], seeds=2, plan=QUICK, levels=(0.5, 0.1))


def test_decay_shrinks_the_weights_of_long_range_columns():
    data = [points()]
    free, held = (
        train(data, seeds=2, plan=Plan(squared=((150, 3e-3),), full=(), folds=2, decay=d, encoder=1.0))
        for d in (0.0, 0.1)
    )

    def size(ensemble):
        weights = np.abs(ensemble.branches[0].weights["bottleneck.0.weight"]).mean(axis=(0, 2))
        return weights.reshape(4, 11, 4).mean(axis=(0, 2))

    assert size(held)[10] < 0.8 * size(free)[10]
    assert size(held)[0] > 0.9 * size(free)[0]


@pytest.mark.slow
def test_training_learns_what_structures_teach():
    """Structures never seen are predicted well where one hidden number decides the propensity."""
    plan = Plan(squared=((1500, 2e-3), (500, 5e-4)), full=((500, 2e-4),), folds=3)
    data = [
        points(structures=9, particles=100),
        points(structures=6, particles=100, levels=(0.95,), temperature=0.3, seed=1),
    ]
    ensemble = train(data, seeds=3, plan=plan)
    unseen = points(structures=3, particles=100, seed=9)
    columns = unseen.columns.reshape(-1, 176)
    C, report = ensemble.propensity(columns, np.zeros(len(columns), int), 0.4, unseen.levels)
    assert report["converged"].all()
    for k in range(2):
        truth = unseen.labels[:, k].ravel()
        assert np.corrcoef(C[:, k].mean(axis=0), truth)[0, 1] > 0.9
        assert C[:, k].std() == pytest.approx(truth.std(), rel=0.35)


def test_no_network_follows_a_gradient_longer_than_the_limit(monkeypatch):
    found = {}
    for clip in (0.0, 1e-3):
        lengths = found.setdefault(clip, [])
        monkeypatch.setattr(
            Trainer, "_adam", lambda self, rows, gradient, rate, seen=lengths: seen.append(gradient.norm(dim=1))
        )
        fit([points()], 2, Plan(squared=((6, 1e-3),), full=(), folds=2, clip=clip), 0)
    free, limited = torch.stack(found[0.0]), torch.stack(found[1e-3])
    assert free.min() > 1e-3
    assert torch.allclose(limited, torch.full_like(limited, 1e-3))
