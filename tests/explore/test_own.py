"""What a session brings is its own: shared with no other, and without effect on what follows from the store."""

import re
from dataclasses import replace
from urllib.parse import parse_qs

import numpy as np
import pytest
import xarray as xr

from glassviz import files
from glassviz.explore import address, derive, heterogeneity, making, own, reading
from glassviz.explore.intake import LARGEST, safe_name, take
from glassviz.explore.movie import render_movie
from glassviz.explore.own import OwnLibrary
from glassviz.explore.state import ExplorerState
from glassviz.files import store
from glassviz.mixture import InvalidData


@pytest.fixture
def session(library):
    return OwnLibrary(library)


@pytest.fixture(scope="module")
def shipped(library):
    """A small configuration of the store at T = 0.3."""
    ds = library.configurations(0.3, library.sizes(0.3)[-1]).isel(configuration=[0])
    return ds[["position", "species", "inherent_position"]]


def test_a_sample_joins_its_temperature_in_its_session_alone(library, session, shipped):
    before = [s.label for s in library.samples(0.3)]
    before_it, (session, sample) = session, session.with_configurations(shipped, 0.3, "mine")
    assert sample.label == f"N = {shipped.sizes['particle']} · mine (yours)"
    assert sample in session.samples(0.3)
    for other in (library, OwnLibrary(library), before_it):
        assert [s.label for s in other.samples(0.3)] == before
    joined = session.configurations(0.3, sample.particles)
    np.testing.assert_allclose(joined["position"][sample.index], shipped["position"][0], atol=1e-9)
    assert library.configurations(0.3, sample.particles).sizes["configuration"] == joined.sizes["configuration"] - 1
    assert session.sizes(0.3) == library.sizes(0.3)
    assert session.temperatures == library.temperatures


def test_its_prediction_is_that_of_the_same_configuration_in_the_store(library, session, shipped):
    (session, sample), network = session.with_configurations(shipped, 0.3, "copy"), library.networks[0]
    same = next(s for s in library.samples(0.3) if s.particles == sample.particles and s.index == 0)
    own, stored = derive.frames(session, sample, network).codes, derive.frames(library, same, network).codes
    assert np.abs(own.astype(int) - stored).max() <= 3  # the mean is constrained over one more configuration
    key = "predictions", 0.3, sample.particles, network
    assert key in session.memo
    assert session.memo._values[key]["codes"].shape[1] == library.memo._values[key]["codes"].shape[1] + 1


def test_a_small_sample_of_ones_own_opens_no_temperature(library, session, shipped):
    few = shipped.isel(particle=slice(700))
    few = few.assign_attrs(box_length=float(few.attrs["box_length"]))
    session, sample = session.with_configurations(few, 0.3, "few")
    assert sample.particles < min(library.sizes(0.3))
    assert session.opening_sample(0.3) == library.opening_sample(0.3)
    assert session.opening_sample(0.3, sample.particles) == sample
    assert session.sample_at(0.3, sample) == sample


def test_curves_of_the_stores_networks_are_of_its_samples(library, session, shipped):
    network = library.networks[0]
    session, _ = session.with_configurations(shipped, 0.3, "mine")
    session, _ = session.with_configurations(shipped, 0.275, "foreign")
    assert library.of_curves(0.3, network) is library
    assert session.of_curves(0.3, network) is library
    assert session.of_curves(0.275, network) is session
    assert session.of_curves(0.3, "my networks") is session
    curve, own = (heterogeneity.fluctuations(one, 0.3, network) for one in (library, session))
    xr.testing.assert_identical(own, curve)


def test_a_foreign_temperature_is_offered(library, session, shipped):
    state = ExplorerState(session)
    session, sample = session.with_configurations(shipped, 0.275, "foreign")
    state.show(session, sample=sample)
    assert state.temperature == 0.275
    assert state.choice().sample.name == "foreign (yours)"
    assert 0.275 not in library.offered
    frames = derive.frames(session, state.chosen_sample, library.networks[0])
    assert np.isfinite(frames.at(0.8)[shipped["species"].values[0] == 0]).all()


def fourfold(ds):
    """The configuration four times in a box of twice the side."""
    length = ds.attrs["box_length"]
    shifts = length * np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    dims = ("configuration", "particle", "space")
    tiled = {
        name: (dims, (ds[name].values[:, None] + shifts[None, :, None]).reshape(1, -1, 2))
        for name in ("position", "inherent_position")
    }
    species = (dims[:2], np.tile(ds["species"].values, 4))
    return xr.Dataset(tiled | {"species": species}, attrs=ds.attrs | {"box_length": 2 * length})


