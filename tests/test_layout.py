"""The architecture, read from the imports: they run down the table of levels only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "kanpde"

# One line a level, the lowest first; a new module is given its place here. Names separated by | never see each other.
LEVELS = """
    errors
    arguments interrupts operations expressions locations storage device options report
    field geometry splines jets optim
    bases block
    layers initialisation network refinement | residual values constraint measurements exact conditions problem registry
    linearity
    prescribed ansatz sampling
    model window
    loss weighting compare plots
    symbolic
    solution
    trainer training
    progress tensorboard runs
    cli
    __main__ __init__
"""
LEVEL = {
    name: (level, island)
    for level, row in enumerate(LEVELS.strip().splitlines())
    for island, names in enumerate(row.split("|"))
    for name in names.split()
}


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
    """Every module of the package, a subpackage as one, and its files."""
    found: dict[str, list[Path]] = {}
    for file in PACKAGE.rglob("*.py"):
        found.setdefault(file.relative_to(PACKAGE).parts[0].removesuffix(".py"), []).append(file)
    return found


def own(name: str, types: bool = True) -> set[str]:
    """The other modules of kanpde that a module imports."""
    names = {n for file in modules()[name] for n in imported(ast.parse(file.read_text()), types)}
    return {n.split(".")[1] for n in names if n.startswith("kanpde.")} - {name}


def outside(name: str) -> set[str]:
    """The packages that a module imports other than for their types, by their first word."""
    return {n.split(".")[0] for file in modules()[name] for n in imported(ast.parse(file.read_text()), types=False)}


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_run_down_the_table(name):
    assert name in LEVEL, f"give {name} a place in LEVELS"
    level, island = LEVEL[name]
    for other in own(name) - {"__version__"}:
        assert other in LEVEL, f"{name} imports {other}, which has no place in LEVELS"
        above, beside = LEVEL[other]
        assert above <= level, f"{name} imports {other}, which stands above it"
        assert above < level or island == beside, f"{name} imports {other}, which it should not see"


def test_no_two_modules_need_each_other():
    left = {name: own(name, types=False) & set(modules()) for name in modules()}
    while free := [name for name, needs in left.items() if not needs & set(left)]:
        for name in free:
            del left[name]
    assert not left, f"these import each other in a circle: {sorted(left)}"


@pytest.mark.parametrize(
    ("package", "home"), [("matplotlib", "plots"), ("hydra", "cli"), ("omegaconf", "cli"), ("rich", None)]
)
def test_heavy_packages_have_one_importer(package, home):
    importers = {name for name in modules() if package in outside(name)}
    assert importers == ({home} if home else {"progress", "report"})


def test_optimisers_know_nothing_of_networks_or_equations():
    assert own("optim") == set()


def test_the_loss_never_sees_an_optimiser():
    """The algebra of least squares is all that the two share."""
    names = {name for file in modules()["loss"] for name in imported(ast.parse(file.read_text()))}
    assert {name.rpartition(".")[0] for name in names if ".optim" in name} <= {"kanpde.optim.least_squares"}


def test_every_package_is_installed():
    text = (ROOT / "pyproject.toml").read_text()
    listed = set(ast.literal_eval(text.partition("\npackages = ")[2].partition("\n")[0]))
    folders = {".".join(file.parent.relative_to(ROOT).parts) for file in PACKAGE.rglob("*.py")}
    assert listed == folders | {"kanpde.problems", "kanpde.conf"}
