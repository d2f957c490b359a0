"""The documentation is true: its code runs and prints what it says, its commands are understood, its numbers are ours.

A Python block with a title is a file in a user's folder. The other blocks of a page are one script, run in that folder;
the comment after a ``print`` is what it prints.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import shlex
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest

import kanpde
from kanpde import KAN, load_problem, solve

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / name for name in ("README.md", "AGENTS.md", "CONTRIBUTING.md")] + sorted((ROOT / "docs").glob("*.md"))
TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
README = TEXTS["README.md"]
FENCE = re.compile(r'^```(\w*)(?: title="([^"]*)")?\n(.*?)^```$', flags=re.MULTILINE | re.DOTALL)

# (page, title, code): titles are "" for the parts of a page's script.
PYTHON = [
    (page, title, code) for page, text in TEXTS.items() for kind, title, code in FENCE.findall(text) if kind == "python"
]
FILES = [block for block in PYTHON if block[1]]
SCRIPTS = {page: [code for at, title, code in PYTHON if at == page and not title] for page in TEXTS}
SCRIPTS = {page: codes for page, codes in SCRIPTS.items() if codes}
COMMANDS = sorted(
    {
        line.partition("#")[0].strip()
        for text in TEXTS.values()
        for kind, _, code in FENCE.findall(text)
        if kind == "bash"
        for line in code.splitlines()
        if line.startswith("kanpde")
    }
)
# First words that are no settings.
NAMED = {"list", "new", "show", "resume", "export", "fit", "compare", "diagnose", "bench"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A user's folder, and the user in it, with the problems of all pages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "problems").mkdir()
    for _, title, code in FILES:
        (tmp_path / title).write_text(code, encoding="utf-8")
    return tmp_path


def table(page, header):
    """The rows of the table with this header, a list of cells each."""
    rows = TEXTS[page].partition(header)[2].partition("\n\n")[0].splitlines()[2:]
    assert rows, f"no table {header} in {page}"
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_there_is_something_to_test():
    assert len(FILES) >= 8 and len(SCRIPTS) >= 4 and len(COMMANDS) >= 15


# Python --------------------------------------------------------------------------------------------------------------


def test_a_file_stands_in_several_pages_only_if_it_is_the_same():
    for name in {title for _, title, _ in FILES}:
        forms = {ast.dump(ast.parse(code)) for _, title, code in FILES if title == name}
        assert len(forms) == 1, name


@pytest.mark.parametrize("name", sorted({Path(title).stem for _, title, _ in FILES}))
def test_a_problem_is_found_and_its_loss_falls(name, here):
    problem = load_problem(name)
    assert problem.name == name and problem.check_exact() == []
    narrow = KAN(width=[(0, 4)], degree=5, intervals=[5, 2])
    stages = [{"optimiser": "gauss_newton", "iterations": 15}]
    solution = solve(
        problem,
        narrow if problem.domain.dimension > 1 else None,
        device="cpu",
        training={"stages": stages},
        sampling={"interior": 300, "boundary": 64},
    )
    assert solution.history["loss"][-1] < 0.1 * solution.history["loss"][0]


class Printed:
    """A print that compares with the comment in its line."""

    def __init__(self, lines):
        self.lines, self.compared = lines, 0

    def __call__(self, *words):
        line = self.lines[inspect.currentframe().f_back.f_lineno - 1]
        code, mark, comment = line.partition("  # ")
        if mark:
            assert " ".join(map(str, words)) == comment, code
            self.compared += 1


@pytest.mark.parametrize("page", SCRIPTS)
def test_the_script_of_a_page_prints_what_it_says(page, here, no_atoms_stay):
    # A search ends by itself; on a busy machine its time must not decide what it finds.
    code = re.sub(r"symbolify\(budget_seconds=\d+", "symbolify(budget_seconds=600", "\n".join(SCRIPTS[page]))
    printed = Printed(code.splitlines())
    names = {"print": printed}
    exec(compile(code, page, "exec"), names)
    said = [line for line in printed.lines if line.startswith("print(") and "  # " in line]
    assert printed.compared == len(said) > 0
    if "figure" in names:
        assert isinstance(names["figure"], matplotlib.figure.Figure)


def test_every_name_that_a_block_imports_is_public():
    for _, _, code in PYTHON:
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module == "kanpde":
                assert {alias.name for alias in node.names} <= set(kanpde.__all__)


# The command line ----------------------------------------------------------------------------------------------------


def test_help_names_the_commands_of_the_pages(command):
    status, out, _ = command("--help")
    assert status == 0
    shown = {words[1] for words in map(str.split, COMMANDS) if len(words) > 1 and words[1].isalpha()}
    assert shown == NAMED and all(f"kanpde {name}" in out for name in NAMED)


def test_the_list_has_the_problems_of_the_pages(command, here):
    status, out, err = command("list")
    assert status == 0 and err == ""
    listed = dict(line.split(None, 1) for line in out.splitlines())
    meant = {name for line in COMMANDS for word in re.findall(r"problem=([\w,]+)", line) for name in word.split(",")}
    assert meant <= set(listed)
    for _, title, code in FILES:
        assert listed[Path(title).stem] == ast.get_docstring(ast.parse(code)).splitlines()[0]


@pytest.mark.parametrize(
    "line", [line for line in COMMANDS if "=" in line and " export " not in line or line == "kanpde"]
)
def test_settings_of_the_commands_are_understood(line, command, here):
    """Composed, not run: the first value of a sweep, the settings alone of a run to resume."""
    words = [word for word in shlex.split(line)[1:] if word not in ("-m", "resume", "RUN_DIR")]
    single = [word if "[" in word else word.split(",")[0] for word in words]
    status, out, err = command(*single, "--cfg", "job")
    assert status == 0, err
    name = next((word.removeprefix("problem=") for word in single if word.startswith("problem=")), "heat")
    assert {"bench", "fit"} & set(words) or "data=" in line or f"name: {name}\n" in out


def test_the_run_of_the_first_page_ends_as_it_says(command, here, monkeypatch):
    """The rows of its table, and the formula: digits of round-off and seconds are the machine's."""
    monkeypatch.setenv("COLUMNS", "110")
    (shown,) = (code for kind, _, code in FENCE.findall(README) if kind == "console")
    first, _, rest = shown.partition("\n")
    status, out, _ = command(*shlex.split(first.removeprefix("$ kanpde")))
    assert status == 0
    assert labels(out) == labels(rest)
    said, found = (next(line for line in text.splitlines() if "proved" in line) for text in (rest, out))
    assert said.split() == found.split()


