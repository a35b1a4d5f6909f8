"""The command that writes the evidence: report."""

from pathlib import Path
from typing import Annotated

from glassviz.cli.common import Several, app, progress_bar, require_folder, tell


@app.command
def report(
    output: Path = Path("report"),
    *,
    figures: Annotated[tuple[str, ...] | None, Several] = None,
):
    """Write the evidence: the paper's figures from the shipped data, each with a computed verdict.

    Parameters
    ----------
    output
        Folder that takes `report.html`, the figures as PNG and SVG and the numbers as CSV.
    figures
        Figures to make, for example 2 4 12 size; all of them, and the goals, by default.
    """
    from glassviz.report.write import write_report

    require_folder(output)
    with progress_bar("report") as progress:
        target = write_report(output, figures, progress)
    tell(target)
