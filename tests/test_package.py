import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import glassviz

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"pytorch": "torch", "freud": "freud-analysis", "matplotlib-base": "matplotlib"}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _split(requirement):
    name, bounds = re.fullmatch(r"([A-Za-z0-9_.-]+)(?:\[.*\])?(.*)", requirement).groups()
    return CONDA_NAMES.get(name, name).lower(), bounds


def test_environment_and_package_ask_for_the_same(project):
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in listed if isinstance(entry, dict))
    conda = dict(_split(entry) for entry in listed if isinstance(entry, str) and entry != "pip")
    conda |= dict(_split(entry) for entry in pip if not entry.startswith("--"))
    assert conda.pop("python") == project["requires-python"]
    assert conda == dict(map(_split, project["dependencies"]))


def test_pinned_install_holds_everything_the_package_asks_for(project):
    pinned = dict(
        line.lower().replace("_", "-").split("==")
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    wanted = project["dependencies"] + project["optional-dependencies"]["test"]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned[requirement.name.lower().replace("_", "-")]), requirement


def test_version_is_said_in_one_voice(project):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == project["version"]
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.slow
def test_the_example_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (shown,) = re.findall(r'gv.read\("(.*?)"\)', example)
    monkeypatch.chdir(tmp_path)
    Path(shown).parent.mkdir(parents=True)
    glassviz.write(glassviz.read(ROOT / shown).isel(configuration=slice(3)), shown)
    exec(example, {})
    assert (tmp_path / "snapshot.png").stat().st_size > 10_000
    assert "chi4" in capsys.readouterr().out


def test_public_names_are_there():
    for name in glassviz.__all__:
        assert callable(getattr(glassviz, name)), name
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        glassviz.nonsense  # noqa: B018


def test_reading_and_predicting_do_not_import_torch_or_panel():
    code = (
        "import sys, glassviz as gv\n"
        "ds = gv.read('precomputed/configurations/N1290_T0.30.nc').isel(configuration=[0])\n"
        "C = gv.load_networks('tglassmlp').predict(gv.descriptors(ds), 0.30, 0.8)\n"
        "gv.chi4(C, ds), gv.superposition\n"
        "sys.exit(int(bool({'torch', 'panel', 'bokeh'} & set(sys.modules))))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
