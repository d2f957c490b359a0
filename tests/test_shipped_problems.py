"""Every shipped problem with a closed form: it kills the residual and every condition, whatever the parameters."""

from __future__ import annotations

import pytest

from kanpde import load_problem
from kanpde.files import shipped

NAMES = sorted(file.stem for file in shipped("problems").glob("*.py") if not file.stem.startswith("_"))
PROBLEMS = {name: load_problem(name) for name in NAMES}
CLOSED = [name for name in NAMES if hasattr(PROBLEMS[name], "exact")]


def test_enough_have_a_closed_form():
    assert len(CLOSED) >= 40


@pytest.mark.parametrize("name", CLOSED)
def test_the_exact_solution_kills_the_residual_and_every_condition(name):
    assert PROBLEMS[name].check_exact() == []


@pytest.mark.parametrize("name", [name for name in CLOSED if PROBLEMS[name].parameters()])
def test_it_does_for_other_parameters(name):
    given = {key: 1.3 * value for key, value in PROBLEMS[name].parameters().items()}
    assert load_problem(name, **given).check_exact() == []
