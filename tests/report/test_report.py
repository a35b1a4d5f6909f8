"""The report on a small store: its numbers against the library's own, its verdicts against the numbers."""

import html
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from glassviz.files import netcdf, store
from glassviz.learn.between_outputs import noise_of_mean
from glassviz.learn.evaluation import evaluate
from glassviz.learn.labels import state_points, structures
from glassviz.learn.networkfile import load_networks
from glassviz.mixture import InvalidData
from glassviz.observe.attention import length_distribution, xi_int
from glassviz.observe.chords import chord_length
from glassviz.observe.susceptibility import chi4
from glassviz.report import goals, heterogeneity, network
from glassviz.report.material import LEVELS
from glassviz.report.plates import (
    AGREES,
    DISAGREES,
    IN_PART,
    UNDECIDED,
    Finding,
    Plate,
    bend,
    exceeds,
    slopes,
    with_error,
    within,
)
from glassviz.report.write import FIGURES, write_report
from glassviz.structure.cache import cached_descriptors

pytestmark = pytest.mark.slow

TEMPERATURES = (0.40, 0.30)
NETWORKS = Path(__file__).parents[2] / "precomputed" / "networks"
SAMPLES = 3  # of each temperature
LABELLED = 2  # of each temperature and role


@pytest.fixture(scope="module")
def small_store(tmp_path_factory):
    """A few of the shipped structures, in a store of their own."""
    configurations, propensities = store.available_configurations(), store.available_propensities()
    networks = sorted(store.precomputed("networks").glob("tglassmlp*.safetensors"))
    if not (configurations and propensities and networks):
        pytest.fail("the store holds no data to report")
    root = tmp_path_factory.mktemp("store")
    for kind in store.KINDS:
        (root / kind).mkdir()
    (root / "networks" / networks[0].name).symlink_to(networks[0])
    small = min(row.particles for row in configurations)
    chosen = {round(row.temperature, 3): row for row in reversed(configurations) if row.particles == small}
    for temperature, row in chosen.items():
        if temperature in TEMPERATURES:
            part = netcdf.read(row.path).isel(configuration=slice(SAMPLES))
            netcdf.save(part, root / "configurations" / row.path.name)
    for temperature in TEMPERATURES:
        for role in ("train", "test"):
            rows = [r for r in propensities if r.role == role and round(r.temperature, 3) == temperature]
            row = next(r for r in rows if r.particles == small and len(r.names) >= LABELLED)
            part = netcdf.load(row.path).isel(configuration=slice(LABELLED))
            netcdf.save(part, root / "propensities" / row.path.name)
    return root


@pytest.fixture(scope="module")
def written(small_store, tmp_path_factory):
    """The report on the small store, and how its progress went."""
    patch = pytest.MonkeyPatch()
    patch.setenv("GLASSVIZ_DATA", str(small_store))
    steps = []
    page = write_report(tmp_path_factory.mktemp("report"), progress=lambda done, total: steps.append(done / total))
    yield page.parent, steps
    patch.undo()


class Images(HTMLParser):
    """Sources and links of a page."""

    def __init__(self):
        super().__init__()
        self.sources, self.links = [], []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.sources += [attrs["src"]] if tag in ("img", "script") else []
        self.links += [attrs["href"]] if "href" in attrs else []


def test_every_figure_is_there_and_the_page_needs_nothing_else(written):
    folder, steps = written
    made = {path.stem for path in folder.glob("*.svg")}
    assert {f"figure_{n}" for n in FIGURES if n.isdigit()} - {"figure_7"} == made
    for name in made:
        assert (folder / f"{name}.png").stat().st_size > 5000
        assert len(pd.read_csv(folder / f"{name}.csv")) > 0
    text = (folder / "report.html").read_text()
    for missing in ("Figure 7", "Size transfer"):  # the small store has no large box
        assert f"{missing} is missing:" in text
    page = Images()
    page.feed(text)
    assert len(page.sources) == len(made)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert steps == sorted(steps)
    assert steps[-1] == 1


