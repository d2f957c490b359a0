"""A new problem file: named as asked for, understood by the registry, true, and never in the place of another."""

import pytest

from kanpde import load_problem
from kanpde.errors import ConfigurationError
from kanpde.problem import registry
from kanpde.problem.template import write_problem


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder of a user, and the user in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["rod", "two_rods", "box", "Problem", "dataclass"])
def test_a_new_file_is_a_problem_that_its_exact_solution_solves(here, name):
    assert write_problem(name).resolve() == here / "problems" / f"{name}.py"
    problem = load_problem(name, diffusivity=0.3)
    assert problem.name == name and problem.check_exact() == []
    assert registry.describe(name) == "u_t = D u_xx on (0, 1): a rod with cold ends."
    assert "Template" not in (here / "problems" / f"{name}.py").read_text()


@pytest.mark.parametrize("name", ["", "_rod", "1d", "a-b", "../rod", "class", "null", "NaN", "rod.py"])
def test_a_bad_name_writes_nothing(here, name):
    with pytest.raises(ConfigurationError, match="plain word"):
        write_problem(name)
    assert list(here.iterdir()) == []


def test_a_taken_name_changes_nothing(here):
    file = write_problem("rod")
    file.write_text("mine")
    for name in ("rod", "heat"):
        with pytest.raises(ConfigurationError, match="expected a new name"):
            write_problem(name)
    assert file.read_text() == "mine" and len(list(file.parent.iterdir())) == 1
