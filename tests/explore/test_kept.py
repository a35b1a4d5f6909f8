"""What the name of a file of derived arrays depends on."""

import ast
from pathlib import Path

import numpy as np

import glassviz
from glassviz.explore import kept

ROOT = Path(glassviz.__file__).parent
ELSEWHERE = {"explore/kept.py", "threads.py", "simulate/verdict.py", "simulate/order.py"}  # change nothing kept


def imported(path):
    """The modules of glassviz that one of them imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("glassviz"):
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                module = ROOT.joinpath(*name.split(".")[1:]).with_suffix(".py")
                if module.exists():
                    yield module


def test_a_name_depends_on_all_code_that_derives():
    """On every module that is behind the derivations, but for those that read files."""
    remembering = [path for path in ROOT.rglob("*.py") if "remember(" in path.read_text()]
    assert len(remembering) > 1
    reached, ahead = set(), remembering
    while ahead:
        module = ahead.pop()
        if module not in reached:
            reached.add(module)
            ahead.extend(imported(module))
    behind = {module.relative_to(ROOT).as_posix() for module in reached}
    assert {"structure/descriptors.py", "learn/factorised.py"} <= behind
    digested = {path.relative_to(ROOT).as_posix() for name in kept.SOURCES for path in ROOT.glob(name)}
    assert {name for name in behind - digested - ELSEWHERE if not name.startswith("files/")} == set()


def test_what_was_computed_is_read_back(tmp_path, monkeypatch):
    """Once for each key; what cannot be read is computed again."""
    monkeypatch.setenv("GLASSVIZ_CACHE", str(tmp_path))
    made = []

    def compute():
        made.append(True)
        return {"tau": np.arange(3.0)}

    for key, times in (("a", 1), ("a", 1), ("b", 2)):
        assert kept.kept((key, 0.3), compute)["tau"].tolist() == [0, 1, 2]
        assert len(made) == times
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.write_bytes(b"half")
    assert kept.kept(("a", 0.3), compute)["tau"].tolist() == [0, 1, 2]
    assert len(made) == 3