def test_pearson_numbers_are_those_of_the_evaluation(written):
    folder, _ = written
    table = pd.read_csv(folder / "figure_2.csv")
    found = evaluate(
        _ensemble(),
        [row.path for row in store.available_propensities()],
        tuple(table["mean_propensity"].unique()),
    )
    assert len(table) == found.sizes["state"] > 4
    for _, row in table.iterrows():
        same = np.isclose(found["temperature"], row["temperature"]) & np.isclose(
            found["mean_propensity"], row["mean_propensity"]
        )
        expected = found.isel(state=int(np.flatnonzero(same)[0]))
        assert row["structures"] == LABELLED
        assert row["pearson"] == pytest.approx(float(expected["pearson"]), abs=1e-6)
        assert row["ceiling"] == pytest.approx(float(expected["ceiling"]), abs=1e-6)
        assert row["time"] == pytest.approx(float(expected["time"]), rel=1e-9)


def _ensemble():
    return load_networks(next(store.precomputed("networks").glob("*.safetensors")).stem)


def test_measured_susceptibility_is_the_variance_over_structures(written):
    """Less what the replicas leave of it."""
    folder, _ = written
    table = pd.read_csv(folder / "figure_4.csv")
    paths = [r.path for r in store.available_propensities() if np.isclose(r.temperature, TEMPERATURES[0])]
    points = state_points(paths, 0, LEVELS, cut=False)[0]
    level = list(points.levels).index(0.8)
    labels = points.labels[:, level]
    means = labels.mean(axis=1, dtype=np.float64)
    noise = np.mean([noise_of_mean(ds, points.times)[level] for ds in structures(paths)])
    assert 0 < noise < means.var(ddof=1)
    row = table[np.isclose(table["temperature"], TEMPERATURES[0]) & np.isclose(table["mean_propensity"], 0.8)].iloc[0]
    assert row["structures"] == len(means) > 1
    assert row["chi4_md"] == pytest.approx(labels.shape[-1] * (means.var(ddof=1) - noise), rel=1e-4)
    assert row["ratio"] == pytest.approx(row["chi4_predicted"] / row["chi4_md"])


def test_predicted_curves_are_those_of_the_public_functions(written):
    folder, _ = written
    ensemble, temperature, level = _ensemble(), TEMPERATURES[1], 0.8
    path = next(row.path for row in store.available_configurations() if np.isclose(row.temperature, temperature))
    ds = netcdf.read(path)
    X = cached_descriptors(ds, cutoff=ensemble.header["cutoff"], tessellation=ensemble.header["tessellation"])
    C = ensemble.predict(X, temperature=temperature, mean_propensity=level)
    table = pd.read_csv(folder / "figure_6.csv")
    row = table[np.isclose(table["temperature"], temperature) & np.isclose(table["mean_propensity"], level)].iloc[0]
    assert row["chi4"] == pytest.approx(float(chi4(C, ds, unbiased=True)), rel=2e-2)
    attention = ensemble.attention(X, temperature=temperature, mean_propensity=level)
    expected = xi_int(length_distribution(attention))
    lengths = pd.read_csv(folder / "figure_9.csv")
    assert lengths[np.isclose(lengths["temperature"], temperature)]["xi_int"].iloc[0] == pytest.approx(
        float(expected), rel=1e-3
    )
    lengths = pd.read_csv(folder / "figure_12.csv").set_index("temperature").loc[temperature]
    assert lengths["xi_int_scaled"] == pytest.approx(1.5 * float(expected), rel=1e-3)
    assert lengths["xi_int_scaled_error"] == pytest.approx(1.5 * float(expected["error"]), rel=1e-2)
    chord = chord_length(C, ds)
    assert lengths["chord_half"] == pytest.approx(float(chord) / 2, rel=1e-2)
    errors = float(chord["error"]), float(chord["structure_error"])
    assert lengths["chord_half_error"] == pytest.approx(np.hypot(*errors) / 2, rel=5e-2)


def findings(folder):
    """What the page says of the numbers: texts and their marks."""
    page = html.unescape((folder / "report.html").read_text())
    return {text: mark for mark, text in re.findall(r"<li><b[^>]*>(.)</b>(.*?)</li>", page)}


