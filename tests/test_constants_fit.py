"""Constants fitted to the equation: right ones end at round-off, wrong ansätze decades above."""

from dataclasses import dataclass

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Condition, Data, Dirichlet, Initial, Neumann, Periodic, Problem, Robin, load_problem
from kanpde.calculus.expressions import symbols
from kanpde.errors import ProblemError
from kanpde.symbolic.constants.fit import LeastSquares, _Rows, refit

x, t, y = symbols("xty")
A, B, k, rate, shift = symbols(["A", "B", "k", "rate", "shift"])
MODE = A * sp.exp(-rate * t) * sp.sin(k * x)


def test_constants_are_found_to_round_off():
    fit = refit(MODE, {A: 1.1, "rate": 2.8, k: 3.1}, load_problem("heat", diffusivity=0.3))
    assert fit.residual < 1e-14
    assert fit.constants == pytest.approx({"A": 1, "rate": 0.3 * np.pi**2, "k": np.pi}, rel=1e-13)
    assert not fit.undetermined and not fit.redundant
    assert all(spread < 1e-12 for spread in fit.spread.values())


@pytest.mark.parametrize(
    "wrong",
    [A * (1 - rate * t) * sp.sin(k * x), A * sp.exp(-rate * t) * x * (k - x), A / (1 + rate * t) * sp.sin(k * x)],
)
def test_what_is_no_solution_stays_decades_above(wrong):
    assert refit(wrong, {A: 1, rate: 2.9, k: 3.1}, load_problem("heat", diffusivity=0.3)).residual > 1e-3


def test_a_fit_is_the_same_at_every_call_and_on_rows_made_before():
    problem = load_problem("poisson")
    guess = {A: 0.9, k: 3.0}
    ansatz = A * sp.sin(k * x) * sp.sin(k * y)
    assert refit(ansatz, guess, problem) == refit(ansatz, guess, LeastSquares(problem))


@dataclass(frozen=True)
class Everything(Problem):
    """Every condition, at once, for u = sin(x) exp(t)."""

    domain = Box(x=(0, 2 * np.pi), t=(0, 1))
    unknowns = {"drift": 0.9}

    def residual(self, u, x, t, drift):
        return u.t - u.x - drift * torch.exp(t) * (torch.sin(x) - torch.cos(x)) + u * u.xx + u**2

    def conditions(self):
        wall = sp.exp(t)
        return {
            "start": Initial(lambda x: torch.sin(x)),
            "speed": Initial(sp.sin(x), order=1),
            "wall": Dirichlet(0, on="x-"),
            "slope": Neumann(wall, on="x+"),
            "mixed": Robin(2.0, 3.0, -3 * wall, on="x-"),
            "circle": Periodic("x", order=1),
            "own": Condition(lambda u, t: u.x - torch.exp(t), on="x"),
            "measured": Data([[1.0, 0.5]], [np.sin(1) * np.exp(0.5)]),
        }


def test_every_condition_and_the_unknowns_count():
    fit = refit(A * sp.sin(k * x) * sp.exp(rate * t), {A: 1.1, k: 1.02, rate: 0.9}, Everything())
    assert fit.constants == pytest.approx({"drift": 1, "A": 1, "k": 1, "rate": 1}, rel=1e-12)
    assert fit.residual < 1e-13 and set(fit.residuals) == {"residual", *Everything().conditions()}


def test_the_jacobian_is_that_of_the_rows():
    rows = _Rows(LeastSquares(Everything()), (MODE,), {"drift": 0.7, "A": 1.3, "rate": 0.4, "k": 1.2})
    rows.measure(rows.start)
    _, jacobian = rows.rows(rows.start)
    for column in range(4):
        step = np.zeros(4)
        step[column] = 1e-6
        slope = (rows.rows(rows.start + step)[0] - rows.rows(rows.start - step)[0]) / 2e-6
        np.testing.assert_allclose(jacobian[:, column], slope, atol=1e-7)


@dataclass(frozen=True)
class Loose(Problem):
    domain = Box(x=(0, 1))

    def residual(self, u):
        return u.xx

    def conditions(self):
        return {"left": Dirichlet(0, on="x-")}


def test_what_the_conditions_leave_open_is_named_and_told_from_what_says_the_same_twice():
    open_ = refit(A + B * x, {A: 0.1, B: 0.7}, Loose())
    assert [set(direction) for direction in open_.undetermined] == [{"B"}] and not open_.redundant
    twice = refit(
        A * sp.exp(shift - rate * t) * sp.sin(k * x), {A: 1, shift: 0, rate: 9.9, k: 3.1}, load_problem("heat")
    )
    assert [set(direction) for direction in twice.redundant] == [{"A", "shift"}] and not twice.undetermined


def test_an_ansatz_without_constants_or_values_has_a_residual_too():
    assert refit(sp.sin(sp.pi * x) * sp.sin(sp.pi * y), {}, load_problem("poisson")).residual < 1e-14
    assert refit(sp.log(x - A), {A: 3.0}, Loose()).residual == np.inf


@pytest.mark.parametrize(
    ("ansatz", "constants", "said"),
    [
        (x * B, {}, "symbol B"),
        (x, {"x": 1.0}, "'x'"),
        ({"v": x}, {}, "fields u, got v"),
        (A * sp.Function("f")(x), {A: 1}, "f"),
    ],
)
def test_bad_input_is_said(ansatz, constants, said):
    with pytest.raises(ProblemError, match=said):
        refit(ansatz, constants, Loose())