def test_how_one_of_a_size_that_the_store_lacks_was_made(session, shipped):
    session, sample = session.with_configurations(fourfold(shipped), 0.3, "fourfold")
    own, others = making.comparisons(session, sample)
    assert (own.particles, own.samples) == (sample.particles, [0])
    assert {group.particles for group, _ in others} == set(session.sizes(0.3))
    assert own in making.groups(session, 0.3)


def test_a_link_says_nothing_of_what_others_lack(library, session, shipped):
    state = ExplorerState(session)
    session, sample = session.with_configurations(shipped, 0.3, "mine")
    state.show(session, sample=sample)
    state.select([1, 2])
    assert re.fullmatch(r"\?T=0\.3&C=[\d.]+&networks=\w+&tab=Live", address.write(state))
    session, sample = session.with_configurations(shipped, 0.275, "foreign")
    state.show(session, sample=sample)
    assert re.fullmatch(r"\?C=[\d.]+&networks=\w+&tab=Live", address.write(state))
    opened, complaints = address.read(parse_qs(address.write(state)[1:]), library)
    assert set(opened) == {"mean_propensity", "network", "tab"}
    assert complaints == []


def test_movies_show_it_at_its_own_temperature(session, shipped, tmp_path):
    session, sample = session.with_configurations(shipped, 0.275, "foreign")
    wanted = {"temperature": 0.275, "sample": sample.label, "library": session, "size": 240, "frames": 2}
    assert render_movie(tmp_path / "time.gif", **wanted).stat().st_size
    assert render_movie(tmp_path / "temperature.gif", sweep="temperature", **wanted).stat().st_size
    session, sample = session.with_configurations(fourfold(shipped), 0.275, "fourfold")
    wanted |= {"sample": sample.label, "library": session}
    with pytest.raises(InvalidData, match=f"no other temperature has samples of {sample.particles} particles"):
        render_movie(tmp_path / "alone.gif", sweep="temperature", **wanted)


def test_what_does_not_fit_is_refused(session, shipped):
    with pytest.raises(InvalidData, match="the box has the side"):
        session.with_configurations(shipped.assign_attrs(box_length=shipped.attrs["box_length"] * 1.01), 0.3, "wide")
    other = shipped.assign(species=shipped["species"].where(shipped["species"] != 1, 2))
    with pytest.raises(InvalidData, match="numbers of the species differ"):
        session.with_configurations(other, 0.3, "other")
    for temperature in (0.0, -1.0, np.nan, 6.0):
        with pytest.raises(InvalidData, match="the temperature is"):
            session.with_configurations(shipped, temperature, "hot")
    assert session.offered == session.temperatures


def test_a_name_is_only_a_name():
    assert safe_name("../../etc/passwd") == "passwd"
    assert safe_name("C:\\data\\..\\a b.gsd") == "a_b.gsd"
    assert safe_name("<script>.xyz") == "script_.xyz"
    assert safe_name("") == "file"
    assert safe_name("x" * 500 + ".nc").endswith("x.nc")


def test_a_file_that_is_too_long_is_not_read():
    with pytest.raises(InvalidData, match="expected at most 32 MiB"):
        take(bytes(LARGEST + 1), "long.gsd", lambda phrase: None)


def test_reading_apart_relaxes_and_can_be_stopped(shipped, tmp_path):
    files.write(shipped.drop_vars("inherent_position"), tmp_path / "bare.gsd")
    content, phrases = (tmp_path / "bare.gsd").read_bytes(), []
    found, warned = take(content, "bare.gsd", phrases.append)
    apart = found["inherent_position"].values - shipped["inherent_position"].values
    length = shipped.attrs["box_length"]
    assert np.abs((apart + length / 2) % length - length / 2).max() < 1e-2
    assert warned == []
    assert any(phrase.startswith("Relaxing") for phrase in phrases)

    def stop(_phrase):
        raise KeyError("stop")

    with pytest.raises(KeyError):
        take(content, "bare.gsd", stop)


