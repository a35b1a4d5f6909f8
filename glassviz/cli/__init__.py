"""The command line: `glassviz …`, one command for every stage of the stream."""

import sys

from glassviz.cli import campaign, explore, learn, report, simulate  # noqa: F401 (each adds its commands to the application)
from glassviz.cli.common import app, errors
from glassviz.mixture import InvalidData


def main():
    """Run the command line; bad input ends in one sentence and exit code 2."""
    try:
        app()
    except InvalidData as error:
        _refuse(error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _refuse(f"{where}{(error.strerror or str(error)).rstrip('.')}.")


def _refuse(sentence):
    errors.print(f"[red]glassviz:[/red] {sentence}", highlight=False, soft_wrap=True)
    sys.exit(2)
