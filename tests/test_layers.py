"""The house: one stream of rooms, simulate → structure → learn → observe → explore → report, above a ground floor.

A module imports from its own room, from rooms to its left and from the ground floor; the right end (the public API, the
command line, the campaign, app.py) imports from everywhere. Only explore draws, only learn trains.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STREAM = ["simulate", "structure", "learn", "observe", "explore", "report"]
GROUND = {"mixture": set(), "threads": set(), "files": {"mixture"}}
RIGHT_END = {"", "cli", "campaign", "app"}
DRAWING = {"panel", "panel_material_ui", "bokeh", "holoviews", "datashader"}
MODULES = sorted(path.relative_to(ROOT) for path in [*ROOT.glob("glassviz/**/*.py"), *ROOT.glob("app.py")])


def dotted(path):
    """Module name of a file, for instance glassviz.files.gsd."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {dotted(path): path for path in MODULES}


def room(module):
    """Room of a module, "" for the package itself: glassviz.files.gsd is in files, glassviz.cli in cli."""
    parts = module.split(".")
    return parts[0] if parts[0] != "glassviz" else (*parts, "")[1]


def imports(source, path):
    """Dotted names a source file imports, each with whether that happens on import of the file itself."""
    package = dotted(path).split(".")[: None if path.name == "__init__.py" else -1]
    found = set()

    def visit(node, on_import):
        if isinstance(node, ast.Import):
            found.update((alias.name, on_import) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            found.update((f"{base}.{alias.name}", on_import) for alias in node.names)
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or typing_only
        for child in ast.iter_child_nodes(node):
            visit(child, on_import and not lazy)

    visit(ast.parse(source), True)
    return found


def complaints(source, path):
    """What a source file imports against the rules of the house."""
    home = room(dotted(path))
    found = []
    for name, _ in sorted(imports(source, path)):
        top = name.split(".")[0]
        if top == "glassviz" and home not in RIGHT_END:
            found += [f"{path} imports {name}"] if room(name) not in allowed_rooms(home) else []
        elif top in DRAWING and home not in ("explore", "app"):
            found.append(f"{path} draws with {name}")
        elif top == "torch" and home != "learn":
            found.append(f"{path} imports {name}")
    return found


def allowed_rooms(home):
    if home in GROUND:
        return {home} | GROUND[home]
    return {*GROUND, *STREAM[: STREAM.index(home) + 1]}


def loaded_with(module):
    """Top-level packages and own modules that come with importing a module, by reading the sources."""
    pending, seen = [module], set()
    while pending:
        name = pending.pop()
        parts = name.split(".")
        for end in range(1, len(parts) + 1):  # packages run before their modules
            own = ".".join(parts[:end])
            if own in NAMES and own not in seen:
                seen.add(own)
                source = (ROOT / NAMES[own]).read_text()
                pending += [imported for imported, on_import in imports(source, NAMES[own]) if on_import]
        seen.add(parts[0])
    return seen


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_every_module_keeps_to_its_room(path):
    assert complaints((ROOT / path).read_text(), path) == []


def test_every_room_is_known():
    assert {room(dotted(path)) for path in MODULES} <= {*STREAM, *GROUND, *RIGHT_END}


@pytest.mark.parametrize(
    "module",
    [name for name in NAMES if room(name) not in ("learn", "campaign", "cli")] + ["glassviz.learn.inference"],
)
def test_only_training_waits_for_torch(module):
    """The app opens in seconds because nothing it loads imports torch; what trains imports it inside its functions."""
    assert "torch" not in loaded_with(module)


@pytest.mark.parametrize(
    "module", [name for name in NAMES if room(name) in ("", "cli") or name.endswith("explore.state")]
)
def test_the_state_and_the_command_line_do_not_load_panel(module):
    assert DRAWING.isdisjoint(loaded_with(module))


def test_importing_glassviz_and_its_inference_is_light():
    """The same once more as Python does it, dynamic imports included."""
    script = "import sys, glassviz.files, glassviz.mixture\n"
    script += "import glassviz.learn.inference\n" if "glassviz.learn.inference" in NAMES else ""
    script += f"print(sorted({ {'torch', *DRAWING}!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.strip() == "[]"


# The walker itself


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("glassviz/simulate/swap.py", "from glassviz.structure import descriptors"),
        ("glassviz/simulate/swap.py", "from glassviz import observe"),
        ("glassviz/simulate/swap.py", "import glassviz"),
        ("glassviz/simulate/swap.py", "from glassviz import read"),
        ("glassviz/simulate/swap.py", "from ..learn.network import Network"),
        ("glassviz/simulate/__init__.py", "from ..learn import network"),
        ("glassviz/learn/loss.py", "def f():\n    from glassviz.explore.state import ExplorerState"),
        ("glassviz/observe/chords.py", "from glassviz.campaign import run"),
        ("glassviz/observe/chords.py", "import glassviz.cli as c"),
        ("glassviz/observe/chords.py", "import torch.nn as nn"),
        ("glassviz/explore/state.py", "def f():\n    import torch"),
        ("glassviz/observe/chords.py", "import holoviews as hv"),
        ("glassviz/cli/explore.py", "def serve():\n    import panel"),
        ("glassviz/files/gsd.py", "from glassviz.simulate import potential"),
        ("glassviz/mixture.py", "from glassviz import files"),
    ],
)
def test_the_walker_sees_what_is_forbidden(path, source):
    assert len(complaints(source, Path(path))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("glassviz/learn/network.py", "import torch\nfrom glassviz.structure import descriptors\nfrom . import loss"),
        ("glassviz/explore/views/base.py", "import panel\nfrom glassviz.observe.chords import chord_length"),
        ("glassviz/explore/views/base.py", "from ...learn import inference\nfrom ..state import ExplorerState"),
        ("glassviz/files/gsd.py", "import gsd.hoomd\nfrom glassviz import mixture\nfrom glassviz.files import netcdf"),
        ("glassviz/cli/explore.py", "from glassviz.explore import page\nfrom glassviz import campaign"),
        ("app.py", "import panel\nfrom glassviz.explore.page import page"),
    ],
)
def test_the_walker_lets_pass_what_is_allowed(path, source):
    assert complaints(source, Path(path)) == []
