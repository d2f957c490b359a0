"""The architecture, read from the imports: they run down the table of levels only."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kanpde

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "kanpde"


def levels() -> dict[str, int]:
    """Room -> level, read from the table in docs/architecture.md: there is no other."""
    rows = re.findall(r"^\| (\d+) \| ([^|]*) \|", (ROOT / "docs" / "architecture.md").read_text(), flags=re.MULTILINE)
    return {name: int(level) for level, names in rows for name in re.findall(r"`([\w]+)/?`", names)}


LEVEL = levels()


def is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imported(tree: ast.AST, types: bool = True) -> Iterator[str]:
    """Every dotted name that a module imports, at its top or inside a function."""
    for node in ast.iter_child_nodes(tree):
        if is_for_types_only(node) and not types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from imported(node, types)


def modules() -> dict[str, list[Path]]:
    """Every room, a file or a folder of the package, and its files."""
    found: dict[str, list[Path]] = {}
    for file in PACKAGE.rglob("*.py"):
        found.setdefault(file.relative_to(PACKAGE).parts[0].removesuffix(".py"), []).append(file)
    return found


def own(name: str, types: bool = True) -> set[str]:
    """The other rooms of kanpde that a room imports."""
    names = {n for file in modules()[name] for n in imported(ast.parse(file.read_text()), types)}
    return {n.split(".")[1] for n in names if n.startswith("kanpde.")} - {name}


def outside(name: str) -> set[str]:
    """The packages that a module imports other than for their types, by their first word."""
    return {n.split(".")[0] for file in modules()[name] for n in imported(ast.parse(file.read_text()), types=False)}


def test_the_table_names_every_room_once():
    assert set(LEVEL) == set(modules())


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_run_down_the_table(name):
    for other in own(name):
        assert LEVEL[other] < LEVEL[name], f"{name} imports {other}, which stands above or beside it"


def test_no_two_files_need_each_other():
    files = {module_of(file): file for file in PACKAGE.rglob("*.py")}
    left = {name: needed(file, set(files)) - {name} for name, file in files.items()}
    while free := [name for name, needs in left.items() if not needs & set(left)]:
        for name in free:
            del left[name]
    assert not left, f"these import each other in a circle: {sorted(left)}"


def module_of(file: Path) -> str:
    """The dotted name of a file."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def needed(file: Path, known: set[str]) -> set[str]:
    """The modules that a file imports, for their types too."""
    names = {name for name in imported(ast.parse(file.read_text())) if name.startswith("kanpde")}
    return {name if name in known else name.rpartition(".")[0] for name in names}


@pytest.mark.parametrize(
    ("package", "home"), [("matplotlib", "plots"), ("hydra", "cli"), ("omegaconf", "cli"), ("rich", "runs")]
)
def test_heavy_packages_have_one_importer(package, home):
    importers = {name for name in modules() if package in outside(name)}
    assert importers == {home}


def test_optimisers_know_nothing_of_networks_or_equations():
    names = {name for file in (PACKAGE / "optim").glob("*.py") for name in imported(ast.parse(file.read_text()))}
    assert {name for name in names if name.startswith("kanpde") and ".optim" not in name} <= {
        "kanpde.calculus.processes",
        "kanpde.calculus.devices.one_thread",
        "kanpde.calculus.devices.threads_for",
    }


def test_residuals_never_see_an_optimiser():
    """The algebra of least squares is all that the two share."""
    names = set(imported(ast.parse((PACKAGE / "network" / "residuals.py").read_text())))
    assert {name.rpartition(".")[0] for name in names if ".optim" in name} <= {"kanpde.optim.least_squares"}


def test_every_package_is_installed():
    text = (ROOT / "pyproject.toml").read_text()
    listed = set(ast.literal_eval(text.partition("\npackages = ")[2].partition("]")[0] + "]"))
    folders = {".".join(file.parent.relative_to(ROOT).parts) for file in PACKAGE.rglob("*.py")}
    assert listed == folders | {"kanpde.problems", "kanpde.conf"}


def test_every_public_name_is_listed_and_can_be_imported():
    assert set(kanpde.__all__) <= set(dir(kanpde))
    assert all(getattr(kanpde, name) is not None for name in kanpde.__all__)
