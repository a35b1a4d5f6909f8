"""The command line: `glassviz …`, one command for every stage of the stream."""

import gc
import signal
import sys
import warnings
from functools import partial

from cyclopts import CycloptsError
from rich.text import Text

from glassviz.cli import campaign, explore, learn, report, simulate  # noqa: F401 (each adds its commands to the application)
from glassviz.cli.common import STOPPED, app, errors, stop
from glassviz.mixture import InvalidData, MixtureWarning


def main():
    """Run the command line; bad input ends in one sentence and exit code 2, an interruption in 130."""
    signal.signal(signal.SIGINT, stop)
    sys.unraisablehook = partial(_complain, sys.unraisablehook)
    warnings.showwarning = partial(_warn, warnings.showwarning, set())
    interrupted = False
    try:
        app(exit_on_error=False, print_error=False)
    except KeyboardInterrupt:
        interrupted = True
    except Exception as error:
        interrupted = STOPPED.is_set()  # whatever a kernel or a library that Ctrl-C came to has made of it
        if not interrupted:
            _explain(error)
    if interrupted:
        gc.collect()  # what was left half made, while `_complain` is still there
        _refuse("interrupted", 130)


def _complain(otherwise, unraisable):
    """What objects that Ctrl-C has left half made run into while they are cleared away is not for the user."""
    if not STOPPED.is_set():
        otherwise(unraisable)


def _warn(otherwise, said, message, category, *where, **more):
    """Warnings for the user are one sentence; those for the programmer say where.

    That a mixture is another one is said once, though all that is made of it is checked again.
    """
    if issubclass(category, MixtureWarning):
        fact = str(message).partition(": ")[2]
        if fact in said:
            return
        said.add(fact)
    if issubclass(category, UserWarning):
        errors.print(Text.assemble(("glassviz: ", "yellow"), str(message)), soft_wrap=True)
    else:
        otherwise(message, category, *where, **more)


def _explain(error):
    """End in one sentence where the user can do something about an error; others are raised again."""
    if isinstance(error, InvalidData | CycloptsError):
        _refuse(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        _refuse(f"{where}{error.strerror or error}")
    raise error


def _refuse(sentence, status=2):
    end = "" if f"{sentence}".endswith(".") else "."
    errors.print(Text.assemble(("glassviz: ", "red"), f"{sentence}{end}"), soft_wrap=True)
    sys.exit(status)
