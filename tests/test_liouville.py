"""The factor that takes a first derivative away is read off the equation."""

from __future__ import annotations

import sympy as sp
from planted import problem_of
from sampled_fields import field, r, t

from kanpde import Box
from kanpde.symbolic.families.liouville import prefactors
from kanpde.symbolic.families.separated import Separation
from kanpde.symbolic.structure.atoms import VARIABLE


def test_the_factor_without_first_derivative_is_read_off_the_equation():
    ball = problem_of(Box(r=(1, 2), t=(0, 1)), lambda u, r: u.t - u.rr - 2 * u.r / r)
    assert prefactors(ball) == {0: 1 / VARIABLE}
    assert prefactors(problem_of(Box(x=(0, 1), t=(0, 1)), lambda u: u.t - u.xx)) == {}
    assert prefactors(problem_of(Box(x=(0, 1), t=(0, 1)), lambda u: u.t + u * u.x - u.xx)) == {}
    u = field(sp.exp(-(sp.pi**2) * t) * sp.sin(sp.pi * r) / r, ball.domain)
    assert next(Separation(u, "", prefactors=prefactors(ball)).quick()).misfit < 1e-8
    assert next(Separation(u, "").quick()).misfit > 1e-6
