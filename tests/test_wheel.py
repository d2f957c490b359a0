"""A wheel carries the problems and the settings, and works from wherever it is put."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROBLEMS = {file.stem for file in (ROOT / "problems").glob("[a-z]*.py")}
BUILD = "from setuptools import build_meta; build_meta.build_wheel('dist')"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy of the sources, so that nothing is left behind in them."""
    setuptools = pytest.importorskip("setuptools", reason="building a wheel needs setuptools")
    if int(setuptools.__version__.split(".")[0]) < 77:
        pytest.skip(f"building a wheel needs setuptools 77 or later, got {setuptools.__version__}")
    source = tmp_path_factory.mktemp("source")
    for name in ("kanpde", "problems", "conf"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    built = subprocess.run([sys.executable, "-c", BUILD], cwd=source, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (file,) = (source / "dist").glob("*.whl")
    return file


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    """The folder that the wheel is unpacked into, as an installer would."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(unpacked, where, *words):
    """``python WORDS`` in another folder, with the unpacked wheel before anything that is installed."""
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, *words], cwd=where, env=environment, capture_output=True, text=True)


def files(folder, under):
    """The files below a folder as they are named from there."""
    found = (file.relative_to(folder / under) for file in (folder / under).rglob("*") if file.is_file())
    return {str(file) for file in found if "__pycache__" not in file.parts}


def test_the_problems_are_in_it_with_their_references(unpacked):
    packed, ours = files(unpacked / "kanpde", "problems"), files(ROOT, "problems")
    assert {Path(file).stem for file in packed} >= PROBLEMS
    assert packed == {file for file in ours if file.endswith(".npz") or "/" not in file.replace(os.sep, "/")}


def test_the_settings_are_in_it_complete(unpacked):
    yaml = {file for file in files(unpacked / "kanpde", "conf") if file.endswith(".yaml")}
    assert yaml == {file for file in files(ROOT, "conf") if file.endswith(".yaml")} and "config.yaml" in yaml


def test_the_package_is_in_it_complete_and_alone(unpacked):
    ours = {file for file in files(unpacked, "kanpde") if not file.startswith(("problems", "conf"))}
    assert ours == files(ROOT, "kanpde")
    tops = {path.name for path in unpacked.iterdir()}
    assert "kanpde" in tops and len(tops) == 2 and all(top.startswith("kanpde") for top in tops)


def test_its_metadata_are_those_of_the_project(unpacked):
    (folder,) = unpacked.glob("*.dist-info")
    metadata = (folder / "METADATA").read_text(encoding="utf-8")
    assert "\nName: kanpde\n" in metadata and "\nRequires-Dist: torch" in metadata
    assert "kanpde = kanpde.cli:main" in (folder / "entry_points.txt").read_text(encoding="utf-8")


def test_it_lists_the_problems_from_another_folder(unpacked, tmp_path):
    ran = run(unpacked, tmp_path, "-m", "kanpde", "list")
    assert ran.returncode == 0 and ran.stderr == ""
    assert {line.split()[0] for line in ran.stdout.splitlines()} == PROBLEMS
    assert all(len(line.split()) > 1 for line in ran.stdout.splitlines())


def test_it_finds_its_own_settings_and_references(unpacked, tmp_path):
    ran = run(unpacked, tmp_path, "-m", "kanpde", "problem=burgers", "--cfg", "job")
    assert ran.returncode == 0 and "name: burgers" in ran.stdout and "max_parameters" in ran.stdout
    program = (
        "import kanpde, numpy as np; p = kanpde.load_problem('allen_cahn');"
        "print(kanpde.__file__, np.isfinite(p.reference_values(np.array([[0.5, 0.5]]))).all())"
    )
    ran = run(unpacked, tmp_path, "-c", program)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [str(unpacked / "kanpde" / "__init__.py"), "True"]
    assert not list(tmp_path.iterdir())