def mark(value, limit, error):
    """That of |value| ≤ limit with an error."""
    return "✓" if abs(value) + error <= limit else "✗" if abs(value) - 2 * error > limit else "?"


def test_findings_are_of_the_numbers_drawn(written):
    folder, _ = written
    told = findings(folder)
    tables = {number: pd.read_csv(folder / f"figure_{number}.csv") for number in (2, 4, 11)}

    def one(start):
        ((text, sign),) = [(text, sign) for text, sign in told.items() if text.startswith(start)]
        return text, sign

    top = tables[2].loc[tables[2]["pearson"].idxmax()]
    text, sign = one(f"The highest ρ_P is {top['pearson']:.3f} ± {top['error']:.3f} at T = {top['temperature']:.2f}")
    assert sign == mark(top["pearson"] - 0.8, 0.05, top["error"])

    for temperature, rows in tables[4].groupby("temperature"):
        row = rows.loc[(rows["mean_propensity"] - 0.8).abs().idxmin()]
        text, sign = one(f"T = {temperature:.2f}, ⟨C̄_B⟩ = {row['mean_propensity']:.2f}: predicted over measured ")
        assert f"measured {row['ratio']:.2f} ± {row['ratio_error']:.2f} (" in text
        assert sign == mark(row["ratio"] - 1, 0.2, row["ratio_error"])

    clouds = tables[11].sort_values("temperature", ascending=False)
    first, last = clouds.iloc[0], clouds.iloc[-1]
    text, _ = one(f"The predicted standard deviation of C_B goes from {first['predicted_std']:.3f} at T = ")
    assert f" to {last['predicted_std']:.3f} at T = {last['temperature']:.2f};" in text
    rise = np.polyfit(1 / clouds["temperature"], clouds["predicted_std"], 1)[0]
    assert f"slope in 1/T is {rise:.4f} ±" in text
    assert not any("nan" in text for text in told)


def test_measured_chords_are_laid_beside_the_predicted_ones(written):
    folder, _ = written
    chords, lengths = (pd.read_csv(folder / f"figure_{number}.csv") for number in (8, 12))
    measured = chords[np.isclose(chords["mean_propensity"], 0.8) & np.isfinite(chords["md"])].set_index("temperature")
    assert len(measured) > 0
    for temperature, row in lengths.set_index("temperature").iterrows():
        known = temperature in measured.index
        expected = measured.loc[temperature, ["md", "md_error"]] / 2 if known else [np.nan, np.nan]
        np.testing.assert_allclose(row[["md_chord_half", "md_chord_half_error"]].astype(float), expected, rtol=1e-6)


def test_weak_data_say_so_and_goals_are_judged(written):
    folder, _ = written
    text = (folder / "report.html").read_text()
    assert f"at some states only {LABELLED} test structures" in text
    assert re.search(r"times are extrapolated (at T = \d|below ⟨C̄_B⟩ = \d)", text)
    table = pd.read_csv(folder / "goals.csv")
    assert len(table) == 7
    published = pd.read_csv(folder / "published.csv")
    reached = published.dropna()
    assert len(reached[reached["time"] > 1000]) > 0
    for wanted, least in (("above GlassMLP", reached["GlassMLP"]), ("within 0.03 of SE3", reached["SE3"] - 0.03)):
        asked = table[table["text"].str.contains(wanted)]
        assert len(asked) == 2
        for _, row in asked.iterrows():
            time = float(re.search(r"t = ([\d.]+)", row["text"])[1])
            at = np.isclose(reached["time"], time)
            if at.any():
                assert (str(row["met"]) == "True") == bool((reached["glassviz"] >= least)[at].iloc[0])
            else:
                assert pd.isna(row["met"])


def test_figures_can_be_chosen_and_unknown_ones_are_named(small_store, tmp_path, monkeypatch):
    monkeypatch.setenv("GLASSVIZ_DATA", str(small_store))
    write_report(tmp_path, ["13"])
    assert {path.stem for path in tmp_path.glob("*.png")} == {"figure_13"}
    with pytest.raises(InvalidData, match=r"no figure 5; expected some of 2, 3, 4"):
        write_report(tmp_path, ["5"])
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidData, match="not a folder that can be written"):
        write_report(tmp_path / "file")