def test_what_is_derived_while_a_sample_comes_follows_from_the_store(library, session, shipped):
    """The sample comes while what the store has is counted for the session, and for all others."""
    particles, came = shipped.sizes["particle"], []
    known = library.configurations(0.3, particles).sizes["configuration"]

    def counted(session):
        if not came:
            came.append(session.with_configurations(shipped, 0.3, "late")[0])
        return session.configurations(0.3, particles).sizes["configuration"]

    key = "counted", 0.3, particles, library.networks[0]
    assert session.memo(key, lambda: counted(session)) == known
    assert came[0].memo(key, lambda: counted(came[0])) == known + 1
    assert OwnLibrary(library).memo(key, lambda: 0) == known
    assert session.digest(0.3, particles) == library.digest(0.3, particles) != came[0].digest(0.3, particles)


def test_samples_and_networks_come_one_after_the_other(library, session, shipped):
    ensemble = library.ensemble(library.networks[0])
    session, first = session.with_configurations(shipped, 0.3, "one")
    session, network = session.with_ensemble(ensemble, "mine")
    session, second = session.with_configurations(shipped, 0.3, "one")
    assert [first.name, second.name, network] == ["one (yours)", "one (yours) 2", "mine (yours)"]
    assert {first, second} <= set(session.samples(0.3))
    assert session.networks == [*library.networks, network]
    assert session.ensemble(network).name == network


@pytest.mark.parametrize("temperature", [0.0, 1e-5, 0.01, 7.0, np.nan])
def test_a_temperature_that_is_none_is_refused(session, shipped, temperature):
    with pytest.raises(InvalidData, match=r"expected 0\.05 to 5"):
        session.with_configurations(shipped, temperature, "odd")


def test_what_is_to_be_known_of_a_sample_goes_with_it(session, shipped):
    gained, sample = session.with_configurations(shipped, 0.3, "thin", ["thin.xyz: the density is another one."])
    ds = gained.configurations(0.3, sample.particles).isel(configuration=sample.index)
    assert str(ds["verdict"].item()) == "your own; equilibration not assessed; thin.xyz: the density is another one."


def test_a_file_of_very_many_networks_is_refused(monkeypatch):
    monkeypatch.setattr(reading, "MOST_NETWORKS", 1)
    path = store.precomputed("networks") / "tglassmlp.safetensors"
    if not path.exists():
        pytest.fail("the store holds no networks")
    with pytest.raises(InvalidData, match="expected at most 1 of a species"):
        reading._network(path)


def test_a_session_brings_only_so_many_particles(session, shipped, monkeypatch):
    """Of all temperatures together, in this session alone."""
    monkeypatch.setattr(own, "MOST_PARTICLES", 2 * shipped.sizes["particle"])
    one, _ = session.with_configurations(shipped, 0.3, "one")
    full, _ = one.with_configurations(shipped, 0.275, "two")
    for temperature in (0.3, 0.275, 0.28):
        with pytest.raises(InvalidData, match=f"brought {3 * shipped.sizes['particle']} particles; expected at most"):
            full.with_configurations(shipped, temperature, "three")
    one.with_configurations(shipped, 0.3, "another")


def test_a_session_brings_only_so_many_networks(library, session, monkeypatch):
    monkeypatch.setattr(own, "MOST_NETWORKS", 2)
    ensemble = library.ensemble(library.networks[0])
    one, _ = session.with_ensemble(ensemble, "one")
    full, _ = one.with_ensemble(ensemble, "two")
    with pytest.raises(InvalidData, match="three: 2 networks were brought; expected no more"):
        full.with_ensemble(ensemble, "three")
    one.with_ensemble(ensemble, "another")


@pytest.mark.parametrize("key", ["columns", "cutoff", "tessellation"])
def test_networks_of_other_descriptors_are_refused(library, session, key):
    """The descriptors that a page has at hand are those of the shipped networks."""
    ensemble = library.ensemble(library.networks[0])
    other = {
        "columns": {**ensemble.header["columns"], "length": [0.0, 1.0]},
        "cutoff": ensemble.header["cutoff"] / 2,
        "tessellation": "plain",
    }
    changed = replace(ensemble, header=ensemble.header | {key: other[key]})
    with pytest.raises(InvalidData, match=f"mine: the networks have other {key}; expected those of {ensemble.name}"):
        session.with_ensemble(changed, "mine")
    assert session.networks == library.networks


def test_a_sample_without_species_1_is_refused(session, shipped):
    with pytest.raises(InvalidData, match="no particle of species 1"):
        session.with_configurations(shipped.assign(species=shipped["species"] * 0 + 1), 0.7, "odd")
