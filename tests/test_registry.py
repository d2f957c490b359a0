"""The registry: files become problems by their names; whatever is wrong with a file is said in one line."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from kanpde.errors import ProblemError
from kanpde.files import shipped
from kanpde.problem import registry

ROD = '''
"""u_t = D u_xx on (0, 2).

More of it.
"""
from __future__ import annotations
from dataclasses import dataclass
import sympy as sp
from kanpde.problem.conditions import Dirichlet, Initial
from kanpde.geometry.box import Box
from kanpde.problem.problem import Problem

@dataclass(frozen=True)
class Rod(Problem):
    """The class."""
    diffusivity: float = 0.3
    modes: int = 1
    kind: str = "plain"
    path: tuple[float, ...] = (0.0, 1.0)
    domain = Box(x=(0, 2), t=(0, 1))

    def residual(self, u, x, t):
        return u.t - self.diffusivity * u.xx

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet(0, on="x")}

    def exact(self, x, t):
        return sp.exp(-self.diffusivity * sp.pi**2 * t / 4) * sp.sin(sp.pi * x / 2)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ./problems of a user, who stands above it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "problems").mkdir()
    return tmp_path / "problems"


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / f"{name}.py"
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    return file


def test_ours_and_theirs_are_found_together(folder: Path) -> None:
    write(folder, "rod", ROD)
    write(folder, "_draft", "1/0")
    found = registry.discover()
    assert found["rod"] == folder / "rod.py" and "_draft" not in found and "__init__" not in found
    ours = {file.stem for file in shipped("problems").glob("*.py") if not file.stem.startswith("_")}
    assert set(found) == ours | {"rod"} and list(found) == sorted(found)


def test_standing_in_the_repository_nothing_is_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shipped("problems").parent)
    assert registry.problem_folders() == [shipped("problems")]
    registry.discover()


def test_without_a_folder_only_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert registry.problem_folders() == [shipped("problems")]


def test_a_name_taken_twice_is_an_error_with_both_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = folder.parent / "shipped"
    other.mkdir()
    monkeypatch.setattr(registry, "shipped", lambda _: other)
    write(other, "rod", ROD)
    write(folder, "rod", ROD)
    write(folder, "my_rod", ROD)
    for ask in (registry.load_problem, registry.load_class, registry.describe):
        with pytest.raises(ProblemError, match="expected one file for the problem 'rod', got ") as caught:
            ask("rod")
        assert str(other / "rod.py") in str(caught.value) and str(folder / "rod.py") in str(caught.value)
    assert registry.ambiguous() == {"rod": str(caught.value)} and list(registry.discover()) == ["my_rod"]
    assert registry.load_problem("my_rod").name == "my_rod"


def test_loading_gives_a_problem_with_its_name_and_parameters(folder: Path) -> None:
    write(folder, "my_rod", ROD)
    problem = registry.load_problem("my_rod", diffusivity=2, path=[1.0, 2.0], modes=3.0)
    assert problem.name == "my_rod"
    assert problem.parameters() == {"diffusivity": 2.0, "modes": 3, "kind": "plain", "path": (1.0, 2.0)}
    assert type(problem.parameters()["diffusivity"]) is float and type(problem.parameters()["modes"]) is int
    assert problem.check_exact() == []


def test_loading_leaves_no_trace(folder: Path) -> None:
    write(folder, "rod", ROD)
    before = list(sys.path), sys.dont_write_bytecode
    registry.load_class("rod")
    assert (list(sys.path), sys.dont_write_bytecode) == before
    assert [path.name for path in folder.iterdir()] == ["rod.py"]


def test_a_file_that_shadows_a_module_hides_nothing(folder: Path) -> None:
    write(folder, "wave", "raise RuntimeError")
    write(folder, "colorsys", ROD)
    import colorsys

    assert hasattr(colorsys, "rgb_to_hsv")
    assert registry.load_problem("colorsys").name == "colorsys"
    with pytest.raises(ProblemError, match="one file"):
        registry.load_class("wave")  # a shipped problem: neither file is guessed at


def test_one_class_as_long_as_the_file_is_the_same(folder: Path) -> None:
    write(folder, "rod", ROD)
    first = registry.load_class("rod")
    assert registry.load_class("rod") is first
    write(folder, "rod", ROD.replace("0.3", "0.75"))
    assert registry.load_problem("rod").parameters()["diffusivity"] == 0.75


def test_the_class_named_like_the_file_is_chosen(folder: Path) -> None:
    write(folder, "hot_rod", ROD + "\nclass HotRod(Rod):\n    pass\n")
    assert registry.load_class("hot_rod").__name__ == "HotRod"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import math\nvalue = math.sqrt(-1)\n", r"problems/bad.py, line 2: ValueError: "),
        ("x = (\n", r"problems/bad.py, line 1: SyntaxError: "),
        ("\nimport nonesuch_module\n", r"problems/bad.py, line 2: ModuleNotFoundError: .*nonesuch_module"),
        ("raise SystemExit(3)", r"problems/bad.py, line 1: SystemExit: 3"),
        ("answer = 42\n", r"problems/bad.py: expected a class derived from Problem, got none; write class Bad"),
        ("from kanpde.problem.problem import Problem\n", "expected a class derived from Problem, got none"),
        (ROD + "\nclass Other(Problem):\n    pass\n", "expected one class.*got Rod, Other"),
        (ROD.replace("x=(0, 2)", "x=(2, 0)"), r"problems/bad.py, line 20: coordinate x expects low < high"),
    ],
)
def test_a_bad_file_is_told_in_one_line(folder: Path, text: str, said: str) -> None:
    write(folder, "bad", text)
    with pytest.raises(ProblemError, match=said) as caught:
        registry.load_problem("bad")
    assert "\n" not in str(caught.value)
    assert "kanpde_problem_bad" not in sys.modules or not said.startswith("problems/bad.py, line")


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"difusivity": 2}, "no parameter 'difusivity'; did you mean 'diffusivity'"),
        ({"diffusivity": float("nan")}, "expected a finite number, got nan"),
        ({"diffusivity": "much"}, "expected a number, got 'much' of type str"),
        ({"diffusivity": True}, "expected a number, got True"),
        ({"diffusivity": None}, "expected a number, got None"),
        ({"modes": 1.5}, "expected a whole number, got 1.5"),
        ({"kind": 3}, "expected a word, got 3"),
        ({"path": [0.0, float("inf")]}, "expected a finite number, got inf"),
        ({"domain": 3}, "no parameter 'domain'"),
    ],
)
def test_bad_parameters_are_told(folder: Path, parameters: dict[str, object], said: str) -> None:
    write(folder, "rod", ROD)
    with pytest.raises(ProblemError, match=said):
        registry.load_problem("rod", **parameters)


def test_unknown_names_bring_the_nearest(folder: Path) -> None:
    write(folder, "rod", ROD)
    with pytest.raises(ProblemError, match="'rodd'; did you mean 'rod'"):
        registry.load_problem("rodd")


def test_a_forgotten_decorator_is_guessed(folder: Path) -> None:
    write(folder, "rod", ROD.replace("@dataclass(frozen=True)\n", ""))
    with pytest.raises(ProblemError, match="@dataclass"):
        registry.load_problem("rod", diffusivity=2.0)
    assert registry.load_problem("rod").parameters() == {}


def test_what_raises_on_construction_is_told(folder: Path) -> None:
    write(folder, "rod", ROD + "\n    def __post_init__(self):\n        raise ValueError('too thin')\n")
    with pytest.raises(ProblemError, match="rod: ValueError: too thin"):
        registry.load_problem("rod")


def test_descriptions_are_read_without_importing(folder: Path) -> None:
    write(folder, "rod", ROD)
    write(folder, "classy", "1/0\nclass A:\n    '''A class.'''\n")
    write(folder, "broken", "def (")
    write(folder, "silent", "x = 1")
    assert registry.describe("rod") == "u_t = D u_xx on (0, 2)."
    assert registry.describe("classy") == "A class."
    assert registry.describe("broken") == registry.describe("silent") == ""


def test_every_shipped_problem_says_its_equation() -> None:
    for name in registry.discover():
        assert len(registry.describe(name)) > 10
