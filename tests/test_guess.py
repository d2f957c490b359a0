"""A problem's guess: the branch that it names, in the march and in the descent."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.optimize import brentq

from kanpde import KAN, Box, Dirichlet, Initial, Integral, Problem, solve
from kanpde.errors import ProblemError
from kanpde.problem.guess import guess_of


class Bratu(Problem):
    domain = Box(x=(0, 1))

    def residual(self, u):
        return u.xx + torch.exp(u)

    def conditions(self):
        return {"ends": Dirichlet(0, on="x")}


class Upper(Bratu):
    def guess(self, x):
        return 4 * sp.sin(sp.pi * x)


class UpperArrays(Bratu):
    def guess(self, x):
        return np.where(x < 0.5, 8 * x, 8 - 8 * x)


def middle(low: float, high: float) -> float:
    """Return u(1/2) of the solution 2 log(cosh θ / cosh(θ (1 − 2x))), √8 θ = cosh θ, with θ between two numbers."""
    return float(2 * np.log(np.cosh(brentq(lambda theta: np.sqrt(8) * theta - np.cosh(theta), low, high))))


LOWER, UPPER = middle(0.0, 1.0), middle(2.0, 4.0)


def test_a_guess_names_the_branch() -> None:
    for problem, value in ((Bratu(), LOWER), (Upper(), UPPER), (UpperArrays(), UPPER)):
        solution = solve(problem)
        assert float(solution(x=0.5)) == pytest.approx(value, rel=1e-6)
        # Without a guess the audit finds the other branch.
        assert solution.verdict == ("doubtful" if type(problem) is Bratu else "solved")


def test_a_network_starts_from_the_guess() -> None:
    solution = solve(Upper(), network=KAN(width=[4], degree=5, intervals=4), training={"target": 1e-4})
    assert float(solution(x=0.5)) == pytest.approx(UPPER, rel=1e-3)


def test_a_guess_names_the_eigenfunction() -> None:
    class String(Problem):
        domain = Box(x=(0, 1))
        unknowns = {"square": 10.0}

        def residual(self, u, square):
            return u.xx + square * u

        def conditions(self):
            return {"ends": Dirichlet(0, on="x"), "size": Integral(1, lambda u: u**2)}

        def guess(self, x):
            return sp.sin(3 * sp.pi * x) + x * (1 - x) / 5

    solution = solve(String())
    assert solution.unknowns["square"] == pytest.approx(9 * np.pi**2, rel=1e-8)
    assert float(solution(x=1 / 6)) == pytest.approx(np.sqrt(2), rel=1e-6)


def test_a_bad_guess_of_an_evolution_does_no_harm() -> None:
    class Logistic(Problem):
        domain = Box(t=(0, 2))

        def residual(self, u):
            return u.t - u * (1 - u)

        def conditions(self):
            return {"start": Initial(sp.Rational(1, 2))}

        def exact(self, t):
            return 1 / (1 + sp.exp(-t))

        def guess(self, t):
            return 1 - t

    assert solve(Logistic()).errors()["relative_l2"] < 1e-9


def test_a_guess_of_a_system_and_mistakes() -> None:
    class Pair(Problem):
        domain = Box(x=(0, 1))
        fields = ("u", "v")

        def residual(self, u, v):
            return u.x - v, v.x + u

        def guess(self, x):
            return {"v": np.cos(x), "u": 0}

    points = torch.linspace(0, 1, 5, dtype=torch.float64)[:, None]
    guess = guess_of(Pair())
    assert guess is not None
    assert torch.allclose(guess(points), torch.stack([torch.zeros(5).double(), points[:, 0].cos()], dim=1))

    class Other(Bratu):
        def guess(self, y):
            return y

    class Broken(Bratu):
        def guess(self, x):
            return np.linalg.norm(x, axis=3)

    with pytest.raises(ProblemError, match="guess of other has an unknown argument 'y'"):
        guess_of(Other())
    broken = guess_of(Broken())
    assert broken is not None
    with pytest.raises(ProblemError, match="guess of broken"):
        broken(points)
