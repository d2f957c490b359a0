"""From the candidates to a formula: the search goes on past what is not proved."""

from __future__ import annotations

import numpy as np
import sympy as sp
from planted import Planted, problem_of
from sampled_fields import t, x

from kanpde import Box, Dirichlet, Initial
from kanpde.symbolic import symbolification
from kanpde.symbolic.symbolification import symbolify


def test_the_search_goes_on_past_what_is_not_proved(monkeypatch):
    """1/(1 - t) is the limit of c tan(c t + d), which solves the equation to round-off for a small c as well."""
    problem = problem_of(
        Box(t=(0, 0.5)), lambda u: u.t - u**2, 1 / (1 - t), conditions=lambda self: {"start": Initial(1)}
    )
    c = sp.Symbol("constant_0", real=True)
    degenerate = (c * sp.tan(c * t + sp.atan(1 / c)), {c: 1e-7})
    right = (1 / (1 - c * t), {c: 1.0})
    monkeypatch.setattr(symbolification, "candidates", lambda *arguments: iter([degenerate, right]))
    formula = symbolify(Planted(problem, 1e-8))
    assert formula.proved and formula.expression == 1 / (1 - t)


def test_an_error_of_algebra_costs_no_more_than_the_formula(monkeypatch):
    def broken(*arguments):
        raise np.linalg.LinAlgError("SVD did not converge")
        yield

    monkeypatch.setattr(symbolification, "candidates", broken)
    lines = []
    problem = problem_of(Box(x=(0, 1)), lambda u: u.xx, x, conditions=lambda self: {"ends": Dirichlet(x, on="x")})
    formula = symbolify(Planted(problem, 1e-8), progress=lines.append)
    assert formula.status == "none" and any("LinAlgError" in line for line in lines)
