"""What every command shares: the application, the console, progress bars and the record of a command."""

import shlex
import sys
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from cyclopts.types import PositiveInt
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from glassviz.mixture import InvalidData

app = cyclopts.App(
    name="glassviz",
    help="See dynamic heterogeneity: simulate, describe, learn and explore a two-dimensional glass former.",
    version=version("glassviz"),
)
console = Console()
errors = Console(stderr=True)


def _some(_type, values):
    if not values:
        raise ValueError("Expected at least one.")


Several = Parameter(negative="", consume_multiple=True, validator=_some)
Numbers = Annotated[tuple[float, ...], Several]
WholeNumbers = Annotated[tuple[PositiveInt, ...], Several]


@contextmanager
def progress_bar(description):
    """A progress bar; yields a function of (done, in all)."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:5.1f} %"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=errors) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total, *_: bar.update(task, completed=done, total=total)


def typed_command():
    """The command as it was typed and the version, for the record in files."""
    return {"command": shlex.join(["glassviz", *sys.argv[1:]]), "version": version("glassviz")}


def require_new_netcdf(output, source):
    """`InvalidData` where a result for a NetCDF file cannot go where it is wanted, before anything is computed."""
    if output.suffix != ".nc":
        raise InvalidData(f"{output}: expected a file ending in .nc.")
    if not output.parent.is_dir():
        raise InvalidData(f"{output.parent}: there is no such folder to write {output.name} into.")
    if output.is_dir() or (output.exists() and output.samefile(source)):
        raise InvalidData(f"{output}: it is {'a folder' if output.is_dir() else 'the input'}; expected another file.")
