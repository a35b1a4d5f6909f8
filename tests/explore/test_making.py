import numpy as np
import pytest
import xarray as xr

from glassviz.explore import making
from glassviz.explore.library import Sample, record
from glassviz.explore.provenance import account, headline
from glassviz.simulate.equilibration import random_start
from glassviz.simulate.history import with_cooling
from glassviz.simulate.verdict import sample_energies


def recorded(temperature, energies, bonds, sweeps=1000, name="a", **attrs):
    """A configuration with a made-up record of its run, as `Library.runs` keeps it."""
    ds = random_start(100, 1).assign_coords(configuration=[name])
    ds = ds.assign(
        energy_series=(("configuration", "block"), [energies]),
        bond_series=(("configuration", "block"), [bonds]),
        sweeps=("configuration", [sweeps]),
    )
    return ds.assign_attrs(temperature=temperature, **attrs)


class Store:
    """Some files, one list for each (temperature, size), in place of a library."""

    def __init__(self, files):
        self.files = {key: [record(ds) for ds in datasets] for key, datasets in files.items()}
        self.temperatures = sorted({t for t, _ in self.files}, reverse=True)

    def samples(self, temperature):
        sizes = sorted((n for t, n in self.files if t == temperature), reverse=True)
        return [Sample(temperature, n, k, "a", False) for n in sizes for k in range(len(self.files[temperature, n]))]

    def runs(self, temperature, particles):
        return self.files[temperature, particles]


REST = -2.5 + 0.001 * np.random.default_rng(1).standard_normal(20)
FORGOTTEN, KEPT = np.linspace(0.9, 0.05, 20), np.linspace(0.999, 0.99, 20)


def sample(index=0, temperature=0.3):
    return Sample(temperature, 100, index, "a", False)


def test_the_course_counts_the_sweeps_of_all_stages():
    hot = with_cooling(recorded(0.4, REST + 0.1, FORGOTTEN, sweeps=1000))
    cold = with_cooling(recorded(0.3, REST, KEPT, sweeps=3000), hot)
    course = making.course(making.run_of(Store({(0.3, 100): [cold]}), sample()))
    assert course["temperature"].values == pytest.approx([0.4, 0.3])
    assert course["sweeps"].values[0, [0, -1]] == pytest.approx([25, 975])
    assert course["sweeps"].values[1, [0, -1]] == pytest.approx([1075, 3925])
    assert course["energy"].values[0] == pytest.approx(REST + 0.1)
    assert course["energy"].values[1] == pytest.approx(REST)


def test_the_line_goes_through_what_is_in_equilibrium_and_else_through_the_best():
    files = {
        (0.4, 100): [recorded(0.4, REST + 0.1, KEPT), recorded(0.4, REST, FORGOTTEN, sweeps=9000, name="b")],
        (0.3, 100): [
            recorded(0.3, REST, KEPT, sweeps=1000),
            recorded(0.3, REST, np.linspace(0.98, 0.7, 20), sweeps=5000),
        ],
        (0.2, 100): [random_start(100, 1).assign_attrs(temperature=0.2)],
    }
    found = making.groups(Store(files))
    assert len(found) == 5
    line = making.best(found)
    assert [group.temperature for group in line] == [0.4, 0.3, 0.2]
    assert line[0].verdict == "equilibrium"
    assert line[0].energies == pytest.approx(sample_energies(files[0.4, 100][1]))
    assert line[1].runs["sweeps"].item() == 5000
    assert line[2].verdict == making.NOT_ASSESSED
    assert np.isnan(line[2].decorrelations)


def test_a_few_that_lasted_longer_do_not_take_the_line_from_the_many():
    few = recorded(0.3, REST, np.linspace(0.5, 0.01, 20), sweeps=9000)
    many = xr.concat([recorded(0.3, REST, FORGOTTEN, name=name) for name in "abc"], "configuration")
    found = making.groups(Store({(0.3, 100): [few, many]}))
    assert {group.verdict for group in found} == {"equilibrium"}
    assert found[0].decorrelations > found[1].decorrelations
    assert making.best(found) == [found[1]]


def test_an_energy_that_rises_is_said_to_rise():
    store = Store({(0.3, 100): [recorded(0.3, REST + np.linspace(0, 0.2, 20), FORGOTTEN)]})
    run = making.run_of(store, sample())
    assert run["verdict"].values.tolist() == ["nearly"]
    assert "still rises" in headline(sample(), run)
    assert "still rising" in account(sample(), run, making.comparisons(store, sample()))


def test_a_crystal_is_not_on_the_line():
    crystal = recorded(0.3, REST, FORGOTTEN).assign(hexatic_order=("configuration", [0.9]))
    assert making.best(making.groups(Store({(0.3, 100): [crystal]}))) == []


def test_samples_are_compared_with_those_cooled_differently():
    slow = xr.concat([recorded(0.3, REST + e, KEPT, sweeps=9000, name=str(e)) for e in (0.0, 0.001)], "configuration")
    fast = xr.concat([recorded(0.3, REST + e, KEPT, name=str(e)) for e in (0.1, 0.101)], "configuration")
    store = Store({(0.3, 100): [slow, fast]})
    own, [(other, difference)] = making.comparisons(store, sample(2))
    assert own.samples == [2, 3]
    assert other.samples == [0, 1]
    assert difference.difference == pytest.approx(0.1)
    assert not difference.agrees
    assert "does not agree: +0.10000" in account(
        sample(2), making.run_of(store, sample(2)), (own, [(other, difference)])
    )


def test_the_account_gives_the_numbers_of_the_record():
    store = Store({(0.3, 100): [recorded(0.3, REST, FORGOTTEN, command="glassviz <b>", seed=7, version="9.9")]})
    run = making.run_of(store, sample())
    words = headline(sample(), run) + account(sample(), run, making.comparisons(store, sample()))
    assert "equilibrium</span>" in words
    assert f"{run['energy_drift_error'].item():.4f} ε" in words
    assert f"{run['decorrelations'].item():.2g} " in words
    assert "5 % of those" in words
    assert "glassviz &lt;b&gt;" in words
    assert "9.9" in words


def test_what_is_not_recorded_is_said_to_be_unknown():
    store = Store({(0.3, 100): [random_start(100, 1).assign_attrs(temperature=0.3, seed=-1)]})
    run = making.run_of(store, sample())
    assert making.course(run) is None
    assert making.NOT_ASSESSED in headline(sample(), run)
    stated = headline(sample(), run.assign_attrs(verdict="nearly: 72 % of the bonds survive"))
    assert ">nearly</span>" in stated
    assert "So says the file" in stated
    words = account(sample(), run, making.comparisons(store, sample()))
    for term in ("Drift over the last half", "Decorrelation times", "Hexatic order", "Command", "Seed"):
        assert f'<dt>{term}</dt><dd><span class="weak">not recorded' in words.replace(' class="wide"', "")


def test_every_shipped_sample_has_a_record_in_its_order(library):
    for temperature in library.temperatures:
        shown = library.samples(temperature)
        for one in (shown[0], shown[-1]):
            run = making.run_of(library, one)
            assert run["configuration"].values[0] == one.name
            assert run.attrs["temperature"] == pytest.approx(temperature)
