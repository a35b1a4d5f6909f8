"""The campaign on real clusters: killed workers, killed clients, a scheduler of one's own."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest
import xarray as xr
from distributed import LocalCluster

from glassviz.campaign import cluster
from glassviz.campaign.cluster import connected, run_jobs
from glassviz.campaign.dynamics import dynamics_jobs
from glassviz.campaign.equilibration import cooling_jobs
from glassviz.campaign.gather import gather
from glassviz.campaign.jobs import Job
from glassviz.cli import app
from glassviz.files import netcdf
from glassviz.mixture import InvalidData
from glassviz.simulate import cooling
from glassviz.simulate.isoconfigurational import logarithmic_times

GLASSVIZ = [sys.executable, "-m", "glassviz.cli", "campaign"]
RECORD = {"command": "a test", "version": "0"}
SAMPLES, PARTICLES, SEED = 2, 80, 7
TEMPERATURES, SWEEPS = [1.0, 0.6], [12_000, 1000]
COOLING = ["--temperatures", "1.0", "0.6", "--sweeps", "12000", "1000", "--samples", "2", "--size", "80", "--seed", "7"]


@pytest.fixture(scope="module")
def local():
    """A cluster of two workers, as `connected` makes it, for all tests that do not end it."""
    with connected(2, None) as client:
        yield client.cluster


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What `glassviz equilibrate` makes of the same cooling, without any cluster."""
    folder = tmp_path_factory.mktemp("undisturbed")
    arguments = (folder, TEMPERATURES, SWEEPS, SAMPLES, PARTICLES, None, "balanced", SEED, RECORD, lambda *_: None)
    return [netcdf.load(path) for path in cooling.cool(*arguments)]


def jobs_in(folder):
    stages = cooling.protocol(TEMPERATURES, SWEEPS)
    starts = cooling.beginnings(None, SAMPLES, PARTICLES, SEED)
    return cooling_jobs(folder, stages, starts, "balanced", SEED, RECORD)


def assert_all_there(folder, undisturbed):
    """Every sample once, nothing beside it, and each as it is without a cluster."""
    expected = {f"N80_T{t:.2f}_s7-{k}.nc" for t in TEMPERATURES for k in range(SAMPLES)}
    assert {path.name for path in folder.iterdir()} == expected
    for ds in undisturbed:
        for name in ds["configuration"].values:
            made = netcdf.load(folder / f"N80_T{ds.attrs['temperature']:.2f}_{name}.nc")
            xr.testing.assert_equal(made, ds.sel(configuration=[name]))


def run_while_workers_are_killed(jobs, cluster, folder):
    """Run jobs; two workers are killed, one after the other, while there is a checkpoint. Returns all progress."""
    killed = []

    def kill():
        for _ in range(2):
            while not list(folder.glob(".*checkpoint.nc")):
                time.sleep(0.005)
            victim = next(worker for worker in cluster.workers.values() if worker.pid not in killed)
            killed.append(victim.pid)
            os.kill(victim.pid, signal.SIGKILL)
            time.sleep(1)

    seen = []
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    run_jobs(jobs, None, cluster.scheduler_address, lambda *state: seen.append(state))
    killer.join(timeout=5)
    assert len(killed) == 2
    return seen


def test_a_killed_worker_loses_nothing_and_doubles_nothing(local, tmp_path, undisturbed):
    """Each in the middle of a sample that has a checkpoint."""
    seen = run_while_workers_are_killed(jobs_in(tmp_path), local, tmp_path)
    assert_all_there(tmp_path, undisturbed)
    assert seen[-1] == (4, 4)
    assert 0 < seen[0][0] < 1, "the bar moves within a sample"


@pytest.fixture(scope="module")
def finished(local, tmp_path_factory):
    """A campaign by the command, on a scheduler of one's own."""
    folder = tmp_path_factory.mktemp("finished")
    command = [*GLASSVIZ, "equilibrate", str(folder), *COOLING, "--scheduler", local.scheduler_address]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_a_scheduler_of_ones_own(finished, undisturbed):
    assert_all_there(finished, undisturbed)