def labels(table):
    """The first column of a printed table, and the last line's word."""
    return [re.split(r"\s{2,}", line.strip())[0].split(" results/")[0] for line in table.splitlines() if line.strip()]


def test_settings_that_the_texts_name_are_there(command):
    _, out, _ = command("--cfg", "job")
    setting = re.compile(r"`(training|sampling|network|symbolic)\.(\w+)[`=]")
    named = {found for text in TEXTS.values() for found in setting.findall(text)}
    assert len(named) > 15
    for group, key in named:
        assert re.search(rf"^{group}:\n(  .*\n)*  {key}:", out, flags=re.MULTILINE), f"{group}.{key}"


def test_every_setting_is_in_the_manual(command):
    _, out, _ = command("--cfg", "job")
    page, group = TEXTS["docs/command-line.md"], ""
    for line in out.splitlines():
        if re.fullmatch(r"\w+:", line):
            group = line[:-1]
        elif group in ("training", "network", "sampling", "symbolic") and re.match(r"  \w", line):
            key = line.split(":")[0].strip()
            assert key == "enabled" or f"`{group}.{key}`" in page, f"{group}.{key}"


def test_the_two_commands_of_the_first_page_are_whole():
    start = "python -m venv .venv && . .venv/bin/activate && pip install -e '.[test]' && "
    blocks = [code.strip() for kind, _, code in FENCE.findall(README) if kind == "bash"]
    assert start + "kanpde" in blocks and start + "python -m pytest -n auto" in blocks


# Tables, numbers and links -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", table("docs/conditions.md", "| condition | meaning |"), ids=lambda row: row[0])
def test_conditions_have_the_signatures_of_the_table(row):
    call = ast.parse(row[0].strip("`"), mode="eval").body
    parameters = inspect.signature(getattr(kanpde, call.func.id)).parameters
    shown = [node.id for node in call.args] + [word.arg for word in call.keywords]
    positional = [name for name, p in parameters.items() if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert shown == positional
    for word in call.keywords:
        expected = ast.literal_eval(word.value)
        assert expected in (..., parameters[word.arg].default)
    assert {"weight", "hard"} <= set(parameters)


def measured(problem, peer):
    """The row of a peer in the benchmark's files: its error as written in tables, and its seconds."""
    files = (ROOT / "results" / "bench").rglob("bench.json")
    rows = [row for file in files for row in json.loads(file.read_text(encoding="utf-8"))["rows"]]
    (row,) = (row for row in rows if (row["problem"], row["peer"]) == (problem, peer))
    seconds, error = row["trace"][-1]
    return f"{error:.1e}", seconds


PEERS = {"pykan": "pykan", "DeepXDE": "deepxde", "jaxKAN": "jaxkan"}


@pytest.mark.parametrize("row", table("README.md", "| problem | kanpde |"), ids=lambda row: row[0])
def test_the_numbers_of_the_first_page_were_measured(row):
    problem = row[0].strip("`")
    ours, peers, spectral = row[1], row[3], row[4]
    assert ours.split()[0] == measured(problem, "kanpde")[0]
    assert spectral.split()[0] == measured(problem, "classical")[0]
    best = min(PEERS, key=lambda name: float(measured(problem, PEERS[name])[0]))
    assert peers == f"{measured(problem, PEERS[best])[0]} ({best})"
    for cell, peer in ((ours, "kanpde"), (spectral, "classical")):
        shown = float(re.search(r"in ([\d.]+) s", cell)[1])
        assert np.isclose(shown, measured(problem, peer)[1], rtol=0.06)


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", TEXTS[page]):
        assert target.startswith("http") or (ROOT / page).parent.joinpath(target).exists(), target


def test_every_page_is_in_the_menu():
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(f": {page.name}" in menu for page in (ROOT / "docs").glob("*.md"))
