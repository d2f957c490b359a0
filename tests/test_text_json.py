"""A file of a solution holds a problem that is text; one that is code must be given again."""

import json

import numpy as np
import pytest
import sympy as sp

from kanpde import KAN, Box, Condition, Data, Dirichlet, Initial, Neumann, Robin, Solution, problem_from, solve
from kanpde.errors import ProblemError
from kanpde.problem import text_json
from kanpde.problem.equation_text import exact_decimals

BOX = Box(x=(0, 1), t=(0, 2))
X = sp.Symbol("x")


def again(problem):
    """The problem that is read from its JSON."""
    text = json.loads(json.dumps(text_json.to_json(problem)))
    return text_json.from_json(problem.name, text, problem.parameters())


def test_every_part_is_stored():
    problem = problem_from(
        {"first": "u_t = D*u_xx + k*v", "second": "v_t = v_xx"},
        domain=BOX, parameters={"D": 0.1, "n": 2}, unknowns={"k": 1.0}, fields=("u", "v"), name="two",
        exact={"u": "x^n", "v": sp.exp(X) * sp.pi},
        conditions={
            "start": Initial(sp.sin(sp.pi * X) * sp.Symbol("D") + 0.1, field="u", weight=2.0),
            "left": Dirichlet("exact", on=["x-"]), "right": Robin(1, 0.5, "t^2", on="x+", field="v"),
            "own": Condition("u_x + v", on="x+"), "seen": Data(np.array([[0.5, 0.5]]), np.array([1.0]), field="u"),
        },
    )  # fmt: skip
    found = again(problem)
    assert found.name == "two" and found.domain == BOX and found.fields == ("u", "v")
    assert found.rows == problem.rows and found.parameters() == problem.parameters() == {"D": 0.1, "n": 2}
    assert found.unknowns == {"k": 1.0} and found.exact_functions() == problem.exact_functions()
    assert text_json.to_json(found) == text_json.to_json(problem)
    assert found.prepared["start"].value == exact_decimals(problem.prepared["start"].value)


def test_a_saved_solution_is_loaded_without_its_problem(tmp_path):
    conditions = {"start": Initial(sp.sin(sp.pi * X)), "ends": Dirichlet(0, on="x")}
    problem = problem_from("u_t = D*u_xx", domain=BOX, parameters={"D": 0.3}, conditions=conditions, source="exact",
                           exact="exp(-t)*sin(pi*x)")  # fmt: skip
    stages = [{"optimiser": "gauss_newton", "iterations": 2}]
    solution = solve(problem, KAN(width=[(0, 1)], degree=3, intervals=2), training={"stages": stages}, device="cpu")
    solution.save(tmp_path / "rod.kan")
    loaded = Solution.load(tmp_path / "rod.kan")
    assert loaded.problem.parameters() == {"D": 0.3} and loaded.errors() == solution.errors()
    assert np.array_equal(loaded.residual(x=0.3, t=0.5), solution.residual(x=0.3, t=0.5))


@pytest.mark.parametrize(
    "condition",
    [
        Neumann(lambda t: t, on="x+"), Condition(lambda u: u.x, on="x+"),
        Dirichlet(sp.Piecewise((0, X < 1), (1, True)), on="x+"),
    ],
)  # fmt: skip
def test_code_is_not_stored(condition):
    problem = problem_from("u_t = u_xx", domain=BOX, conditions={"right": condition})
    with pytest.raises(ProblemError, match=r"can't hold its problem: the .*condition 'right'.* give Solution.load\("):
        again(problem)