def test_the_same_campaign_again_does_only_what_is_missing(local, finished, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in finished.iterdir()}
    with monkeypatch.context() as patched:
        patched.setattr(cluster, "connected", None)
        run_jobs(jobs_in(finished), None, None, lambda *_: None)
    assert {path: path.stat().st_mtime_ns for path in finished.iterdir()} == before
    (finished / "N80_T0.60_s7-1.nc").unlink()
    run_jobs(jobs_in(finished), None, local.scheduler_address, lambda *_: None)
    changed = {path.name for path in before if path.stat().st_mtime_ns != before[path]}
    assert changed == {"N80_T0.60_s7-1.nc"}


def test_the_command_goes_on_after_its_client_was_killed(tmp_path, undisturbed):
    command = [*GLASSVIZ, "equilibrate", str(tmp_path), *COOLING]
    process = subprocess.Popen([*command, "--workers", "2"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".*checkpoint.nc")) and time.monotonic() < deadline:
        time.sleep(0.01)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    gone, alive = psutil.wait_procs(family, timeout=20)
    assert not alive, "workers outlive their client"
    assert gone
    assert len(list(tmp_path.glob("N*.nc"))) < 4, "it was not killed in the middle"
    subprocess.run([*command, "--workers", "2"], check=True, capture_output=True)
    assert_all_there(tmp_path, undisturbed)


def begun(folder, *options):
    """A campaign of long samples by the command, in a group of its own, once it has a checkpoint."""
    command = [*GLASSVIZ, "equilibrate", str(folder), "--temperatures", "0.6", "--sweeps", "400000", "--samples", "4"]
    process = subprocess.Popen(
        [*command, "--size", "60", *options], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob(".*checkpoint.nc")):
        assert time.monotonic() < deadline, "it does not begin"
        time.sleep(0.01)
    return process


def test_ctrl_c_ends_a_campaign_in_one_sentence(tmp_path):
    """The terminal gives it to the workers too."""
    process = begun(tmp_path, "--workers", "2")
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert said.rstrip().endswith("glassviz: interrupted.")


def test_a_scheduler_that_goes_is_said_in_one_sentence(tmp_path):
    with connected(1, None) as client:
        process = begun(tmp_path, "--scheduler", client.cluster.scheduler_address)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "Traceback" not in said
    assert "the scheduler is gone; the same command goes on" in " ".join(said.split())


@pytest.mark.parametrize("address", ["tls://127.0.0.1:8786", "tcp://127.0.0.1:1", "nowhere"])
def test_a_scheduler_that_is_none_is_said_in_one_sentence(address, monkeypatch):
    monkeypatch.setattr(cluster, "TIMEOUT", 1)
    with pytest.raises(InvalidData, match="no Dask scheduler answers"), connected(None, address):
        pass


def test_a_scheduler_without_workers_is_waited_for(tmp_path):
    with LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as empty:
        threading.Timer(2, empty.scale, [1]).start()
        with pytest.warns(UserWarning, match="no workers yet; the campaign waits"):
            run_jobs([Job(tmp_path / "a.nc", make, ())], None, empty.scheduler_address, lambda *_: None)
    assert (tmp_path / "a.nc").exists()


def full(target, report):
    raise OSError(errno.ENOSPC, "No space left on device")


def clear(target, report):
    """What another run of the same job does meanwhile: it makes the file and clears up."""
    target.write_text("done")
    raise FileNotFoundError(errno.ENOENT, "No such file or directory")


def test_a_full_disk_stops_only_its_own_job(local, tmp_path):
    jobs = [
        Job(tmp_path / "full.nc", full, ()),
        Job(tmp_path / "two.nc", clear, ()),
        Job(tmp_path / "good.nc", make, ()),
    ]
    with pytest.raises(InvalidData, match=r"^full: No space left on device; the same command goes on"):
        run_jobs(jobs, None, local.scheduler_address, lambda *_: None)
    assert (tmp_path / "good.nc").exists()
    assert (tmp_path / "two.nc").exists()


