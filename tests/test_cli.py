import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from glassviz.cli import common
from glassviz.files import netcdf, store, write
from glassviz.learn.networkfile import load_networks
from glassviz.learn.plan import PRESETS
from glassviz.mixture import MixtureWarning
from glassviz.simulate.equilibration import random_start

GLASSVIZ = [sys.executable, "-m", "glassviz.cli"]


def run(*arguments, code=0, **options):
    done = subprocess.run(
        [*GLASSVIZ, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False, **options
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def cooled(tmp_path_factory):
    """Two samples of 200 particles at T = 0.5, made by the command."""
    folder = tmp_path_factory.mktemp("cooled")
    run("equilibrate", folder, "--temperatures", 1.0, 0.5, "--sweeps", 200, "--samples", 2, "--particles", 200)
    return folder


@pytest.fixture(scope="module")
def labels(cooled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    run("dynamics", cooled / "N200_T0.50.nc", folder, "--until", 20, "--replicas", 8, "--per-decade", 3)
    return folder


def test_help_of_every_command():
    listed = run("--help").stdout
    for command in (
        "serve",
        "equilibrate",
        "exchange",
        "dynamics",
        "descriptors",
        "train",
        "predict",
        "report",
        "campaign",
        "movie",
        "warm",
        "info",
    ):
        assert command in listed
        assert "Usage" in run(command, "--help").stdout


def test_equilibrate_writes_one_file_per_temperature_and_says_how(cooled):
    assert sorted(path.name for path in cooled.iterdir()) == ["N200_T0.50.nc", "N200_T1.00.nc"]
    ds = netcdf.load(cooled / "N200_T0.50.nc")
    assert ds.sizes["configuration"] == 2
    assert "glassviz" in ds.attrs["command"]
    assert "balanced swap proposals" in ds.attrs["moves"]
    assert "cells" not in ds.attrs["moves"]
    assert set(ds["verdict"].values) <= {"equilibrium", "nearly", "glass"}
    assert {"inherent_position", "energy_series", "bond_series"} <= set(ds)
    assert not np.array_equal(ds["position"][0], ds["position"][1])


def test_equilibrate_again_changes_nothing(cooled):
    before = (cooled / "N200_T0.50.nc").stat().st_mtime_ns
    run("equilibrate", cooled, "--temperatures", 1.0, 0.5, "--sweeps", 200, "--samples", 2, "--particles", 200)
    assert (cooled / "N200_T0.50.nc").stat().st_mtime_ns == before


def test_exchange_writes_one_file_per_sample_and_temperature_and_gather_takes_them(cooled, tmp_path):
    starts = sorted(cooled.iterdir())
    folder, gathered = tmp_path / "exchanged", tmp_path / "gathered"
    options = ["--sweeps", 200, "--samples", 2, "--ladders", 2, "--seed", 4]
    said = run("exchange", folder, "--start", *starts, *options, "--threads", 2).stdout
    names = [f"N200_T{t}_x4-{k}-{j}.nc" for k in (0, 1) for j in (0, 1) for t in ("0.50", "1.00")]
    assert re.findall(r"N200\S+", said) == names
    assert sorted(path.name for path in folder.iterdir() if path.name[0] != ".") == sorted(names)
    run("campaign", "gather", folder, gathered)
    ds = netcdf.load(gathered / "N200_T0.50.nc")
    assert list(ds["configuration"].values) == ["x4-0-0", "x4-0-1", "x4-1-0", "x4-1-1"]
    assert ds["bonds_shared"].shape == (4,)
    assert "exchanges at least every 20 sweeps between T = 0.5 " in ds.attrs["moves"]
    assert "with replica exchange: glassviz exchange" in ds.attrs["provenance"]
    for more, sentence in (
        (["--start", starts[0]], "at least two"),
        (["--start", *starts, "--swap", "plain"], "swap moves"),
    ):
        assert sentence in " ".join(run("exchange", folder, *more, *options, code=2).stderr.split())


def test_samples_of_other_options_are_not_passed_off(cooled):
    options = {"--temperatures": (1.0, 0.5), "--sweeps": (200,), "--samples": (2,), "--particles": (200,)}
    for name, other in {
        "--sweeps": 400,
        "--samples": 1,
        "--seed": 9,
        "--swap": "plain",
        "--temperatures": 0.5,  # not cooled from 1.0 on its way
    }.items():
        changed = options | {name: (other,)}
        said = run(
            "equilibrate", cooled, *(x for key, values in changed.items() for x in (key, *values)), code=2
        ).stderr
        assert re.search(
            r"N200_T(1\.00|0\.50)\.nc: .* is asked for; expected the same, or another folder", " ".join(said.split())
        )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_stopped_equilibrate_goes_on_to_the_same_end(tmp_path, how):
    arguments = ["--temperatures", "0.6", "--sweeps", "15000", "--particles", "400", "--seed", "5"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run("equilibrate", whole, *arguments)
    process = subprocess.Popen([*GLASSVIZ, "equilibrate", str(broken), *arguments], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    while not list(broken.glob("*checkpoint*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(how)
    said = process.communicate()[1]
    if how == signal.SIGINT:
        assert process.returncode == 130, said
        assert said.strip().endswith("glassviz: interrupted.")
    assert not (broken / "N400_T0.60.nc").exists(), "it was not killed in the middle"
    run("equilibrate", broken, *arguments)
    assert [path.name for path in broken.iterdir()] == ["N400_T0.60.nc"]
    first, second = (netcdf.load(folder / "N400_T0.60.nc") for folder in (whole, broken))
    np.testing.assert_array_equal(first["position"], second["position"])
    np.testing.assert_array_equal(first["energy_series"], second["energy_series"])


def test_a_long_dynamics_stops_when_it_is_asked_to(cooled, tmp_path):
    """Between output times, with a checkpoint that is further than the last of them."""
    arguments = [
        str(cooled / "N200_T0.50.nc"),
        str(tmp_path),
        "--until",
        "1e9",
        "--samples",
        "0:1",
        "--per-decade",
        "1",
    ]
    process = subprocess.Popen([*GLASSVIZ, "dynamics", *arguments], stderr=subprocess.PIPE, text=True)
    state, deadline = tmp_path / ".T0.50_s0-0.checkpoint.nc", time.monotonic() + 200

    def is_between():
        attrs = netcdf.load(state).attrs if state.exists() else {"done": 0}
        return attrs["done"] > 0 and attrs["steps"] > np.rint(100 * attrs["times"][int(attrs["done"]) - 1])

    while not is_between() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=100)[1]
    assert process.returncode == 130
    assert said.strip().endswith("glassviz: interrupted.")
    assert is_between()


HALF_MADE = """
import signal
from glassviz import cli

class Half:
    def __init__(self):
        self.whole = self  # so that only the collector finds it
        signal.raise_signal(signal.SIGINT)
    def __del__(self):
        self.missing

cli.app = lambda **_: Half()
cli.main()
"""


def test_what_ctrl_c_leaves_half_made_does_not_complain():
    done = subprocess.run([sys.executable, "-c", HALF_MADE], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "glassviz: interrupted.\n")


@pytest.mark.parametrize("made", ["RuntimeError('from a library')", "OSError('half a file')", "InvalidData('damaged')"])
@pytest.mark.parametrize("pressed", [True, False], ids=["Ctrl-C", "no Ctrl-C"])
def test_whatever_a_library_makes_of_ctrl_c_is_an_interruption(made, pressed):
    """An error is of the program only where nobody pressed Ctrl-C before."""
    program = f"""
import signal
from glassviz import cli
from glassviz.mixture import InvalidData

def library(**_):
    try:
        {"signal.raise_signal(signal.SIGINT)" if pressed else "pass"}
    except KeyboardInterrupt:
        pass
    raise {made}

cli.app = library
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300)
    if pressed:
        assert (done.returncode, done.stderr) == (130, "glassviz: interrupted.\n")
    else:
        assert done.returncode == (1 if "library" in made else 2)
        assert made.split("'")[1] in done.stderr
        assert ("Traceback" in done.stderr) == ("library" in made)


def test_an_interruption_that_python_ignores_comes_again_with_the_next_progress(monkeypatch):
    monkeypatch.setattr(common, "STOPPED", threading.Event())
    with common.progress_bar("") as progress:
        progress(1, 2)
        with suppress(KeyboardInterrupt):  # as in a destructor
            common.stop(signal.SIGINT, None)
        with pytest.raises(KeyboardInterrupt):
            progress(2, 2)


def test_the_number_of_threads_does_not_change_a_large_box(tmp_path):
    """In its cells whether asked for or not, alone or in a campaign."""
    options = ["--temperatures", 1.0, "--sweeps", 200, "--seed", 3]
    run("equilibrate", tmp_path / "one", *options, "--particles", 2400, "--threads", 1)
    run("equilibrate", tmp_path / "all", *options, "--particles", 2400)
    run("campaign", "equilibrate", tmp_path / "two", *options, "--size", 2400, "--threads", 2)
    names = ("one", "N2400_T1.00.nc"), ("all", "N2400_T1.00.nc"), ("two", "N2400_T1.00_s3-0.nc")
    first, *others = (netcdf.load(tmp_path / folder / name) for folder, name in names)
    assert "in the cells of a checkerboard" in first.attrs["moves"]
    for other in others:
        xr.testing.assert_equal(other, first)


def test_dynamics_writes_one_file_per_structure(labels):
    ds = netcdf.load(labels / "T0.50_s0-1.nc")
    assert ds.attrs["role"] == "train"
    assert ds.attrs["replicas"] == 8
    assert ds["propensity"].dims == ("configuration", "time", "particle")
    assert ds["propensity"].min() >= 0
    assert ds["mean_propensity"][0, -1] < ds["mean_propensity"][0, 0] <= 1


def test_gather_puts_samples_or_structures_together(cooled, labels, tmp_path):
    said = run("campaign", "gather", cooled, tmp_path).stdout
    assert "decorrelation times" in said
    run("campaign", "gather", labels, tmp_path)
    together = netcdf.load(tmp_path / "N200_T0.50_train_8x5_t20.nc")
    assert together["configuration"].values.tolist() == ["s0-0", "s0-1"]
    for k, name in enumerate(together["configuration"].values):
        alone = netcdf.load(labels / f"T0.50_{name}.nc")
        np.testing.assert_array_equal(together["propensity"][k], alone["propensity"][0])
        assert together["dynamics_seed"][k] == alone.attrs["dynamics_seed"]
    assert len(list(tmp_path.iterdir())) == 3


def test_gather_adds_replicas_to_those_of_other_velocities(cooled, labels, tmp_path):
    run("dynamics", cooled / "N200_T0.50.nc", tmp_path / "more", "--until", 20, "--per-decade", 3, "--seed", 9)
    run("campaign", "gather", labels, tmp_path / "more", tmp_path / "out")
    together = netcdf.load(tmp_path / "out" / "N200_T0.50_train_32x5_t20.nc")
    assert together["dynamics_seed"].values.tolist() == [[0, 9], [1, 10]]
    for k, name in enumerate(together["configuration"].values):
        one, other = (netcdf.load(folder / f"T0.50_{name}.nc") for folder in (labels, tmp_path / "more"))
        mean = (8 * one["propensity"] + 24 * other["propensity"]) / 32
        np.testing.assert_allclose(together["propensity"][k], mean[0], atol=0.51 / 254)


def test_descriptors_train_predict_and_info(cooled, labels, tmp_path):
    for cells in ("radical", "plain"):
        options = ["--cutoff", 6, "--tessellation", cells]
        run("descriptors", cooled / "N200_T0.50.nc", tmp_path / f"{cells}.nc", *options)
    radical, plain = (netcdf.load(tmp_path / f"{cells}.nc")["descriptors"] for cells in ("radical", "plain"))
    assert radical.shape == (2, 200, 4, 11, 4)
    assert not np.allclose(radical, plain)

    network = tmp_path / "small.safetensors"
    options = ["--preset", "quick", "--configurations", cooled / "N200_T1.00.nc", "--species", 1, 2]
    run("train", labels, "--output", network, *options, "--seeds", 2, "--steps", 40)
    record = load_networks(network).header["training"]["species1"]
    quick = replace(PRESETS["quick"].changed(steps=40).final, folds=2)  # one for each structure
    assert record["plan"] == json.loads(json.dumps(asdict(quick)))
    assert re.search(r"^species2: \d of 2 networks, seed 0$", run("info", network).stdout, re.M)
    assert '"history"' in run("info", network, "--header").stdout

    arguments = ["predict", cooled / "N200_T0.50.nc", tmp_path / "predicted.nc", "--network", network]
    run(*arguments, "--mean-propensity", 0.9, 0.8)
    predicted = netcdf.load(tmp_path / "predicted.nc")["propensity"]
    assert predicted.dims == ("network", "state", "configuration", "particle")
    species = netcdf.load(cooled / "N200_T0.50.nc")["species"].values
    assert np.isfinite(predicted.values[..., species < 2]).all()
    assert np.isnan(predicted.values[..., species == 2]).all()
    assert "inherent_position" in run("info", cooled / "N200_T0.50.nc").stdout
    arguments[2] = tmp_path / "hot.nc"
    said = run(*arguments, "--mean-propensity", 0.8, "--temperature", 0.9).stderr
    assert "small: T = 0.9 is outside T = 0.5, whose dynamics it learned; its predictions are extrapolated." in said


def test_training_says_what_it_would_learn_and_from_which_temperature_on(cooled, labels):
    options = ["train", labels, "--configurations", cooled / "N200_T0.50.nc", cooled / "N200_T1.00.nc", "--plan"]
    head, first, *_ = run(*options).stdout.splitlines()
    assert head.split()[-2:] == ["0.50", "1.00"]
    assert first.split() == ["0.990", "x", "r"]
    said = run(*options, "--minimum-temperature", 0.7, code=2).stderr
    assert "there are no training structures at T ≥ 0.7" in said


def test_test_structures_are_written_as_such_and_not_learned(cooled, tmp_path):
    options = ["--until", 20, "--replicas", 8, "--per-decade", 1, "--samples", "0:1"]
    run("dynamics", cooled / "N200_T0.50.nc", tmp_path, *options, "--role", "test")
    (path,) = tmp_path.glob("[!.]*.nc")
    assert netcdf.load(path).attrs["role"] == "test"
    said = run("train", path, "--output", tmp_path / "out.safetensors", code=2).stderr
    assert "there are no training structures" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "more", "networks"), [("ridge", (), 4), ("glassmlp", ("--seeds", 3, "--steps", 20), 3)]
)
def test_a_baseline_is_trained_as_one(labels, tmp_path, kind, more, networks):
    network = tmp_path / "baseline.safetensors"
    run("train", labels, "--output", network, "--model", kind, "--seed", 5, *more)
    header = load_networks(network).header
    record = header["training"]["species1"]
    assert (header["kind"], header["minimum_temperature"]) == (kind, 0.5)
    assert (record["seed"], record["seeds"]) == (5, networks)
    assert f"--model {kind}" in record["command"]


def test_info_lists_what_ships():
    listed = run("info").stdout
    for file in store.available_configurations():
        assert file.path.name in listed


@pytest.mark.slow
def test_movie(tmp_path):
    for suffix, sample, more in (
        ("mp4", "N = 1290 · c01000", ()),
        ("gif", "c01000", ("--shape", "wide", "--colors", "cividis", "--fps", 5)),
        ("webm", "c01000", ("--sweep", "temperature")),
    ):
        path = tmp_path / f"sweep.{suffix}"
        options = ["--temperature", 0.4, "--sample", sample, "--frames", 3, "--size", 240, *more]
        assert run("movie", path, *options).stdout.split() == [str(path)]
        assert path.stat().st_size > 1000
    with Image.open(tmp_path / "sweep.gif") as wide:
        assert wide.size == (426, 240)
        assert wide.info["duration"] == 200  # ms


def answer(address):
    """HTTP status of a server that may still be starting."""
    for _ in range(100):
        with suppress(urllib.error.URLError):
            return urllib.request.urlopen(address).status
        time.sleep(0.2)
    return None


def test_serve_answers():
    with subprocess.Popen(
        [*GLASSVIZ, "serve", "--port", "0", "--show"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "BROWSER": "echo %s"},
    ) as process:
        try:
            (address,) = re.findall(r"http://localhost:\d+/app", process.stdout.readline())
            assert answer(address) == 200
            process.stdout.readline()
            assert process.stdout.readline() == f"{address}\n"
        finally:
            process.send_signal(signal.SIGINT)


def test_a_class_is_served_under_the_name_it_uses():
    options = ["--port", "0", "--address", "0.0.0.0", "--allow-origin", "school", "--allow-origin", "proxy:99"]
    with subprocess.Popen([*GLASSVIZ, "serve", *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline()
            (address,) = re.findall(r"http://localhost:\d+/app", said)
            assert said.rstrip().endswith("; for others under school, proxy:99")
            port = address.split(":")[2].removesuffix("/app")
            for host in ("localhost", "127.0.0.1", "school", "elsewhere"):
                told = websocket_status(address, f"http://{host}:{port}")
                assert told == (403 if host == "elsewhere" else 101), host
            assert [websocket_status(address, f"http://{host}") for host in ("school", "proxy:99")] == [101, 101]
        finally:
            process.send_signal(signal.SIGINT)


def websocket_status(address, origin):
    """Status of the answer to a websocket's handshake from a page of another origin."""
    token = re.search(r'"token":"([^"]+)"', urllib.request.urlopen(address, timeout=120).read().decode())[1]
    host = address.removeprefix("http://").removesuffix("/app")
    connection = http.client.HTTPConnection(host, timeout=60)
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": f"bokeh, {token}",
        "Origin": origin,
    }
    connection.request("GET", "/app/ws", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_warning_is_one_sentence(tmp_path):
    start = random_start(200, 1).assign_attrs(temperature=0.5)
    with pytest.warns(MixtureWarning):
        write(start.assign_attrs(box_length=2 * start.attrs["box_length"]), tmp_path / "thin.extxyz")
    one = r"glassviz: .*the density .* predictions are not to be trusted\.\n"
    assert re.fullmatch(one, run("info", tmp_path / "thin.extxyz").stderr)
    cooled = run(
        "equilibrate", tmp_path / "out", "--start", tmp_path / "thin.extxyz", "--temperatures", 0.5, "--sweeps", 200
    )
    assert len(re.findall(one, cooled.stderr)) == 1


@pytest.mark.parametrize("processes", [1, 2])
def test_serve_says_nothing_of_an_address_that_is_taken(processes):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = run("serve", "--address", "127.0.0.1", "--port", port, "--processes", processes, code=2)
    assert "http://" not in said.stdout
    assert "in use" in said.stderr


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("dynamics missing.nc out --until 10", "missing.nc: there is no such file"),
        ("descriptors pickle.nc out.nc", "pickle.nc: the content is a Python pickle, which is never read"),
        (
            "predict page.gsd out.nc --network ridge --mean-propensity 0.8",
            "page.gsd: the content is a web page; expected GSD",
        ),
        (
            "predict good.extxyz out.nc --network nothing --mean-propensity 0.8",
            "nothing: there is no such network file",
        ),
        (
            "predict good.extxyz good.extxyz --network ridge --mean-propensity 0.8",
            "good.extxyz: expected a file ending in .nc",
        ),
        ("descriptors good.extxyz out.gsd", "out.gsd: expected a file ending in .nc"),
        ("descriptors good.extxyz nowhere/out.nc", "nowhere: there is no such folder to write out.nc into"),
        ("dynamics good.extxyz page.gsd --until 10", "page.gsd: it is a file; expected a folder"),
        ("dynamics good.extxyz out --until 10 --samples 3:5", "3:5 holds none of good.extxyz; expected some of its 1"),
        ("dynamics good.extxyz out --until inf", "the last time is inf; expected more than 1"),
        ("dynamics named.nc out --until 10", "'a/b': a file is called after this structure"),
        ("equilibrate out --temperatures 0.5 0.5 --sweeps 200", "temperatures 0.50 0.50; expected each of them once"),
        ("campaign equilibrate out --temperatures 0.5 --sweeps 200 --workers -2", '"-2" for --workers'),
        ("equilibrate out --temperatures --sweeps 200", "for --temperatures. Expected at least one"),
        ("equilibrate out --temperatures 0.5 --sweeps 200 --seed -1", '"-1" for --seed'),
        ("dynamics good.extxyz out --until 10 --replicas 0", '"0" for --replicas'),
        (
            "predict good.extxyz out.nc --network tglassmlp --mean-propensity",
            "for --mean-propensity. Expected at least one",
        ),
        ("predict good.extxyz out.nc --network tglassmlp --mean-propensity 0.8 1.2", '"1.2" for --mean-propensity'),
        ("train labels.nc --output out.safetensors --steps 0", '"0" for --steps'),
        ("train labels.nc --output out.safetensors --model ridge --species 2", "--species: 2; expected 1 among them"),
        ("train labels.nc --output out.safetensors", "no run gets to a ⟨C̄_B⟩ that is learned"),
        ("train labels.nc --output out.safetensors --model glassmlp", "no run gets to a ⟨C̄_B⟩ that is learned"),
        ("nonsense", 'Unknown command "nonsense"'),
        ("info --nonsense", "Unknown option: --nonsense"),
        ("serve --basic-auth ''", "the password is empty"),
        (
            "serve --basic-auth missing.json",
            "missing.json: there is no such file; expected a JSON file of names and passwords",
        ),
        ("serve --basic-auth list.json", "list.json: expected names and passwords"),
        ("serve --port 99999", "port 99999; expected 0 to 65535"),
        ("serve --allow-origin http://class.example/", "http://class.example/: expected a host"),
        ("serve --allow-origin class.example:99999", "class.example:99999: expected a host"),
        ("serve --allow-origin [fd00::5]", "[fd00::5]: expected a host"),
        ("serve --address ::1", "address ::1: Bokeh serves no page at an IPv6 address"),
        ("equilibrate out --temperatures 0.5 --sweeps 200.5", 'unable to convert "200.5" into int'),
        ("equilibrate out --temperatures 0.5 --sweeps 200 --seed 100000000000000000000", "for --seed. Must be <="),
        (
            "equilibrate out --temperatures 0.5 --sweeps 200 --start good.extxyz --particles 50",
            "expected no --samples and no --particles",
        ),
        (
            "campaign equilibrate out --temperatures 0.5 --sweeps 200 --start x.nc --samples 2",
            "expected no --samples and no --particles",
        ),
        ("campaign gather samples page.gsd", "page.gsd: it is a file; expected a folder"),
        ("dynamics good.extxyz out --until 1e17", "the last time is 1e+17; expected more than 1, at most 1e+12"),
        ("report out --figures", "for --figures. Expected at least one"),
        ("report page.gsd", "page.gsd: it is a file; expected a folder"),
        ("train missing.nc --output out.safetensors", "missing.nc: there is no such file"),
        ("movie out.avi", "out.avi: movies are .mp4 or .webm or .gif"),
        ("movie out.mp4 --temperature 0.111", "there are no configurations at T = 0.111; expected one of 0.4,"),
        ("info missing.nc", "missing.nc: there is no such file"),
        ("equilibrate out --temperatures -1 --sweeps 200", "temperature -1 and 200 sweeps; expected T from 0.0001 on"),
        (
            "equilibrate out --temperatures 0.5 0.00005 --sweeps 200",
            "temperature 5e-05 and 200 sweeps; expected T from 0.0001 on",
        ),
        ("dynamics good.extxyz out --until 20 --per-decade 300", "300 times per decade; expected 1 to 200"),
        (
            "predict good.extxyz out.nc --network tglassmlp --mean-propensity 0.8 --temperature inf",
            "the temperature is inf",
        ),
        ("descriptors good.extxyz out.nc --cutoff 40", "the cutoff is 40.0; expected 0 < cutoff ≤ 35 σ"),
        (
            "equilibrate out --temperatures 0.5 --sweeps 1",
            "1 sweeps; expected T from 0.0001 on and at least 200 sweeps",
        ),
        ("equilibrate out --temperatures 0.5 0.4 0.3 --sweeps 200 200", "sweeps: 2 numbers for 3 temperatures"),
        ("equilibrate out --temperatures 0.5 --sweeps 200 --threads 2", "2 threads for a box of 32.9 σ"),
        ("campaign equilibrate out --temperatures 0.5 --sweeps 200 --threads 2", "2 threads for a box of 32.9 σ"),
        ("campaign equilibrate out --temperatures 0.5 --sweeps 200 --threads 0", '"0" for --threads'),
        ("campaign equilibrate out --temperatures 0.5 --sweeps 1", "1 sweeps; expected T from 0.0001 on"),
        ("campaign equilibrate out --temperatures 0.5 --sweeps 200 --size 1", "1 samples of 1 particles"),
        (
            "campaign equilibrate out --temperatures 0.5 --sweeps 200 --scheduler nonsense",
            "nonsense: no Dask scheduler answers",
        ),
        (
            "campaign equilibrate out --temperatures 0.5 --sweeps 200 --start named.nc",
            "'a/b': a file is called after this structure",
        ),
        ("exchange out --start missing.nc --sweeps 200", "missing.nc: there is no such file"),
        ("exchange out --start good.extxyz --sweeps 200", "one file to start from; expected at least two"),
        ("campaign dynamics missing.nc out --until 10", "missing.nc: there is no such file"),
        ("campaign gather missing out", "missing: there are no samples in it"),
        ("campaign gather out", "expected a folder of samples, and another one"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(command, reason, tmp_path):
    (tmp_path / "pickle.nc").write_bytes(b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00K\x01.")
    (tmp_path / "page.gsd").write_text("<html></html>")
    (tmp_path / "list.json").write_text("[1, 2]")
    start = random_start(200, 1).assign_attrs(temperature=0.5)
    write(start, tmp_path / "good.extxyz")
    netcdf.save(start.assign_coords(configuration=["a/b"]), tmp_path / "named.nc")
    short = start.assign(
        propensity=(("configuration", "time", "particle"), np.ones((1, 2, 200))),
        inherent_position=start["position"],
    )
    netcdf.save(short.assign_coords(time=[1.0, 2.0]).assign_attrs(replicas=8), tmp_path / "labels.nc")
    said = run(*shlex.split(command), code=2, cwd=tmp_path).stderr
    (sentence,) = [line for line in said.splitlines() if line.startswith("glassviz:")]
    assert reason in sentence
    assert sentence.rstrip().endswith(".")
    assert not list(Path(tmp_path).glob("out*/*.nc"))
