"""`glassviz report`: every figure as PNG and SVG, the numbers as CSV, and the page that holds it all."""

import io
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from glassviz.mixture import InvalidData
from glassviz.report import comparison, heterogeneity, lengths, network, pearson, relaxation
from glassviz.report.goals import goals
from glassviz.report.material import Material, plain_title
from glassviz.report.page import page, stem
from glassviz.report.plates import styled

FIGURES = {
    "2": pearson.figure_2,
    "3": comparison.figure_3,
    "4": comparison.figure_4,
    "6": heterogeneity.figure_6,
    "7": heterogeneity.figure_7,
    "8": heterogeneity.figure_8,
    "9": network.figure_9,
    "10": network.figure_10,
    "11": network.figure_11,
    "12": lengths.figure_12,
    "13": relaxation.figure_13,
    "14": lengths.figure_14,
    "size": lengths.size_transfer_plate,
}


def write_report(output, figures=None, progress=None):
    """Write the report on the shipped data, or on those of GLASSVIZ_DATA.

    Parameters
    ----------
    output : str or Path
        Folder that takes `report.html`, `figure_2.png`, `.svg`, `.csv` and so on, `goals.csv` and `published.csv`.
    figures : sequence of str, optional
        Which of `FIGURES`; all of them, and the goals, by default.
    progress : callable, optional
        Called as progress(done, total).

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InvalidData
        Where a figure is unknown, the folder cannot be written or the store holds nothing to report.
    """
    chosen = [str(f) for f in figures] if figures else list(FIGURES)
    unknown = [f for f in chosen if f not in FIGURES]
    if unknown:
        raise InvalidData(f"--figures: there is no figure {unknown[0]}; expected some of {', '.join(FIGURES)}.")
    material = Material()
    if not material.structures:
        raise InvalidData("report: the store holds no propensities; expected those of `glassviz dynamics`.")
    output = Path(output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidData(f"{output}: not a folder that can be written; expected one for the report.") from error
    plates, failures = [], {}
    with styled():
        for done, number in enumerate(chosen):
            if progress is not None:
                progress(done, len(chosen) + 1)
            try:
                plate = FIGURES[number](material)
            except InvalidData as error:
                failures[number] = str(error)
                continue
            plates.append((plate, _save(plate, output)))
        found = [] if figures else goals(material)
    beside = pearson.beside_published(material)
    beside.to_csv(output / "published.csv", index=False)
    if found:
        pd.DataFrame([vars(goal) for goal in found]).to_csv(output / "goals.csv", index=False)
    names = "; ".join(f"{e.name} ({plain_title(e)}, {e.networks} networks)" for e in material.ensembles)
    about = f"glassviz {version('glassviz')}. Networks: {names}."
    target = output / "report.html"
    target.write_text(page(plates, failures, found, beside, inventory(material), about), encoding="utf-8")
    if progress is not None:
        progress(1, 1)
    return target


def _save(plate, output):
    """Write a plate's figure and numbers; its SVG as bytes."""
    name = stem(plate.number)
    plate.drawing.savefig(output / f"{name}.png")
    buffer = io.BytesIO()
    plate.drawing.savefig(buffer, format="svg", metadata={"Date": None})
    (output / f"{name}.svg").write_bytes(buffer.getvalue())
    plate.table.to_csv(output / f"{name}.csv", index=False)
    return buffer.getvalue()


def inventory(material):
    """What the store holds at each temperature and size, a table for people."""
    rows = []
    for temperature in material.temperatures:
        counts = sum((material.verdicts(temperature, n) for n in material.library.sizes(temperature)), Counter())
        verdicts = ", ".join(f"{count} {word}" for word, count in counts.items())
        sizes = ", ".join(
            f"{material.library.configurations(temperature, n).sizes['configuration']} × N = {n}"
            for n in material.library.sizes(temperature)
        )
        labelled = [ds for ds in material.structures if np.isclose(ds.attrs["temperature"], temperature, atol=1e-3)]
        groups = {}
        for ds in labelled:
            key = ds.attrs.get("role", "?"), ds.sizes["particle"], ds.attrs["replicas"]
            groups.setdefault(key, []).append(float(ds["time"].values[-1]))
        text = "; ".join(
            f"{len(ends)} {role}, N = {n}, {replicas} replicas, to t = {max(ends):.0f}"
            for (role, n, replicas), ends in groups.items()
        )
        rows.append({"T": f"{temperature:.2f}", "samples": sizes, "verdicts": verdicts, "labelled": text or "none"})
    return pd.DataFrame(rows)
