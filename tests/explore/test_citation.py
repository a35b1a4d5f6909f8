import re

import yaml

from glassviz.explore import citation


def test_text_and_bibtex_say_what_the_file_says():
    cited = yaml.safe_load(citation.SOURCE.read_text())
    paper = cited["preferred-citation"]
    for found in (citation.text(), citation.bibtex()):
        assert paper["title"] in found
        assert cited["title"] in found
        assert cited["version"] in found
        for author in paper["authors"]:
            assert author["family-names"] in found
    assert citation.text().startswith("G. Jung, G. Biroli and L. Berthier, ")
    assert "Physical Review B 109, 064205 (2024), arXiv:2310.20252." in citation.text()


def test_bibtex_is_well_formed():
    entries = citation.bibtex()
    assert re.findall(r"@(\w+)\{(\w+),", entries) == [("article", "jung2024heterogeneity"), ("software", "glassviz")]
    assert entries.count("{") == entries.count("}")
    assert "eprint = {2310.20252}" in entries
    assert "doi = {10.1103/PhysRevB.109.064205}" in entries
