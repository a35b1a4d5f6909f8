import subprocess
import sys

import numpy as np
import pytest

from glassviz import mixture
from glassviz.structure import cache
from glassviz.structure.descriptors import descriptors

pytestmark = pytest.mark.filterwarnings("ignore::glassviz.mixture.MixtureWarning")


@pytest.fixture
def dataset():
    rng = np.random.default_rng(0)
    position = rng.random((2, 60, 2)) * 7
    return mixture.configurations(position, rng.integers(0, 3, (2, 60)), 7.0, inherent_position=position)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GLASSVIZ_CACHE", str(tmp_path))
    return tmp_path / "descriptors"


@pytest.fixture
def computed(monkeypatch):
    """How often descriptors were computed rather than read."""
    calls = []
    original = cache.describe_one
    monkeypatch.setattr(cache, "describe_one", lambda *arguments: calls.append(1) or original(*arguments))
    return calls


def test_the_second_call_reads_what_the_first_computed(dataset, folder, computed):
    expected = descriptors(dataset)
    for _ in range(2):
        assert cache.cached_descriptors(dataset).identical(expected)
    assert len(computed) == 2
    assert len(list(folder.iterdir())) == 2, "one file per configuration and nothing else"
    assert cache.cached_descriptors(dataset.isel(configuration=[1])).identical(expected.isel(configuration=[1]))
    assert len(computed) == 2


def test_all_that_matters_is_in_the_key(dataset, folder, computed):
    one = dataset.isel(configuration=[0])
    wider = one.assign_attrs(box_length=7.1)
    other_species = one.assign(species=2 - one["species"])
    moved = one.assign(inherent_position=one["inherent_position"] * 0.999)
    energetic = one.assign(inherent_energy=one["species"] * 1.0)
    for variant in (one, wider, other_species, moved, energetic):
        assert cache.cached_descriptors(variant).identical(descriptors(variant))
    for arguments in ({"cutoff": 3.0}, {"tessellation": "plain"}, {"species": 1}):
        assert cache.cached_descriptors(one, **arguments).identical(descriptors(one, **arguments))
    assert len(computed) == 8


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path):
    path.write_bytes(b"")


def scramble(path):
    path.write_bytes(b"not an array" * 50)


def pickle_it(path):
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def reshape(path):
    np.save(path, np.zeros((59, 4, 11, 4), np.float32))


@pytest.mark.parametrize("damage", [truncate, empty, scramble, pickle_it, reshape])
def test_a_damaged_file_is_computed_anew(dataset, folder, computed, damage):
    one = dataset.isel(configuration=[0])
    cache.cached_descriptors(one)
    (path,) = folder.iterdir()
    damage(path)
    for _ in range(2):
        assert cache.cached_descriptors(one).identical(descriptors(one))
    assert len(computed) == 2, "once before the damage, once after"


def test_an_unwritable_folder_only_costs_time(dataset, tmp_path, monkeypatch, computed):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GLASSVIZ_CACHE", str(tmp_path / "file"))
    assert cache.cached_descriptors(dataset).identical(descriptors(dataset))
    assert len(computed) == 2


def test_a_full_disk_leaves_nothing_behind(dataset, folder, monkeypatch):
    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(cache.np, "save", full)
    assert cache.cached_descriptors(dataset).identical(descriptors(dataset))
    assert list(folder.iterdir()) == []


def test_ctrl_c_leaves_nothing_behind(dataset, folder, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cache.np, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cache.cached_descriptors(dataset)
    assert list(folder.iterdir()) == []


def test_the_least_recently_used_make_room(dataset, folder, monkeypatch, computed):
    size = 60 * 176 * 4
    monkeypatch.setattr(cache, "LARGEST", 2.5 * size)
    first, second = dataset.isel(configuration=[0]), dataset.isel(configuration=[1])
    cache.cached_descriptors(first)
    cache.cached_descriptors(second)
    for age, path in enumerate(sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)):
        cache.os.utime(path, (1e9 - age, 1e9 - age))
    cache.cached_descriptors(first)  # now the more recently used
    cache.cached_descriptors(first, cutoff=2.0)
    assert len(list(folder.iterdir())) == 2
    assert len(computed) == 3
    cache.cached_descriptors(first)
    assert len(computed) == 3
    cache.cached_descriptors(second)
    assert len(computed) == 4


def test_progress(dataset, folder):
    seen = []
    cache.cached_descriptors(dataset, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.slow
def test_several_processes_at_once(folder):
    script = """
import warnings; warnings.simplefilter("ignore")
import numpy as np
from glassviz import mixture
from glassviz.structure.cache import cached_descriptors
for round in range(20):
    position = np.random.default_rng(round).random((60, 2)) * 7
    dataset = mixture.configurations(position, np.arange(60) % 3, 7.0, inherent_position=position)
    print(repr(float(cached_descriptors(dataset).astype(float).sum())))
"""
    running = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) for _ in range(3)]
    printed = {process.communicate(timeout=120)[0] for process in running}
    assert all(process.returncode == 0 for process in running)
    assert len(printed) == 1
    assert printed.pop().count(b"\n") == 20
    assert len(list(folder.iterdir())) == 20
