"""How to cite: the paper and the software, from CITATION.cff and nowhere else."""

from functools import cache
from pathlib import Path

import yaml

SOURCE = Path(__file__).parents[2] / "CITATION.cff"


@cache
def _cited():
    return yaml.safe_load(SOURCE.read_text(encoding="utf-8"))


def _names(authors, form):
    return [form(author) for author in authors]


def _initialled(author):
    if "name" in author:
        return author["name"]
    initials = " ".join(f"{name[0]}." for name in author["given-names"].split())
    return f"{initials} {author['family-names']}"


def _listed(author):
    return f"{{{author['name']}}}" if "name" in author else f"{author['family-names']}, {author['given-names']}"


def text():
    """The two references as one paragraph."""
    software = _cited()
    paper = software["preferred-citation"]
    names = _names(paper["authors"], _initialled)
    return (
        f"{', '.join(names[:-1])} and {names[-1]}, {paper['title']}, "
        f"{paper['journal']} {paper['volume']}, {paper['start']} ({paper['year']}), {paper['notes']}. "
        f"{', '.join(_names(software['authors'], _initialled))}, {software['title']}, version {software['version']} "
        f"({software['date-released'].year})."
    )


def bibtex():
    """The two references as BibTeX entries."""
    software = _cited()
    paper = software["preferred-citation"]
    identifier = paper["notes"].removeprefix("arXiv:")
    article = {
        "author": " and ".join(_names(paper["authors"], _listed)),
        "title": f"{{{paper['title']}}}",
        "journal": paper["journal"],
        "volume": str(paper["volume"]),
        "pages": paper["start"],
        "year": str(paper["year"]),
        "doi": paper["doi"],
        "eprint": identifier,
        "archivePrefix": "arXiv",
        "url": paper["url"],
    }
    program = {
        "author": " and ".join(_names(software["authors"], _listed)),
        "title": f"{{{software['title']}}}",
        "year": str(software["date-released"].year),
        "version": software["version"],
    }
    key = paper["authors"][0]["family-names"].lower()
    return _entry("article", f"{key}{paper['year']}heterogeneity", article) + _entry("software", "glassviz", program)


def _entry(kind, key, fields):
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}}}\n"
