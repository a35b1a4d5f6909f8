"""What an installation does in advance, on a store of a few small samples."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from glassviz.explore import derive, heterogeneity
from glassviz.explore.library import Library
from glassviz.explore.state import ExplorerState
from glassviz.files import netcdf, store

WARM = [sys.executable, "-m", "glassviz.cli", "warm"]
SAMPLES = 2


@pytest.fixture
def small_store(tmp_path, monkeypatch):
    """Two small samples and one labelled structure, all networks, and an empty cache."""
    monkeypatch.delenv("GLASSVIZ_DATA", raising=False)
    configurations = [row for row in store.available_configurations() if row.particles < derive.LARGE]
    propensities = [row for row in store.available_propensities() if row.particles < derive.LARGE]
    if not (configurations and propensities):
        pytest.fail("the store holds no small samples with propensities")
    root = tmp_path / "store"
    for kind, rows, samples in (("configurations", configurations, SAMPLES), ("propensities", propensities, 1)):
        (root / kind).mkdir(parents=True)
        ds = netcdf.load(rows[0].path).isel(configuration=slice(samples))
        netcdf.save(ds, root / kind / rows[0].path.name)
    (root / "networks").symlink_to(store.precomputed("networks"))
    monkeypatch.setenv("GLASSVIZ_DATA", str(root))
    monkeypatch.setenv("GLASSVIZ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.slow
def test_what_the_page_shows_first_is_there_after_warm(small_store, monkeypatch):
    done = subprocess.run(WARM, capture_output=True, text=True, timeout=500, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    kept = Counter(path.parent.name for path in small_store.rglob("*") if path.is_file())
    assert kept["descriptors"] == SAMPLES  # one cutoff and tessellation for all networks
    state = ExplorerState(Library())
    choice = state.choice()
    for module, name in ((derive, "encode"), (derive, "length_distribution"), (heterogeneity, "chi4")):
        monkeypatch.delattr(module, name)  # nothing is derived again
    assert derive.frames(state.library, choice.sample, choice.network).reached.any()
    assert derive.attention(state.library, choice)[1] > 0
    assert heterogeneity.fluctuations(state.library, choice.temperature, choice.network).attrs["structures"] == SAMPLES