def command_line(folder, data, *options):
    """What `glassviz report out` leaves in a folder."""
    command = [sys.executable, "-m", "glassviz.cli", "report", "out", *options]
    environment = os.environ | {"GLASSVIZ_DATA": str(data)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["out/report.html"]), done.stderr
    return {path.name for path in (folder / "out").iterdir()}


def test_the_command_writes_the_figures_it_is_asked_for(small_store, tmp_path):
    figures = {f"figure_{number}.{suffix}" for number in (9, 13) for suffix in ("png", "svg", "csv")}
    found = command_line(tmp_path, small_store, "--figures", "13", "9")
    assert found == figures | {"report.html", "published.csv"}


def test_the_command_writes_all_figures_and_the_goals_by_default(written, small_store, tmp_path):
    assert command_line(tmp_path, small_store) == {path.name for path in written[0].iterdir()}


@pytest.mark.parametrize(
    ("networks", "change", "missing"),
    [
        ("tglassmlp", lambda ds: ds.isel(time=slice(2)), ["2", "3", "4", "10"]),  # to t = 1
        ("tglassmlp", lambda ds: ds.isel(configuration=slice(ds.attrs["role"] == "test")), ["4"]),
        ("ridge", lambda ds: ds, ["4", "9", "10", "11"]),
    ],
    ids=["short runs", "one structure", "ridge alone"],
)
def test_what_little_data_cannot_show_is_said_on_the_page(
    small_store, tmp_path, monkeypatch, networks, change, missing
):
    root = tmp_path / "store"
    (root / "networks").mkdir(parents=True)
    (root / "propensities").mkdir()
    (root / "configurations").symlink_to(small_store / "configurations")
    path = NETWORKS / f"{networks}.safetensors"
    (root / "networks" / path.name).symlink_to(path)
    for path in (small_store / "propensities").iterdir():
        if (ds := change(netcdf.load(path))).sizes["configuration"]:
            netcdf.save(ds, root / "propensities" / path.name)
    monkeypatch.setenv("GLASSVIZ_DATA", str(root))
    text = write_report(tmp_path / "report").read_text()
    for number in missing:
        assert f"Figure {number} is missing:" in text
    assert not re.search(r"\bnan\b", re.sub(r'"data:[^"]*"', "", text))


def changed_store(small_store, root, networks=(), temperatures=TEMPERATURES):
    """The small store with other networks, by file name, and configurations at some temperatures only."""
    (root / "networks").mkdir(parents=True)
    (root / "configurations").mkdir()
    (root / "propensities").symlink_to(small_store / "propensities")
    for path in (small_store / "configurations").iterdir():
        if netcdf.read(path).attrs["temperature"] in temperatures:
            (root / "configurations" / path.name).symlink_to(path)
    for name, ensemble in networks:
        ensemble.save(root / "networks" / name)
    return root


def test_labels_without_configurations_are_shown(small_store, tmp_path, monkeypatch):
    networks = [("tglassmlp.safetensors", load_networks(NETWORKS / "tglassmlp.safetensors"))]
    monkeypatch.setenv("GLASSVIZ_DATA", str(changed_store(small_store, tmp_path / "store", networks, (0.30,))))
    write_report(tmp_path, ["2", "3", "4"])
    assert set(pd.read_csv(tmp_path / "figure_4.csv")["temperature"]) == set(TEMPERATURES)


def test_every_ensemble_is_shown_with_its_own_descriptors(small_store, tmp_path, monkeypatch):
    networks = [
        (f"{name}.safetensors", load_networks(NETWORKS / f"{name}.safetensors")) for name in ("tglassmlp", "ridge")
    ]
    networks[1][1].header["cutoff"] = 8.0
    monkeypatch.setenv("GLASSVIZ_DATA", str(changed_store(small_store, tmp_path / "store", networks)))
    write_report(tmp_path, ["2", "3"])
    states = ["temperature", "particles", "ensemble", "mean_propensity"]
    curves, snapshots = (pd.read_csv(tmp_path / f"figure_{number}.csv").set_index(states) for number in (2, 3))
    assert len(snapshots) >= 2
    np.testing.assert_allclose(snapshots["pearson"], curves.loc[snapshots.index, "pearson"], rtol=1e-4)