def fail(target, report):
    raise InvalidData(f"{target.name}: it cannot be done.")


def make(target, report):
    target.write_text("done")


def test_a_job_that_fails_stops_only_those_that_wait_for_it(local, tmp_path):
    bad, after, good = (tmp_path / name for name in ("bad.nc", "after.nc", "good.nc"))
    jobs = [Job(bad, fail, ()), Job(after, make, (), after=bad), Job(good, make, ())]
    with pytest.raises(InvalidData, match=r"^bad\.nc: it cannot be done\.$"):
        run_jobs(jobs, None, local.scheduler_address, lambda *_: None)
    assert good.exists()
    assert not after.exists()


def meet(target, report):
    """Make a file and wait for the three others that are made at the same time."""
    target.write_text("here")
    deadline = time.monotonic() + 20
    while len(list(target.parent.iterdir())) < 4:
        assert time.monotonic() < deadline, "the others do not come"
        time.sleep(0.01)


def test_a_worker_does_several_jobs_together(tmp_path):
    jobs = [Job(tmp_path / f"{k}.nc", meet, ()) for k in range(4)]
    run_jobs(jobs, 1, None, lambda *_: None, together=4)
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.filterwarnings("error:Port")
def test_campaigns_run_side_by_side():
    with connected(1, None) as one, connected(1, None) as other:
        assert one.submit(sum, (1, 2)).result() == other.submit(sum, (2, 1)).result() == 3


def test_dynamics_makes_one_file_per_structure(local, tmp_path, undisturbed):
    ds = undisturbed[1]
    jobs = dynamics_jobs(
        ds, tmp_path, logarithmic_times(5, 3), 8, 16, {"s7-1": "test", "s7-0": "train"}, seed=30, record=RECORD
    )
    run_jobs(jobs, None, local.scheduler_address, lambda *_: None)
    files = sorted(tmp_path.glob("[!.]*"))
    assert [path.name for path in files] == ["T0.60_s7-0.nc", "T0.60_s7-1.nc"]
    train, test = map(netcdf.load, files)
    assert (train.attrs["role"], train.attrs["replicas"], train.attrs["dynamics_seed"]) == ("train", 8, 30)
    assert (test.attrs["role"], test.attrs["replicas"], test.attrs["dynamics_seed"]) == ("test", 16, 31)
    np.testing.assert_allclose(test["position"], ds["position"][1:], rtol=0, atol=4e-5)
    assert not {"energy_series", "energy", "inherent_energy"} & set(test)


def test_dynamics_whose_workers_are_killed_is_as_if_nothing_had_been(local, tmp_path, undisturbed):
    """Each in the middle of a structure that has a checkpoint, from which it goes on."""
    times, shares = logarithmic_times(500, 12), {"s7-1": "test", "s7-0": "train"}
    folders = tmp_path / "killed", tmp_path / "alone"
    for folder in folders:
        folder.mkdir()
    killed, alone = (dynamics_jobs(undisturbed[1], f, times, 8, 16, shares, 30, RECORD) for f in folders)
    seen = run_while_workers_are_killed(killed, local, folders[0])
    for job in alone:
        job.function(job.target, *job.arguments, lambda *_: None)
    assert seen[-1] == (2, 2)
    assert 0 < seen[0][0] < 1
    found = [sorted(folder.glob("[!.]*")) for folder in folders]
    assert [path.name for path in found[0]] == [path.name for path in found[1]] == ["T0.60_s7-0.nc", "T0.60_s7-1.nc"]
    for one, other in zip(*found, strict=True):
        xr.testing.assert_identical(netcdf.load(one), netcdf.load(other))


