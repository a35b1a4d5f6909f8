import dataclasses

import numpy as np
import pytest

from glassviz.explore import comparison, derive
from glassviz.explore.colors import UNKNOWN
from glassviz.explore.comparison import DYNAMICS, Field
from glassviz.explore.state import ExplorerState


@pytest.fixture
def simulated(library):
    """A choice of a small test structure that molecular dynamics followed, at a ⟨C̄_B⟩ that it reached."""
    state = ExplorerState(library)
    for temperature in library.temperatures:
        for sample in library.samples(temperature):
            ds = library.dynamics(sample) if sample.particles < derive.LARGE else None
            if ds is not None and ds.attrs["role"] == "test":
                state.temperature, state.sample = temperature, sample.label
                level = max(0.8, float(ds["mean_propensity"].min()) + 0.05)
                state.mean_propensity = level
                return state.choice()
    pytest.fail("the store holds no propensities of a small test structure")


def test_molecular_dynamics_and_networks_of_one_structure(simulated, library):
    first, second = comparison.fields(library, simulated, [DYNAMICS, simulated.network])
    assert (first.source, second.source) == (DYNAMICS, simulated.network)
    assert "test structure" in first.note
    species = library.configurations(simulated.temperature, simulated.sample.particles)["species"].values
    species = species[simulated.sample.index]
    ones = species == 0
    assert first.propensity[ones].mean() == pytest.approx(simulated.mean_propensity, abs=0.1)
    expected = np.corrcoef(first.propensity[ones], second.propensity[ones])[0, 1]
    assert comparison.agreement(first, second, species) == pytest.approx(expected, abs=1e-6)
    assert expected > 0.2
    assert comparison.agreement(first, first, species) == pytest.approx(1)
    counts = comparison.joint(first, second, species)
    assert counts.sum() == ones.sum()
    assert np.diag(comparison.joint(first, first, species)).sum() == ones.sum()


def test_what_was_not_run_is_not_shown(simulated, library):
    late = dataclasses.replace(simulated, mean_propensity=float(derive.LEVELS[-1]))
    found = comparison.measured(library, late)
    assert not found.known
    assert "the runs end" in found.note
    for simulated_there, said in ((True, "for this sample"), (False, "at this temperature")):
        where = [t for t in library.temperatures if bool(library.propensity_files(t)) == simulated_there]
        without = [s for t in where for s in library.samples(t) if library.dynamics(s) is None]
        assert without
        other = dataclasses.replace(simulated, temperature=without[0].temperature, sample=without[0])
        assert comparison.measured(library, other).note == f"not run {said}: choose a structure above"


def test_a_mean_that_is_missed_at_either_level_around_is_told(simulated, library, monkeypatch):
    codes = np.zeros((len(derive.LEVELS), simulated.sample.particles), np.uint8)
    reached = np.ones(len(derive.LEVELS), bool)
    reached[5] = False
    monkeypatch.setattr(derive, "frames", lambda *_: derive.Frames(codes, reached))
    notes = []
    for level in (derive.LEVELS[4], 0.9 * derive.LEVELS[4] + 0.1 * derive.LEVELS[5], derive.LEVELS[5]):
        choice = dataclasses.replace(simulated, mean_propensity=float(level))
        notes.append(comparison.predicted(library, choice, simulated.network).note)
    assert notes[0] == ""
    assert all("do not reach" in note for note in notes[1:])


def test_differences_have_their_sign():
    first = Field("a", np.array([0.5, 0.0, 1.0, np.nan], np.float32))
    second = Field("b", np.array([0.5, 1.0, 0.0, 0.2], np.float32))
    assert comparison.difference(first, second).tolist() == [127, 254, 0, UNKNOWN]


def test_rho_is_measured_on_test_structures_only(simulated, library):
    curve = comparison.pearson_curve(library, simulated.temperature, simulated.network)
    rows = [r for r in library.propensity_files(simulated.temperature) if r.role == "test"]
    assert int(curve["structures"].max()) <= sum(len(r.names) for r in rows)
    assert (curve["pearson"] <= 1).all()
    assert (curve["pearson"] < curve["ceiling"]).all()
    assert (np.diff(curve["mean_propensity"]) < 0).all()
    none = [t for t in library.temperatures if not library.propensity_files(t)]
    if none:
        assert comparison.pearson_curve(library, none[0], simulated.network) is None
