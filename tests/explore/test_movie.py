import time
from itertools import pairwise

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from glassviz.explore import derive, movie
from glassviz.explore.colors import CIVIDIS
from glassviz.explore.movie import Cancelled, render_movie
from glassviz.explore.picture import Stage
from glassviz.explore.state import ExplorerState
from glassviz.mixture import InvalidData


@pytest.fixture(scope="module")
def small(library):
    """Temperature and label of a small sample."""
    for temperature in sorted(library.temperatures):
        for sample in library.samples(temperature):
            if sample.particles < derive.LARGE:
                return {"temperature": temperature, "sample": sample.label, "library": library}
    pytest.fail("the store holds no small sample")


def decoded(path):
    reader = imageio_ffmpeg.read_frames(str(path), pix_fmt="rgb24")
    about = next(reader)
    width, height = about["size"]
    return about, np.stack([np.frombuffer(f, np.uint8).reshape(height, width, 3) for f in reader])


def test_a_time_sweep_plays_and_changes(small, tmp_path):
    seen = []
    path = render_movie(
        tmp_path / "time.mp4", size=361, frames=12, fps=10, progress=lambda k, n: seen.append((k, n)), **small
    )
    about, frames = decoded(path)
    assert about["codec"] == "h264"
    assert "yuv420p" in about["pix_fmt"]
    assert about["fps"] == 10
    assert len(frames) == 12
    assert about["size"][0] == 360
    assert about["size"][1] % 2 == 0
    assert seen == [(k, 12) for k in range(1, 13)]
    picture = frames[:, -360:].astype(int)
    # Early everything is arrested and blue; late it is red.
    assert picture[0, ..., 2].mean() > picture[0, ..., 0].mean()
    assert picture[-1, ..., 0].mean() > picture[-1, ..., 2].mean()
    assert (frames[0, :30] < 128).any(), "nothing is written above the picture"


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "h264"), (".webm", "vp9")])
@pytest.mark.parametrize(("shape", "size"), [("wide", (640, 360)), ("square", (360, 360))])
def test_every_form_has_even_sides(small, tmp_path, suffix, codec, shape, size):
    path = render_movie(tmp_path / f"x{suffix}", size=361, shape=shape, frames=3, **small)
    about, frames = decoded(path)
    assert about["codec"] == codec
    assert about["size"] == size
    assert len(frames) == 3
    assert np.abs(frames[0].astype(int) - frames[-1].astype(int)).max() > 50


def test_the_other_colours_are_used(small, tmp_path):
    path = render_movie(tmp_path / "x.mp4", size=240, shape="square", colors=CIVIDIS, frames=3, **small)
    late = decoded(path)[1][-1].reshape(-1, 3).astype(int)
    yellow = (late[:, 0] > 170) & (late[:, 1] > 150) & (late[:, 2] < 140)
    assert yellow.mean() > 0.2


@pytest.mark.slow
def test_a_hundred_frames_at_1080_lines_are_there_within_half_a_minute(small, tmp_path):
    started = time.perf_counter()
    path = render_movie(tmp_path / "x.mp4", size=1080, shape="wide", frames=100, **small)
    spent = time.perf_counter() - started
    assert decoded(path)[0]["size"] == (1920, 1080)
    assert spent < 30


def test_a_temperature_sweep_shows_every_temperature(small, tmp_path, library):
    count = 2 * len(library.temperatures)
    path = render_movie(
        tmp_path / "temperature.gif", sweep="temperature", mean_propensity=0.7, size=240, frames=count, fps=5, **small
    )
    with Image.open(path) as played:
        shown = []
        for k in range(played.n_frames):
            played.seek(k)
            shown.append(np.asarray(played.convert("RGB")).astype(int))
        assert played.size[0] == 240
    changes = [np.abs(a - b).mean() > 3 for a, b in pairwise(shown)]
    assert sum(changes) >= len(library.temperatures) - 1


