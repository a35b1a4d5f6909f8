"""Bring your own: a configuration or networks from the user's computer, for this session alone."""

import asyncio
import html
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import panel as pn
import panel_material_ui as pmui

from glassviz.explore.intake import LARGEST, safe_name, take
from glassviz.explore.own import COLDEST, HOTTEST
from glassviz.explore.reading import MOST_CONFIGURATIONS, MOST_PARTICLES
from glassviz.explore.views.base import on_session, told
from glassviz.explore.views.dialog import dialog
from glassviz.explore.views.share import BUTTON
from glassviz.learn.inference import Ensemble
from glassviz.mixture import MAX_PARTICLES, InvalidData

log = logging.getLogger(__name__)

CHUNK = 4 * 2**20  # bytes of one message of an upload
READERS = ThreadPoolExecutor(32, "reader")  # in which files wait for their turn; views are derived in asyncio's
FORMATS = ".gsd, .xyz, .extxyz, LAMMPS dump, GlassBench .npz, .nc; networks as .safetensors"
ABOUT = f"""<p>A configuration of the mixture, of one frame or of several, or networks of glassviz: {FORMATS}. At most
{LARGEST // 2**20} MiB, {MOST_CONFIGURATIONS} frames, {MAX_PARTICLES} particles in each and {MOST_PARTICLES} in all; the
box square, periodic and in the plane.</p>
<p>Only this page sees it, and only until it is closed; of what is derived from it numbers without names may stay in
the server's cache. Inherent structures are computed where the file has none: less
than a second for 1290 particles, some minutes for 80 000. A sample is predicted together with those of its temperature
and size that are here already.</p>"""
CHOOSE = "Choose a file, or drop it here"
HELP = {
    "file": "Choose a file from your computer, or drop it here.",
    "temperature": "The file does not say at which temperature its configurations were equilibrated: please do.",
    "show": "Show: predicts these configurations.",
    "cancel": "Cancel: stops reading the file.",
}
FOCUSED = {"&:focus-within": {"outline": "3px solid", "outlineOffset": "2px"}}
STYLE = """
:host { color: var(--panel-on-surface-color); font-size: calc(14px * var(--type, 1)); line-height: 1.5; margin: 0; }
p { margin: 0 0 8px; }
.wrong { color: color-mix(in srgb, #d32f2f 75%, var(--panel-on-surface-color)); overflow-wrap: anywhere; }
.weak { color: color-mix(in srgb, #d97706 78%, var(--panel-on-surface-color)); overflow-wrap: anywhere; }
"""


class _Gone(Exception):
    """Nobody waits for the file any more."""


