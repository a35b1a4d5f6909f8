"""Export: what to take away, how far it is, and the file."""

import asyncio
import html
import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import panel as pn
import panel_material_ui as pmui
from bokeh.core.properties import String
from bokeh.model import DataModel
from PIL import Image

from glassviz.explore import records
from glassviz.explore.movie import Cancelled, render_movie
from glassviz.explore.own import plain
from glassviz.explore.picture import SHAPES, Stage
from glassviz.explore.standalone import standalone
from glassviz.explore.views.base import View, on_session, run, tell, told
from glassviz.explore.views.dialog import dialog
from glassviz.explore.views.share import BUTTON
from glassviz.files import netcdf
from glassviz.mixture import InvalidData, temperature_name

WORKERS = ThreadPoolExecutor(2, "export")  # of all sessions; views are derived in asyncio's
MOVIE, PICTURE, FIGURE, CURVES, EVERYTHING, PAGE = (
    "Movie",
    "Snapshot as a picture",
    "Figure on the screen",
    "Curves as a table",
    "Everything of this sample",
    "Web page that works alone",
)
ABOUT = {
    MOVIE: "MP4 plays in slides and in every browser, WebM in browsers, GIF everywhere.",
    PICTURE: "PNG with legend, sharp enough for a poster.",
    FIGURE: "As it is on the screen now. SVG stays sharp at any size and can be edited.",
    CURVES: "CSV: χ₄, ξ₄ and chord lengths of all temperatures with errors, predicted and from molecular dynamics.",
    EVERYTHING: "NetCDF: positions, predictions at all times with errors, bottleneck, attention; xarray and "
    "<code>glassviz.read</code> open it.",
    PAGE: "HTML: this sample at all times, to play and zoom without a server or a network.",
}
"""What can be taken away, and what it is."""
HELP = {
    "kind": "What to take away: pictures, numbers, or a page of its own.",
    "sweep": "Through time: all ⟨C̄_B⟩ at the present T. Through temperature: all T at the present ⟨C̄_B⟩.",
    "format": "MP4 for slides; WebM is smaller; GIF plays wherever pictures are shown.",
    "size": "Height of the film in lines, without a legend above; 1080 fills a projector.",
    "shape": "Where temperature, time and colour scale are written, or that they are not.",
    "frames": "How many pictures the film consists of; more is smoother and longer.",
    "fps": "Pictures shown in a second; more is faster and shorter.",
    "picture_size": "Height of the picture in pixels, without a legend above; 2160 is sharp on a poster.",
    "picture_shape": "Where temperature, time and colour scale are written, or that they are not.",
    "figure": "One of the figures of the open tab, named by its axes.",
    "png": "PNG: as sharp as the screen.",
    "svg": "SVG: sharp at any size, and can be edited.",
    "start": "Make: computes the file in the background; you can go on working.",
    "cancel": "Cancel: stops, nothing is kept.",
    "download": "Download: saves the file on your computer.",
}
WIDTHS = {"480 lines": 480, "720 lines": 720, "1080 lines": 1080, "1440 lines": 1440, "2160 lines": 2160}
LEGENDS = dict(zip(("Legend above", "Legend beside (16:9)", "No legend"), SHAPES, strict=True))
NOTE = ":host { font-size: calc(13px * var(--type, 1)); color: var(--panel-on-surface-color); margin: 0; }"
FULL = {"sizing_mode": "stretch_width", "margin": 0, "size": "small"}

log = logging.getLogger(__name__)


class Shown(DataModel):
    """The id of the figure that is saved."""

    value = String("")


