"""What every command shares: the application, the console, progress bars and the record of a command."""

import os
import shlex
import sys
import threading
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from glassviz.mixture import InvalidData, checked_temperature

app = cyclopts.App(
    name="glassviz",
    help="See dynamic heterogeneity: simulate, describe, learn and explore a two-dimensional glass former.",
    version=version("glassviz"),
    suppress_keyboard_interrupt=False,  # `main` says so in one sentence
)
console = Console()
errors = Console(stderr=True)


def tell(*lines):
    """Print lines as they are, for a reader or for a pipe; those after the first are indented."""
    console.print(*lines, sep="\n    ", highlight=False, markup=False, soft_wrap=True)


def _some(_type, values):
    if values is not None and not values:
        raise ValueError("Expected at least one.")


def whole(_type, tokens):
    """A whole number as it was typed; cyclopts would round others."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"expected a whole number, not {tokens[0].value}.") from None


MOST = 2**53  # up to here seeds, and sums of them, are exact in every file
PositiveInt = Annotated[int, Parameter(converter=whole, validator=Number(gte=1, lte=MOST))]
NonNegativeInt = Annotated[int, Parameter(converter=whole, validator=Number(gte=0, lte=MOST))]
Several = Parameter(negative="", consume_multiple=True, validator=_some)
Numbers = Annotated[tuple[float, ...], Several]
WholeNumbers = Annotated[tuple[PositiveInt, ...], Several]


STOPPED = threading.Event()
"""Whether Ctrl-C was pressed."""


def stop(_signal, _frame):
    """What Ctrl-C does: `KeyboardInterrupt`, now and at every progress.

    Python ignores it where it comes while a library's object is being cleared away, a file after it was written, say.
    """
    STOPPED.set()
    raise KeyboardInterrupt


@contextmanager
def progress_bar(description):
    """A progress bar; yields a function of (done, in all)."""

    def told(done, total, *_):
        if STOPPED.is_set():
            raise KeyboardInterrupt
        bar.update(task, completed=done, total=total)

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:5.1f} %"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=errors) as bar:
        task = bar.add_task(description, total=None)
        yield told


def typed_command():
    """The command as it was typed and the version, for the record in files."""
    return {"command": shlex.join(["glassviz", *sys.argv[1:]]), "version": version("glassviz")}


def require_new_netcdf(output, source):
    """`InvalidData` where a result for a NetCDF file cannot go where it is wanted, before anything is computed."""
    if output.suffix != ".nc":
        raise InvalidData(f"{output}: expected a file ending in .nc.")
    if output.exists() and output.samefile(source):
        raise InvalidData(f"{output}: it is the input; expected another file.")
    require_writable(output)


def require_writable(output):
    """`InvalidData` where no file can be written at a path, before anything is computed."""
    if not output.parent.is_dir():
        raise InvalidData(f"{output.parent}: there is no such folder to write {output.name} into.")
    if output.is_dir():
        raise InvalidData(f"{output}: it is a folder; expected a file to write.")
    _require_permission(output.parent)


def require_folder(output):
    """`InvalidData` where a folder for results can neither be made nor written to, before anything is computed."""
    there = next(path for path in (output.absolute(), *output.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InvalidData(f"{there}: it is a file; expected a folder to write to.")
    _require_permission(there)


def beginning(start, samples, particles):
    """Number and size of samples from random starts; `InvalidData` where a file to start from has them already."""
    if start and (samples or particles):
        raise InvalidData(f"{start}: it has its samples and their particles; expected no --samples and no --particles.")
    return samples or 1, particles or 1290


def at_temperature(ds, temperature, source):
    """Configurations at the temperature that is told, or at their own; `InvalidData` where neither is known."""
    if temperature is not None:
        ds = ds.assign_attrs(temperature=checked_temperature(temperature, "--temperature"))
    if not ds.attrs["temperature"] > 0:
        raise InvalidData(f"{source}: the temperature is unknown; expected --temperature.")
    return ds


def _require_permission(folder):
    if not os.access(folder, os.W_OK):
        raise InvalidData(f"{folder}: no permission to write there; expected a folder that can be written to.")
