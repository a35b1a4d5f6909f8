"""Export a movie of the snapshot: what, in which form, how far it is, and the file."""

import asyncio
import tempfile
from functools import partial
from pathlib import Path

import panel as pn
import panel_material_ui as pmui

from glassviz.explore.movie import Cancelled, render_movie
from glassviz.explore.views.base import View, on_session
from glassviz.mixture import InvalidData

NOTE = ":host { font-size: 13px; color: var(--panel-on-surface-color); margin: 0; }"


class Export(View):
    """A dialog that renders the movie of the present choice in the background and offers it for download."""

    def _build(self):
        full = {"sizing_mode": "stretch_width", "margin": 0, "size": "small"}
        self.sweep = pmui.RadioButtonGroup(
            options={"Time sweep": "time", "Temperature sweep": "temperature"},
            value="time",
            sizing_mode="stretch_width",
            margin=0,
        )
        self.format = pmui.Select(label="Format", options={"MP4 (H.264)": ".mp4", "GIF": ".gif"}, value=".mp4", **full)
        self.size = pmui.Select(label="Width in pixels", options=[480, 720, 1080, 1440], value=720, **full)
        self.frames = pmui.Select(label="Frames", options=[25, 50, 100, 200], value=100, **full)
        self.fps = pmui.Select(label="Frames per second", options=[10, 15, 25, 30], value=25, **full)
        self.start = pmui.Button(label="Make movie", icon="movie", color="primary", margin=0, on_click=self._start)
        self.cancel = pmui.Button(label="Cancel", variant="text", margin=0, visible=False, on_click=self._cancel)
        self.bar = pmui.LinearProgress(value=0, variant="determinate", sizing_mode="stretch_width", visible=False)
        self.note = pn.pane.HTML("", stylesheets=[NOTE], sizing_mode="stretch_width")
        self.download = pmui.FileDownload(
            callback=self._file, filename="glassviz.mp4", label="Download", color="success", visible=False, margin=0
        )
        self._movie = None
        self._stopped = False
        self.dialog = pmui.Dialog(
            pn.Column(
                self.sweep,
                pn.Row(self.format, self.size, sizing_mode="stretch_width", styles={"gap": "10px"}),
                pn.Row(self.frames, self.fps, sizing_mode="stretch_width", styles={"gap": "10px"}),
                self.note,
                self.bar,
                pn.Row(self.start, self.cancel, self.download, styles={"gap": "10px", "flex-wrap": "wrap"}),
                sizing_mode="stretch_width",
                styles={"gap": "14px", "padding-top": "8px"},
            ),
            title="Export movie",
            show_close_button=True,
            close_on_click=True,
            width_option="xs",
        )
        self.button = pmui.Button(
            label="Export movie", icon="movie", variant="outlined", color="light", margin=(0, 8), on_click=self._open
        )
        return self.button

    def _open(self, _event):
        self.dialog.open = True

    def _cancel(self, _event):
        self._stopped = True

    def _start(self, _event):
        if self.busy:
            return
        choice = self.state.choice()
        folder = tempfile.TemporaryDirectory(prefix="glassviz")
        name = f"glassviz_{self.sweep.value}_T{choice.temperature:.2f}_N{choice.sample.particles}{self.format.value}"
        request = {
            "sweep": self.sweep.value,
            "temperature": choice.temperature,
            "mean_propensity": choice.mean_propensity,
            "sample": choice.sample.label,
            "network": choice.network,
            "size": self.size.value,
            "frames": self.frames.value,
            "fps": self.fps.value,
            "library": self.state.library,
        }
        self.busy, self._stopped = True, False
        self.download.visible, self.start.disabled = False, True
        self.bar.visible = self.cancel.visible = True
        self._tell("Preparing …", 0)
        asyncio.ensure_future(self._render(folder, name, request, pn.state.curdoc))  # noqa: RUF006, held by the loop

    async def _render(self, folder, name, request, document):
        loop = asyncio.get_running_loop()

        def progress(done, frames):
            text = f"Frame {done} of {frames}"
            asyncio.run_coroutine_threadsafe(
                on_session(document, partial(self._tell, text, 100 * done / frames)), loop
            ).result()

        try:
            path = Path(folder.name) / name
            await asyncio.to_thread(render_movie, path, progress=progress, cancelled=lambda: self._stopped, **request)
            finish = partial(self._ready, folder, path)
        except Cancelled:
            finish = partial(self._tell, "Cancelled.", 0)
        except InvalidData as error:
            finish = partial(self._tell, str(error), 0)
        await on_session(document, partial(self._finish, finish))

    def _tell(self, text, percent):
        self.note.object = text
        self.bar.value = int(percent)

    def _finish(self, finish):
        finish()
        self.busy = False
        self.start.disabled = False
        self.bar.visible = self.cancel.visible = False

    def _ready(self, folder, path):
        if self._movie is not None:
            self._movie[0].cleanup()
        self._movie = folder, path
        self._tell(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB", 100)
        self.download.filename = path.name
        self.download.visible = True

    def _file(self):
        return str(self._movie[1])
