"""What a campaign consists of: jobs, each of which makes one file."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Job(NamedTuple):
    """One file to be made: `function(target, *arguments, report)`, where `report(done, total)` tells how far it is.

    The function must be importable in a worker. A job with `after` waits for the job that makes that file, where there
    is one; of those that can run, the one of the highest priority does. A job whose file is `complete` is done.
    """

    target: Path
    function: Callable
    arguments: tuple
    after: Path | None = None
    priority: int = 0
    complete: Callable = Path.exists