def test_a_temperature_sweep_goes_on_as_the_page_does(small, tmp_path, library, monkeypatch):
    """With the chosen sample where it is, else with the one that the page opens."""
    seen = []
    monkeypatch.setattr(movie, "Stage", lambda _library, sample, **_: seen.append(sample))
    monkeypatch.setattr(movie, "_images", lambda stage, states, _progress: [stage(sample) for sample, _ in states])
    monkeypatch.setattr(movie, "_write", lambda path, *_: path.touch())
    request = {**small, "sweep": "temperature", "frames": len(library.offered)}
    state = ExplorerState(library, temperature=small["temperature"])
    preferred = library.samples(small["temperature"])[-1]
    state.sample = request["sample"] = preferred.label
    assert state.preferred == preferred
    render_movie(tmp_path / "x.mp4", **request)
    shown = []
    for temperature in library.offered:
        state.temperature = temperature
        shown.append(state.chosen_sample)
    assert seen == [one for one in shown if one.particles == preferred.particles]
    seen.clear()
    opening = [library.opening_sample(t) for t in library.offered]
    render_movie(tmp_path / "x.mp4", samples=opening, **request)
    assert seen == [one for one in opening if one.particles == preferred.particles]


@pytest.mark.parametrize("fps", [15, 30, 50])
def test_a_gif_lasts_as_long_as_its_rate_says(small, tmp_path, fps):
    path = render_movie(tmp_path / "x.gif", size=240, frames=31, fps=fps, **small)
    with Image.open(path) as played:
        durations = []
        for k in range(played.n_frames):
            played.seek(k)
            durations.append(played.info["duration"])
    assert sum(durations) == pytest.approx(31_000 / fps, abs=6)


@pytest.mark.parametrize("shape", ["tall", "wide"])
def test_a_picture_says_where_the_colours_are_weak(small, shape):
    library = small["library"]
    sample = next(s for s in library.samples(small["temperature"]) if s.label == small["sample"])
    stage = Stage(library, sample, library.networks[0], 240, shape)
    reached = np.ones(len(derive.LEVELS), bool)
    reached[3] = False
    level = (derive.LEVELS[2] + derive.LEVELS[3]) / 2
    pictures = {}
    for name, known, trained in (
        ("sound", reached | True, ""),
        ("missed", reached, ""),
        ("cold", reached, "T = 1 to 2"),
    ):
        stage.frames, stage._trained = derive.Frames(stage.frames.codes, known), trained
        pictures[name] = stage.image(level).astype(int)
    changed = {name: (picture != pictures["sound"]).any(axis=-1) for name, picture in pictures.items()}
    assert 0 < changed["missed"].sum() < changed["cold"].sum()
    assert not changed["cold"][-240:, :240].any(), "the particles changed"


def test_levels_between_which_one_is_missed():
    levels = derive.LEVELS
    reached = np.ones(len(levels), bool)
    reached[[3, -1]] = False
    frames = derive.Frames(np.zeros((len(levels), 1), np.uint8), reached)
    missed = {
        k / 2: frames.missed(np.interp(k / 2, np.arange(len(levels)), levels)) for k in range(2 * len(levels) - 1)
    }
    assert {at for at, miss in missed.items() if miss} == {2.5, 3, 3.5, len(levels) - 1.5, len(levels) - 1}


def test_giving_up_leaves_nothing_behind(small, tmp_path):
    def progress(done, frames):
        if done == 3:
            assert list(tmp_path.iterdir())
            raise Cancelled

    with pytest.raises(Cancelled):
        render_movie(tmp_path / "x.mp4", size=240, frames=50, progress=progress, **small)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"path": "x.avi"}, "x.avi"),
        ({"sweep": "space"}, "sweep"),
        ({"temperature": 3.0}, "no configurations at T = 3"),
        ({"sample": "N = 3"}, "N = 3"),
        ({"network": "nobody"}, "nobody"),
        ({"size": 10}, "size 10"),
        ({"path": "x.gif", "fps": 60}, "60 fps; expected at most 50 of a GIF"),
        ({"shape": "round"}, "round"),
        ({"colors": "jet"}, "jet"),
        ({"sweep": "temperature", "mean_propensity": 2.0}, "mean propensity"),
    ],
)
def test_a_wrong_request_ends_in_one_sentence(small, tmp_path, wrong, sentence):
    request = {**small, "path": "x.mp4", **wrong}
    with pytest.raises(InvalidData, match=sentence) as caught:
        render_movie(tmp_path / request.pop("path"), **request)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
