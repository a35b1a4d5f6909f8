"""A file that a user brings is shown to that user alone, or refused in one sentence; the page goes on."""

import io
import pickle
import re
import shutil
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest

from glassviz import files
from glassviz.explore.intake import LARGEST, safe_name
from glassviz.files.store import precomputed

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]

OPENING = 0.23  # temperature at which the page opens
DROPPED = """
([name, content]) => { const transfer = new DataTransfer()
  transfer.items.add(new File([new Uint8Array(content)], name)); return transfer }
"""


@pytest.fixture(scope="module")
def shipped(library):
    """A small configuration of the store, without its inherent structure."""
    ds = library.configurations(OPENING, library.sizes(OPENING)[-1]).isel(configuration=[0])
    return ds[["position", "species"]]


@pytest.fixture(scope="module")
def sound(shipped, tmp_path_factory):
    """The configuration as extended XYZ."""
    path = tmp_path_factory.mktemp("sound") / "mine.extxyz"
    files.write(shipped, path)
    return path


@contextmanager
def dialog(app):
    """The dialog, opened."""
    app.page.get_by_role("button", name="Bring your own").click()
    app.page.get_by_role("dialog").wait_for()
    yield app.page.get_by_role("dialog")


def told(app):
    """What the dialog says of the file."""
    return app.page.get_by_role("status").filter(visible=True)


def bring(app, *paths):
    """Choose a file."""
    with dialog(app):
        app.page.locator("input[type=file]").set_input_files(*paths)


def drop(app, name, content):
    """Drop a file of these bytes on the open dialog.

    In one event, while `set_input_files` takes two steps, and the widget empties its input 2 s after every file.
    """
    file = app.page.evaluate_handle(DROPPED, [name, list(content)])
    app.page.locator("label", has_text="drop it here").dispatch_event("drop", {"dataTransfer": file})


def options(app, label):
    """What a select offers."""
    app.page.get_by_label(label, exact=True).click()
    app.page.locator(".MuiMenuItem-root").first.wait_for()
    offered = app.page.locator(".MuiMenuItem-root").all_inner_texts()
    app.page.keyboard.press("Escape")
    app.page.locator(".MuiMenuItem-root").first.wait_for(state="hidden")
    return offered


def chosen(app, label):
    return app.page.get_by_label(label, exact=True).filter(visible=True)


def test_a_dropped_configuration_is_shown_to_its_page_alone(open_app, sound):
    app, other = open_app(), open_app()
    with dialog(app):
        drop(app, sound.name, sound.read_bytes())
    chosen(app, "Sample").get_by_text("mine (yours)").wait_for()
    app.page.get_by_text("your own; equilibration not assessed").wait_for()
    app.page.get_by_role("dialog").wait_for(state="hidden")
    app.wait_for("glass.frames().data.codes.length > 0")
    app.drag("Mean propensity", 0.2, 0.9)
    app.wait_for("glass.scrub().answered === glass.scrub().level")
    assert any("mine (yours)" in offered for offered in options(app, "Sample"))
    assert not any("yours" in offered for offered in options(other, "Sample"))


def test_several_frames_and_a_temperature_that_the_file_does_not_say(open_app, sound, tmp_path):
    frame = re.sub(r"temperature=\S+ ?", "", sound.read_text())
    path = tmp_path / "frames.xyz"
    path.write_text(2 * frame)
    app = open_app()
    bring(app, path)
    told(app).get_by_text("frames.xyz does not say its temperature.").wait_for()
    app.page.get_by_role("textbox", name="Temperature T (ε/k_B)").fill(str(OPENING))
    app.page.keyboard.press("Tab")
    app.page.get_by_role("button", name="Show").click()
    chosen(app, "Sample").get_by_text("frames 1 (yours)").wait_for()
    assert sum("frames" in offered for offered in options(app, "Sample")) == 2


def test_brought_networks_predict_in_their_page_alone(open_app, tmp_path):
    path = tmp_path / "mine.safetensors"
    shutil.copy(precomputed("networks") / "ridge.safetensors", path)
    app, other = open_app(), open_app()
    titles = app.page.locator(".head .title").filter(visible=True)
    app.page.get_by_role("tab", name="Compare").click()
    titles.get_by_text("Molecular dynamics", exact=True).wait_for()
    bring(app, path)
    chosen(app, "Networks").get_by_text("mine (yours)").wait_for()
    app.page.get_by_role("dialog").wait_for(state="hidden")
    app.wait_for("glass.frames().data.codes.length > 0")
    titles.get_by_text("mine (yours)", exact=True).wait_for()
    assert titles.all_inner_texts().index("mine (yours)") == 1  # a panel of its own, beside the first
    assert "mine (yours)" in options(app, "Networks")
    assert "mine (yours)" not in options(other, "Networks")


def bad_files(sound):
    """Names and contents of what must be refused, and words of the sentence that says so."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("data", "x" * 100)
    objects = io.BytesIO()
    np.savez(objects, positions=np.array([{"a": 1}], dtype=object))
    pickled, html = pickle.dumps({"positions": [1, 2]}), b"<!DOCTYPE html><html><body>Not found</body></html>"
    text = sound.read_text()
    first = text.splitlines()[2].split()[1]
    return {
        "objects.npz": (objects.getvalue(), "expected"),
        "pickle.npz": (pickled, "pickle"),
        "pickle.safetensors": (pickled, "expected"),
        "model.pkl": (pickled, "pickle"),
        "archive.gsd": (archive.getvalue(), "zip"),
        "page.extxyz": (html, "web page"),
        "page.nc": (html, "web page"),
        "nan.extxyz": (text.replace(first, "nan", 1).encode(), "finite"),
        "empty.gsd": (b"", "empty"),
        "<img src=x onerror=alert(1)>.gsd": (b"GSD?", "expected"),
    }


def test_what_cannot_be_read_is_refused_in_one_sentence(open_app, sound):
    app = open_app()
    with dialog(app) as opened:
        for name, (content, words) in bad_files(sound).items():
            drop(app, name, content)
            told(app).get_by_text(re.compile(f"{re.escape(safe_name(name)) if content else ''}.*{words}")).wait_for()
            said = told(app).inner_text()
            assert said.count("\n") == 0, said
            assert said.endswith("."), said
            assert len(said) < 250, said
            assert "Error" not in said, said
            opened.get_by_role("progressbar").filter(visible=True).wait_for(state="hidden")
    app.page.keyboard.press("Escape")
    app.page.get_by_role("dialog").wait_for(state="hidden")
    assert app.page.locator("img[src=x]").count() == 0
    assert not any("yours" in offered for offered in options(app, "Sample"))
    bring(app, sound)
    chosen(app, "Sample").get_by_text("mine (yours)").wait_for()


def test_a_file_gives_way_to_one_that_follows_it(open_app, sound):
    app = open_app()
    with dialog(app):
        drop(app, "wrong.extxyz", sound.read_bytes().replace(b"Lattice", b"Lettuce"))
        drop(app, sound.name, sound.read_bytes())
    chosen(app, "Sample").get_by_text("mine (yours)").wait_for()
    assert told(app).get_by_text("wrong").count() == 0


def test_a_file_that_is_too_long_never_leaves_the_browser(open_app, tmp_path):
    path = tmp_path / "long.gsd"
    path.write_bytes(bytes(LARGEST + 1))
    app = open_app()
    bring(app, path)
    told(app).get_by_text(f"expected at most {LARGEST // 2**20} MiB").wait_for()
    complaint = app.problems.pop()  # the browser's own, in its console
    assert "exceeds maximum file size" in complaint
