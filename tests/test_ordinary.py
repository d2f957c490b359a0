"""Solutions of ordinary differential equations are proposed."""

from __future__ import annotations

import sympy as sp
from planted import Planted, problem_of
from sampled_fields import ERROR, misfit, x

from kanpde import Box
from kanpde.symbolic.clock import Clock
from kanpde.symbolic.families.ordinary import general
from kanpde.symbolic.structure.sampled import sample


def solutions(residual, expression, domain, linear=True, functions=None):
    problem = problem_of(domain, residual, expression)
    one = sample(Planted(problem, ERROR))[0]
    return [misfit(p, one) for p in general(one, problem, Clock(60), functions, linear)]


def test_linear_ordinary_equations_give_their_own_solutions():
    found = solutions(lambda u, x: x**2 * u.xx + x * u.x + 4 * u, sp.cos(2 * sp.log(x)), Box(x=(1, 4)))
    assert min(found) < 1e-8
    assert solutions(lambda u, x: u.xx - x * u, x, Box(x=(0, 1))) == []  # Airy's functions are not elementary
    assert solutions(lambda u, x: u.xx + 4 * u, sp.sin(2 * x), Box(x=(0, 1)), functions=["exp"]) == []


def test_constants_that_come_in_nonlinearly_are_tried():
    riccati, domain = (lambda u: u.x - 1 - u**2), Box(x=(0, 1))
    assert min(solutions(riccati, sp.tan(x), domain, linear=False)) < 1e-8
    assert solutions(riccati, sp.tan(x), domain, linear=True) == []
