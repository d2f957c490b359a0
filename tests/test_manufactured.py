"""Manufactured right-hand sides: solved, proved, and refused where they make no sense."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import sympy as sp
import torch

from kanpde import Box, Dirichlet, Initial, Problem, certify, solve
from kanpde.errors import ProblemError


class Made(Problem):
    domain = Box(x=(0, 1), t=(0, 1))
    source = "exact"

    def residual(self, u, x):
        return u.t - u.xx + x * u**2

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        return sp.sin(3 * x) * (1 + t**2)


@dataclass(frozen=True)
class Pair(Problem):
    rate: float = 2.0

    domain = Box(x=(0, 1))
    fields = ("u", "v")
    source = "exact"

    def residual(self, u, v):
        return {"one": u.xx + u * v, "two": self.rate * v.xx - u}

    def conditions(self):
        return {"ends": Dirichlet("exact", on="x")}

    def exact(self, x):
        return sp.exp(x), sp.cos(self.rate * x)


def test_any_function_solves_any_equation() -> None:
    for problem in (Made(), Pair()):
        assert problem.check_exact() == []
        solution = solve(problem)
        assert solution.errors()["relative_l2"] < 1e-9
        assert solution.verdict == "solved"


def test_the_proof_has_the_source() -> None:
    x, t = sp.symbols("x t", real=True)
    assert certify(sp.sin(3 * x) * (1 + t**2), {}, Made()).status == "proved"
    assert certify(sp.sin(3 * x), {}, Made()).status == "none"


def test_the_source_is_evaluated_once_for_the_same_points() -> None:
    calls = []

    class Counting(Made):
        def residual(self, u, x):
            calls.append(len(x))
            return u.t - u.xx

    from kanpde.collocation.rows import Placed

    block = Counting().blocks()[0]
    points = torch.rand(6, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    placed = Placed.at(block, ("x", "t"), points, None)
    jet = torch.zeros(6, len(placed.plan), 1, dtype=torch.float64)
    calls.clear()
    first, second = placed.rows([jet], {}), placed.rows([jet], {})
    assert torch.equal(first, second)
    assert len(calls) == 3  # twice for the rows, once for the source
    points[0] = 0.25  # changed in place: the source is, too
    assert not torch.equal(placed.rows([jet], {})[:, 0], first[:, 0])


def test_mistakes_are_one_line() -> None:
    class NoSolution(Made):
        exact = None  # type: ignore[assignment]

    class Word(Made):
        source = "hat"

    class Inverse(Made):
        unknowns = {"k": 1.0}

    for problem, text in ((NoSolution(), "needs a method exact"), (Word(), "got 'hat'"), (Inverse(), "no unknowns")):
        with pytest.raises(ProblemError, match=text):
            problem.blocks()


def test_a_method_named_source_is_a_method() -> None:
    class Own(Problem):
        domain = Box(x=(0, 1))

        def source(self, x):
            return torch.sin(x)

        def residual(self, u, x):
            return u.xx + self.source(x)

    assert not Own().manufactured
    assert Own().blocks()