def test_networks_that_the_constraint_cannot_move_make_no_claims(small_store, tmp_path, monkeypatch):
    mute = load_networks(NETWORKS / "tglassmlp.safetensors")
    for branch in mute.branches.values():
        for values in branch.weights.values():
            values[:] = 0
    root = changed_store(small_store, tmp_path / "store", [("tglassmlp.safetensors", mute)])
    monkeypatch.setenv("GLASSVIZ_DATA", str(root))
    page = write_report(tmp_path, ["6", "8"]).read_text()
    assert "Figure 8 is missing:" in page
    assert findings(tmp_path)["χ₄ passes through a maximum in time at 0 of 0 temperatures."] == "?"


# What verdicts are made of


def test_a_verdict_follows_from_its_findings():
    def verdict(*holds):
        return Plate("2", "", "", None, pd.DataFrame(), [Finding("", one) for one in holds]).verdict

    assert verdict(True, True) == AGREES
    assert verdict(True, None) == IN_PART
    assert verdict(True, False, None) == DISAGREES
    assert verdict(None) == verdict() == UNDECIDED


def test_slopes_of_lines():
    x = np.array([0.0, 1.0, 3.0, 4.0])
    np.testing.assert_allclose(slopes(x, [2 * x + 1, np.sin(x)]), [2, np.polyfit(x, np.sin(x), 1)[0]])
    assert np.isnan(slopes([1.0], [[2.0]])).all()


def test_the_slopes_of_a_broken_line_and_their_errors():
    """The error of their difference is that of the difference: the point where they meet makes both wrong together."""
    x, sigma = np.arange(9.0), np.linspace(0.2, 0.6, 9)
    y = 3 * np.minimum(x - 4, 0) + 1 * np.maximum(x - 4, 0)
    (before, _), (after, _), _ = bend(x, y, sigma, 4)
    assert (before, after) == pytest.approx((3, 1))
    generator = np.random.default_rng(1)
    drawn = [bend(x, y + generator.normal(0, sigma), sigma, 4) for _ in range(2000)]
    before, after = (np.array([one[k][0] for one in drawn]) for k in range(2))
    told = np.array([(one[0][1], one[1][1], one[2]) for one in drawn])
    exact = np.array([before.std(), after.std(), (before - after).std()])
    np.testing.assert_allclose(exact, told.min(axis=0), rtol=0.07)  # larger where the scatter is larger
    assert exact[2] > 1.1 * np.hypot(*exact[:2])
    scattered = bend(x, y + 10 * sigma * (-1) ** np.arange(9), sigma, 4)
    assert scattered[2] > 5 * told[:, 2].min()


def test_what_no_point_tells_of_a_broken_line_is_not_said():
    before, after, apart = bend([1.0, 2.0, 3.0], [1.0, 3.0, 5.0], [0.1, 0.1, 0.1], 3.0)
    assert before == (pytest.approx(2), pytest.approx(0.1 / np.sqrt(2)))
    assert np.isnan([*after, apart]).all()
    assert np.isnan(np.array(bend([1.0, 5.0], [1.0, 2.0], [0.1, 0.1], 3.0), dtype=object)[2])


def test_statements_are_left_open_within_their_errors():
    assert exceeds(1.0, 0.4) is True
    assert exceeds(-1.0, 0.4) is False
    assert exceeds(1.0, 0.6) is None
    assert exceeds(np.nan, 0.1) is None
    assert within(0.1, 0.2, 0.05) is True
    assert within(-0.31, 0.2, 0.05) is False
    assert within(-0.29, 0.2, 0.05) is None
    assert within(0.18, 0.2, 0.05) is None
    assert within(0.1, 0.2, np.nan) is within(0.3, 0.2, np.nan) is None