class Bring:
    """A dialog that takes a file, has it read apart from the server, and shows what is in it.

    Parameters
    ----------
    state : ExplorerState
        Over an `OwnLibrary`; it gets another, with what was read.
    """

    def __init__(self, state):
        self._state = state
        self._busy = self._stopped = False
        self._received = self._uploads = 0
        self._next = self._waiting = None
        text = {"stylesheets": [STYLE], "sizing_mode": "stretch_width", "margin": 0}
        self.file = pmui.FileInput(
            label=CHOOSE,
            max_file_size=LARGEST,
            chunk_size=CHUNK,
            sizing_mode="stretch_width",
            margin=0,
            height=72,
            variant="outlined",
            uploaded_label=CHOOSE,
            description=HELP["file"],
            sx=FOCUSED,
        )
        self._receive, self.file._handle_msg = self.file._handle_msg, self._hear
        self.file.param.watch(self._take, "value")
        self.told = pn.pane.HTML("", **text)
        self.bar = pmui.LinearProgress(variant="indeterminate", sizing_mode="stretch_width", visible=False)
        self.cancel = pmui.Button(
            label="Cancel",
            description=HELP["cancel"],
            variant="text",
            margin=0,
            visible=False,
            on_click=self._cancel,
        )
        self.temperature = pmui.FloatInput(
            label="Temperature T (ε/k_B) of these configurations",
            start=COLDEST,
            end=HOTTEST,
            step=0.01,
            description=HELP["temperature"],
            size="small",
            margin=0,
        )
        self.show = pmui.Button(
            label="Show",
            icon="visibility",
            description=HELP["show"],
            color="primary",
            margin=0,
            on_click=self._show,
        )
        self._question = pn.Row(self.temperature, self.show, visible=False, styles={"gap": "10px"}, margin=0)
        self.dialog = dialog(
            pn.Column(
                pn.pane.HTML(ABOUT, **text),
                self.file,
                self.told,
                self._question,
                self.bar,
                self.cancel,
                sizing_mode="stretch_width",
                styles={"gap": "12px", "padding": "8px 0"},
            ),
            "Bring your own",
            "sm",
        )
        self.button = pmui.Button(
            label="Bring your own",
            icon="upload_file",
            description="Bring your own: a configuration or networks from a file, for this page alone.",
            on_click=self._open,
            **BUTTON,
        )

    def _open(self, _event):
        self.dialog.open = True

    def _cancel(self, _event):
        self._stopped, self._next = True, None

    def _hear(self, message):
        """The browser sends a part of a file, or says that it was the last one, or that the file is too long.

        Files that follow each other closely come together; the last to be complete is the one that counts.
        """
        if message["status"] == "upload_event":
            self._received += len(message["data"])
            if self._received <= LARGEST:
                self._receive(message)
            return
        if message["status"] == "initializing":
            self._uploads += 1
            return
        finished = message["status"] == "finished"
        self._uploads = max(self._uploads - 1, 0) if finished else 0
        if self._uploads:
            return
        received, self._received = self._received, 0
        if not finished or received > LARGEST:
            self._tell(f"The file is too long; expected at most {LARGEST // 2**20} MiB.", "wrong")
            self.file._buffer.clear()
        elif not received:
            self._tell("The file is empty; expected configurations or networks.", "wrong")
        self.file._file_buffer.clear()  # what never became whole
        if finished:
            del self.file._buffer[:-1]
            self._receive(message)

    def _take(self, event):
        """A file has arrived; one that is still being read gives way to it."""
        if event.new is None:
            return
        self._next = event.new, safe_name(self.file.filename)
        self.file.clear()
        if self._busy:
            self._stopped = True
        else:
            self._begin()

    def _begin(self):
        (content, name), self._next = self._next, None
        self._busy, self._stopped = True, False
        self.bar.visible = self.cancel.visible = True
        self._question.visible = False
        self._tell("Reading")
        asyncio.ensure_future(self._read(content, name, pn.state.curdoc))  # noqa: RUF006, held by the loop until done

    async def _read(self, content, name, document):
        loop = asyncio.get_running_loop()

        def progress(phrase):
            if self._stopped or not told(document, loop, partial(self._tell, f"{phrase} …")):
                raise _Gone

        try:
            found, warnings = await loop.run_in_executor(READERS, take, content, name, progress)
            finish = partial(self._found, found, name, warnings)
        except InvalidData as error:
            finish = partial(self._tell, str(error), "wrong")
        except _Gone:
            finish = partial(self._tell, "Cancelled.")
        except Exception as error:  # a full disk, say: the page must not wait for ever
            log.exception("a file that was brought could not be read")
            finish = partial(self._tell, f"{name} could not be read: {error}.", "wrong")
        await on_session(document, partial(self._finish, finish))

    def _finish(self, finish):
        self._busy = False
        if self._next is not None:
            self._begin()
            return
        self.bar.visible = self.cancel.visible = False
        finish()

    def _found(self, found, name, warnings):
        self._waiting = found, name, warnings
        if not isinstance(found, Ensemble) and np.isnan(found.attrs["temperature"]):
            self._tell(f"{name} does not say its temperature.")
            self.temperature.value = self._state.temperature
            self._question.visible = True
        else:
            self._show()

    def _show(self, _event=None):
        """Take in what was read and go there."""
        if self._waiting is None:
            return  # pressed twice
        found, name, warnings = self._waiting
        library = self._state.library
        try:
            if isinstance(found, Ensemble):
                library, network = library.with_ensemble(found, Path(name).stem)
                self._state.show(library, network=network)
            else:
                stated = found.attrs["temperature"]
                asked = self.temperature.value if np.isnan(stated) else stated
                if asked is None:
                    raise InvalidData(f"{name}: there is no temperature yet; expected a number, in ε/k_B.")
                library, sample = library.with_configurations(found, asked, Path(name).stem, warnings)
                self._state.show(library, sample=sample)
        except InvalidData as error:
            self._tell(str(error), "wrong")
            return
        self._waiting, self._question.visible = None, False
        self._tell(" ".join([f"{name} is shown.", *warnings]), "weak" if warnings else "")
        self.dialog.open = bool(warnings)

    def _tell(self, sentence, kind=""):
        self.told.object = f'<p class="{kind}" role="status">{html.escape(sentence)}</p>'
