"""What the README shows is true: its code runs, its commands are understood, its tables name what is there."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from matplotlib.figure import Figure

import kanpde
from kanpde import KAN, load_problem, solve

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def fenced(language):
    """The blocks of one language; "" for those that name none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    return [block for name, block in found if name == language]


PYTHON = fenced("python")
FILES = [block for block in PYTHON if "(Problem)" in block]
READINGS = [block for block in PYTHON if "formula(" in block]
SCRIPTS = [block for block in PYTHON if block not in FILES and block not in READINGS]
COMMANDS = [
    re.split(r"\s{3,}", line)[0] for block in fenced("") for line in block.splitlines() if line.startswith("kanpde")
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A user's folder, and the user in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "problems").mkdir()
    return tmp_path


def class_in(block):
    return next(node.name for node in ast.parse(block).body if isinstance(node, ast.ClassDef))


def table(header):
    """The rows of the table with this header, a list of cells each."""
    rows = TEXT.partition(header)[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_there_is_something_to_test():
    assert FILES and SCRIPTS and len(COMMANDS) >= 5


# Python --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", FILES, ids=class_in)
def test_a_problem_of_the_readme_is_found_and_solved(block, here):
    name = class_in(block).lower()
    (here / "problems" / f"{name}.py").write_text(block)
    problem = load_problem(name)
    assert problem.name == name and problem.check_exact() == []
    solution = solve(
        problem,
        KAN(width=[(0, 2)], degree=5, intervals=[5, 2]),
        device="cpu",
        training={"stages": [{"optimiser": "gauss_newton", "iterations": 15}]},
        sampling={"interior": 300, "boundary": 64},
    )
    assert solution.history["loss"][-1] < 1e-3 * solution.history["loss"][0]


def run(block):
    names = {}
    exec(compile(block, "README.md", "exec"), names)
    return names


@pytest.mark.parametrize("block", [block for block in SCRIPTS if "certify" in block])
def test_a_certificate_of_the_readme_is_what_it_says(block, capsys):
    assert run(block)["certificate"].proved
    assert capsys.readouterr().out.startswith(re.search(r"# (proved .*)$", block, flags=re.MULTILINE)[1])


def one_candidate(*arguments, **options):
    x, t, rate = sp.symbols("x t rate")
    yield sp.exp(-rate * t) * sp.sin(sp.pi * x), {rate: 5.0}


@pytest.mark.parametrize("block", [block for block in SCRIPTS if "solve(" in block])
def test_a_script_of_the_readme_runs(block, here, monkeypatch):
    monkeypatch.setattr("kanpde.symbolic.symbolification.candidates", one_candidate)
    names = run(block)
    assert names["formula"] is names["solution"].formula
    solution, again, xs, ts = (names[name] for name in ("solution", "again", "xs", "ts"))
    assert solution(x=xs, t=ts).shape == (5, 3)
    assert np.array_equal(again(x=xs, t=ts), solution(x=xs, t=ts))
    assert set(solution.errors()) == {"relative_l2", "max_error", "relative_h1"}
    assert solution.errors()["relative_l2"] < 1
    assert isinstance(names["figure"], Figure) and (here / "run.kan").is_file()


@pytest.mark.parametrize("block", READINGS, ids=range(len(READINGS)))
def test_a_network_of_the_readme_is_read(block, here):
    names = {}
    exec(compile(block, "README.md", "exec"), names)
    call, comment = re.search(r"^(formula\(.*\))  # (.*)$", block, flags=re.MULTILINE).groups()
    assert str(eval(call, names)) == comment
    if "loose" in names:
        assert str(names["formula"](names["named"], decimals=6)) == comment
        assert names["suggest"](names["loose"], 0, 0, 1)[0].name == "sin"


def test_every_name_that_a_script_imports_is_public():
    for block in PYTHON:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module == "kanpde":
                assert {alias.name for alias in node.names} <= set(kanpde.__all__)


# The command line ----------------------------------------------------------------------------------------------------


def test_help_names_the_commands_of_the_readme(command):
    status, out, _ = command("--help")
    assert status == 0
    known = {"list", "show", "resume", "bench"}
    named = {words[1] for words in map(str.split, COMMANDS) if len(words) > 1 and words[1].isalpha()}
    assert named == known and all(f"kanpde {name}" in out for name in known)


def test_the_list_has_the_problems_of_the_readme_and_their_equations(command, here):
    (here / "problems" / "fisher.py").write_text(FILES[0])
    status, out, err = command("list")
    assert status == 0 and err == ""
    listed = dict(line.split(None, 1) for line in out.splitlines())
    meant = {name for line in COMMANDS for word in re.findall(r"problem=([\w,]+)", line) for name in word.split(",")}
    assert meant <= set(listed)
    assert listed["fisher"] == ast.get_docstring(ast.parse(FILES[0])).splitlines()[0]


@pytest.mark.parametrize("line", [line for line in COMMANDS if "=" in line or line == "kanpde"])
def test_overrides_of_the_readme_are_understood(line, command, here):
    """Composed, not run: what they would run is printed."""
    (here / "problems" / "fisher.py").write_text(FILES[0])
    words = [word for word in shlex.split(line)[1:] if word != "-m"]
    single = [word.split(",")[0] for word in words]
    status, out, err = command(*single, "--cfg", "job")
    assert status == 0, err
    name = next((word.removeprefix("problem=") for word in single if word.startswith("problem=")), "heat")
    assert f"name: {name}\n" in out


def test_settings_that_the_text_names_are_there(command):
    _, out, _ = command("--cfg", "job")
    for group, key in re.findall(r"`(training|sampling|network|symbolic)\.(\w+)", TEXT):
        assert re.search(rf"^{group}:\n(  .*\n)*  {key}: ", out, flags=re.MULTILINE), f"{group}.{key}"


# Tables --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signature", [row[0].strip("`") for row in table("| condition | meaning |")])
def test_conditions_have_the_signatures_of_the_table(signature):
    call = ast.parse(signature, mode="eval").body
    parameters = inspect.signature(getattr(kanpde, call.func.id)).parameters
    shown = [node.id for node in call.args] + [word.arg for word in call.keywords]
    positional = [name for name, p in parameters.items() if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert shown == positional
    for word in call.keywords:
        expected = ast.literal_eval(word.value)
        assert expected in (..., parameters[word.arg].default)
    assert {"weight", "hard"} <= set(parameters)


def test_the_modules_of_the_architecture_are_there():
    rows = table("| level | module | owns |")
    named = [name for row in rows for name in re.findall(r"`([\w/]+)`", row[1])]
    assert len(named) > 20
    for name in named:
        place = ROOT / "kanpde" / name
        assert place.is_dir() if name.endswith("/") else place.with_suffix(".py").is_file(), name