def test_of_one_network_the_error_over_structures_counts_once():
    def error(networks, structure_error):
        variables = {"chi4_error": ("state", [3.0]), "chi4_structure_error": ("state", [structure_error])}
        return heterogeneity.whole_error(xr.Dataset(variables, attrs={"networks": networks}), "chi4")

    assert error(4, 4.0) == 5
    assert error(1, 3.0) == 3


@pytest.mark.parametrize(("gap", "near"), [(0.5, None), (3.0, False)])
def test_a_maximum_far_from_relaxation_counts_only_beyond_the_errors(monkeypatch, gap, near):
    curve = xr.Dataset({"xi4": ("state", [2.0 + gap, 1.0, 2.0]), "xi4_error": ("state", [0.8, 0.1, 0.6])})
    monkeypatch.setattr(heterogeneity, "lengths", lambda *_: curve.assign_coords(time=("state", [1.0, 10.0, 1000.0])))
    material = SimpleNamespace(superposition=SimpleNamespace(relaxation_time=lambda _: 500.0))
    assert heterogeneity._near_relaxation(material, 0.3, heterogeneity.peak(curve, "xi4")) is near
    at_relaxation = {"value": 2.0, "error": 0.6, "at": 2}
    assert heterogeneity._near_relaxation(material, 0.3, at_relaxation) is True


@pytest.mark.parametrize(
    ("ratio", "error", "met"), [(1.05, 0.1, True), (1.05, 0.7, None), (3.0, 0.7, None), (0.4, 0.1, False)]
)
def test_whether_susceptibilities_are_judged_depends_on_their_error_alone(monkeypatch, ratio, error, met):
    """What is not known to 20 % cannot be within them, nor be what the goal is missed by."""
    row = {"temperature": 0.3, "mean_propensity": 0.8, "ratio": ratio, "ratio_error": error}
    monkeypatch.setattr(goals, "susceptibilities", lambda *_: [row])
    found = goals._susceptibility(SimpleNamespace(labelled_temperatures=[0.3], main=None))
    assert found.met is met
    assert (f"{ratio:.2f} ± {error:.2f}" in found.found) == (error < 0.2)


def test_a_tenth_is_a_tenth_where_propensities_are_alike():
    propensity = np.concatenate([np.zeros(100), np.ones(900)])
    nodes = np.stack([np.where(propensity > 0, 1.0, 0.0), np.random.default_rng(2).normal(size=1000)], axis=1)
    assert network.separation(nodes, propensity) == 1
    nodes[100:200, 0] = -1.0  # a ninth of the arrested look more mobile than the mobile
    assert network.separation(nodes, propensity) == pytest.approx(8 / 9, abs=0.1)


def test_a_number_without_an_error_says_so():
    assert with_error(0.123, 0.045, "+.2f") == "+0.12 ± 0.04"
    assert with_error(0.123, np.nan, ".1f") == "0.1 (error unknown)"
    assert with_error(np.nan, 0.1) == "not determined"


def test_the_store_without_propensities_is_one_sentence(small_store, tmp_path, monkeypatch):
    root = tmp_path / "store"
    root.mkdir()
    for kind in ("configurations", "networks"):
        (root / kind).symlink_to(small_store / kind)
    monkeypatch.setenv("GLASSVIZ_DATA", str(root))
    with pytest.raises(InvalidData, match="no propensities; expected those of"):
        write_report(tmp_path / "out")


def test_all_that_ships_makes_a_whole_report(tmp_path, monkeypatch):
    """Every figure of the shipped store, with its many temperatures and its large boxes."""
    monkeypatch.delenv("GLASSVIZ_DATA", raising=False)
    if not (store.available_configurations() and store.available_propensities()):
        pytest.fail("the store holds no data to report")
    page = write_report(tmp_path / "report")
    made = {path.stem for path in page.parent.glob("*.svg")}
    assert made >= {f"figure_{n}" for n in FIGURES if n.isdigit()}
    assert "is missing:" not in page.read_text()