def test_finished_dynamics_are_extended_where_a_later_time_is_asked_for(local, tmp_path, undisturbed):
    def campaign(until):
        times, shares = logarithmic_times(until, 3), {"s7-1": "test", "s7-0": "train"}
        jobs = dynamics_jobs(undisturbed[1], tmp_path, times, 8, 8, shares, seed=30, record=RECORD)
        run_jobs(jobs, None, local.scheduler_address, lambda *_: None)
        return {path: path.read_bytes() for path in sorted(tmp_path.glob("[!.]*"))}

    short = campaign(3)
    longer = campaign(5)
    assert list(short) == list(longer)
    assert campaign(4) == campaign(5) == longer
    for path in longer:
        np.testing.assert_allclose(netcdf.load(path)["time"], [1, 2.15, 3, 4.64, 5])
    assert {netcdf.load(path).attrs["role"] for path in longer} == {"train", "test"}


def test_dynamics_takes_a_device(undisturbed, tmp_path):
    times = logarithmic_times(5, 3)
    (job,) = dynamics_jobs(undisturbed[1], tmp_path, times, 8, 8, {"s7-0": "train"}, 30, RECORD, "nowhere")
    with pytest.raises(InvalidData, match="no device 'nowhere'"):
        job.function(job.target, *job.arguments, lambda *_: None)


def test_the_command_runs_test_structures_first_and_keeps_their_roles(tmp_path, undisturbed, capfd):
    """Two temperatures in one folder, one structure at first and then all; killed in between, it goes on."""
    sources = [tmp_path / f"T{t}.nc" for t in TEMPERATURES]
    for source, ds in zip(sources, undisturbed, strict=True):
        netcdf.save(ds, source)
    out, options = tmp_path / "out", ["--until", "100", "--per-decade", "2", "--test-structures", "1"]
    options += ["--split-seed", "5", "--replicas", "8", "--test-replicas", "16", "--seed", "30", "--workers", "1"]

    def command(source, *more):
        return [*GLASSVIZ, "dynamics", str(source), str(out), *options, *more]

    def found():
        return {path.name: netcdf.load(path).attrs for path in sorted(out.glob("[!.]*"))}

    subprocess.run(command(sources[0], "--structures", "1"), check=True, capture_output=True)
    (first,) = found().values()
    assert (first["role"], first["replicas"]) == ("test", 16)
    process = subprocess.Popen(command(sources[0]), stderr=subprocess.DEVNULL)
    while len(list(out.glob(".*checkpoint.nc"))) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(found()) == 1
    for source in sources:
        subprocess.run(command(source), check=True, capture_output=True)
    roles = {}
    for name, attrs in found().items():
        assert attrs["replicas"] == {"test": 16, "train": 8}[attrs["role"]]
        assert attrs["dynamics_seed"] == 30 + int(name[-4])
        assert attrs["dynamics_split_seed"] == 5
        roles.setdefault(name.split("_")[1], set()).add(attrs["role"])
    assert sorted(roles) == ["s7-0.nc", "s7-1.nc"]
    assert sorted(map(sorted, roles.values())) == [["test"], ["train"]]
    assert len(found()) == 4
    with pytest.raises(SystemExit):
        app(["campaign", *command(sources[0])[4:], "--device", "nowhere"])
    assert "nowhere" in (said := capfd.readouterr().err)
    assert "cuda" in said


def test_gathered_samples_are_those_of_the_single_command(finished, tmp_path, undisturbed):
    gathered = gather([finished], tmp_path / "out", lambda *_: None)
    assert [path.name for path in gathered] == ["N80_T1.00.nc", "N80_T0.60.nc"]
    for path, ds in zip(gathered, undisturbed, strict=True):
        made = netcdf.load(path)
        assert "inherent_energy" not in made
        ds = ds.drop_vars(["inherent_energy", "start_digest"], errors="ignore")
        xr.testing.assert_allclose(made, ds, rtol=1e-4)  # the verdict is assessed anew from float32 series
        assert made.attrs["verdict"] == ds.attrs["verdict"]
        assert made["position"].dtype == np.float32