class Export(View):
    """A dialog that makes files of the present choice in the background and offers them for download.

    Parameters
    ----------
    state : ExplorerState
    figures : callable
        Returns the figures on the screen, dict of name to bokeh figure.
    """

    def __init__(self, state, figures, **params):
        self._figures = figures
        self._made = None
        self._stopped = False
        super().__init__(state, **params)

    def _build(self):
        self.kind = pmui.Select(label="What", options=list(ABOUT), description=HELP["kind"], **FULL)
        self.note = pn.pane.HTML("", stylesheets=[NOTE], sizing_mode="stretch_width")
        self._options = {MOVIE: self._movie_options(), PICTURE: self._picture_options(), FIGURE: self._figure_options()}
        self.start = pmui.Button(
            label="Make",
            icon="play_arrow",
            description=HELP["start"],
            color="primary",
            margin=0,
            on_click=self._start,
        )
        self.cancel = pmui.Button(
            label="Cancel",
            description=HELP["cancel"],
            variant="text",
            margin=0,
            visible=False,
            on_click=self._cancel,
        )
        self.bar = pmui.LinearProgress(value=0, variant="determinate", sizing_mode="stretch_width", visible=False)
        self.progress = pn.pane.HTML("", stylesheets=[NOTE], sizing_mode="stretch_width")
        self.download = pn.Row(margin=0)  # the button of the last file; each file has its own
        self.dialog = dialog(
            pn.Column(
                self.kind,
                self.note,
                *self._options.values(),
                self.progress,
                self.bar,
                pn.Row(self.start, self.cancel, self.download, styles={"gap": "10px", "flex-wrap": "wrap"}),
                sizing_mode="stretch_width",
                styles={"gap": "12px", "padding": "8px 0"},
            ),
            "Export",
            "xs",
        )
        self.button = pmui.Button(
            label="Export",
            icon="download",
            description="Export: movies, pictures, figures, data, or a page of its own.",
            on_click=self._open,
            **BUTTON,
        )
        self.kind.param.watch(self._offer, "value")
        self._offer()
        return self.button

    def _movie_options(self):
        self.sweep = pmui.RadioButtonGroup(
            options={"Through time": "time", "Through temperature": "temperature"},
            label="Film",
            value="time",
            description=HELP["sweep"],
            sizing_mode="stretch_width",
            margin=0,
        )
        self.format = pmui.Select(
            label="Format",
            options={"MP4 (H.264)": ".mp4", "WebM (VP9)": ".webm", "GIF": ".gif"},
            value=".mp4",
            description=HELP["format"],
            **FULL,
        )
        self.size = pmui.Select(label="Resolution", options=WIDTHS, value=720, description=HELP["size"], **FULL)
        self.shape = pmui.Select(label="Annotations", options=LEGENDS, value="wide", description=HELP["shape"], **FULL)
        self.frames = pmui.Select(
            label="Frames", options=[25, 50, 100, 200], value=100, description=HELP["frames"], **FULL
        )
        self.fps = pmui.Select(
            label="Frames per second", options=[10, 15, 25, 30], value=25, description=HELP["fps"], **FULL
        )
        rows = ((self.format, self.size), (self.shape,), (self.frames, self.fps))
        return _stack(self.sweep, *(pn.Row(*row, sizing_mode="stretch_width", styles={"gap": "10px"}) for row in rows))

    def _picture_options(self):
        self.picture_size = pmui.Select(
            label="Height", options=WIDTHS, value=2160, description=HELP["picture_size"], **FULL
        )
        self.picture_shape = pmui.Select(
            label="Legend", options=LEGENDS, value="tall", description=HELP["picture_shape"], **FULL
        )
        return _stack(
            pn.Row(self.picture_size, self.picture_shape, sizing_mode="stretch_width", styles={"gap": "10px"})
        )

    def _figure_options(self):
        self.figure = pmui.Select(label="Figure", options={"–": ""}, description=HELP["figure"], **FULL)
        self._shown = Shown()
        self.figure.param.watch(lambda event: tell(self._shown, value=event.new or ""), "value")
        buttons = []
        for kind in ("PNG", "SVG"):
            button = pmui.Button(label=kind, icon="download", description=HELP[kind.lower()], color="primary", margin=0)
            button.js_on_click(args={"figure": self._shown, "kind": kind.lower()}, code=run("save", "figure", "kind"))
            buttons.append(button)
        return _stack(self.figure, pn.Row(*buttons, styles={"gap": "10px"}))

    def _open(self, _event):
        self._offer()
        self.dialog.open = True

    def _offer(self, *_event):
        """Show what belongs to the chosen kind."""
        kind = self.kind.value
        if kind == FIGURE and self._figures():
            self.figure.options = {name: figure.id for name, figure in self._figures().items()}
            self.figure.value = next(iter(self.figure.options.values()))
        self.note.object = ABOUT[kind]
        for name, options in self._options.items():
            options.visible = name == kind
        self.start.visible = kind != FIGURE

    def _cancel(self, _event):
        self._stopped = True

    def _start(self, _event):
        if self.busy:
            return
        choice, colors = self.state.choice(), self.state.colors
        name = (
            f"glassviz_T{temperature_name(choice.temperature)}_N{choice.sample.particles}_{plain(choice.sample.name)}"
        )
        make = {
            MOVIE: partial(
                _movie,
                f"{name}_{self.sweep.value}{self.format.value}",
                self._movie_request(),
                self.state.preferred,
            ),
            PICTURE: partial(_picture, f"{name}.png", self.picture_size.value, self.picture_shape.value),
            CURVES: partial(_curves, f"glassviz_curves_{plain(choice.network)}.csv"),
            EVERYTHING: partial(_everything, f"{name}.nc"),
            PAGE: partial(_page, f"{name}.html"),
        }[self.kind.value]
        self.busy, self._stopped = True, False
        self.download.clear()
        self.start.disabled = True
        self.bar.visible = self.cancel.visible = True
        self._tell("Preparing …", 0)
        folder = tempfile.TemporaryDirectory(prefix="glassviz")
        work = partial(make, Path(folder.name), self.state.library, choice, colors)
        asyncio.ensure_future(self._make(folder, work, pn.state.curdoc))  # noqa: RUF006, held by the loop

    def _movie_request(self):
        names = ("sweep", "size", "shape", "frames", "fps")
        return {name: getattr(self, name).value for name in names}

    async def _make(self, folder, work, document):
        loop = asyncio.get_running_loop()

        def progress(done, total):
            if self._stopped:
                raise Cancelled
            if not told(document, loop, partial(self._tell, f"{done} of {total}", 100 * done / total)):
                raise Cancelled  # nobody is waiting any more

        try:
            path = await loop.run_in_executor(WORKERS, work, progress)
            finish = partial(self._ready, folder, path)
        except Cancelled:
            finish = partial(self._tell, "Cancelled.", 0)
        except InvalidData as error:
            finish = partial(self._tell, html.escape(str(error)), 0)
        except Exception as error:  # a full disk, say: the page must not wait for ever
            log.exception("an export failed")
            finish = partial(self._tell, html.escape(f"It could not be made: {error}."), 0)
        await on_session(document, partial(self._finish, finish))

    def _tell(self, text, percent):
        self.progress.object = text
        self.bar.value = int(percent)

    def _finish(self, finish):
        finish()
        self.busy = False
        self.start.disabled = False
        self.bar.visible = self.cancel.visible = False

    def _ready(self, folder, path):
        if self._made is not None:
            self._made.cleanup()
        self._made = folder
        self._tell(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB", 100)
        self.download.append(
            pmui.FileDownload(
                file=str(path),
                filename=path.name,
                label="Download",
                description=HELP["download"],
                color="success",
                margin=0,
            )
        )


def _stack(*pieces):
    return pn.Column(*pieces, sizing_mode="stretch_width", styles={"gap": "12px"}, margin=0)


def _movie(name, request, preferred, folder, library, choice, colors, progress):
    return render_movie(
        folder / name,
        samples=(library.sample_at(temperature, preferred) for temperature in library.offered),
        temperature=choice.temperature,
        mean_propensity=choice.mean_propensity,
        sample=choice.sample.label,
        network=choice.network,
        colors=colors,
        progress=progress,
        library=library,
        **request,
    )


def _picture(name, size, shape, folder, library, choice, colors, progress):
    image = Stage(library, choice.sample, choice.network, size, shape, colors).image(choice.mean_propensity)
    Image.fromarray(image).save(folder / name)
    progress(1, 1)
    return folder / name


def _curves(name, folder, library, choice, _colors, progress):
    records.curves(library, choice.network, progress).to_csv(folder / name, index=False)
    return folder / name


def _everything(name, folder, library, choice, _colors, progress):
    ds = records.everything(library, choice)
    fields = [name for name, variable in ds.data_vars.items() if variable.dtype.kind == "f" and variable.ndim > 1]
    netcdf.save(ds, folder / name, {field: {"dtype": "float32", "zlib": True, "complevel": 4} for field in fields})
    progress(1, 1)
    return folder / name


def _page(name, folder, library, choice, colors, progress):
    (folder / name).write_text(standalone(library, choice, colors), encoding="utf-8")
    progress(1, 1)
    return folder / name
