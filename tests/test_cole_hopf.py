"""Burgers' equation is found in any scaling, and brought to the heat equation and back."""

from __future__ import annotations

import numpy as np
import sympy as sp
from planted import Planted, problem_of
from sampled_fields import t, x

from kanpde import Box
from kanpde.symbolic.clock import Clock
from kanpde.symbolic.families import cole_hopf
from kanpde.symbolic.families.proposal import evaluated
from kanpde.symbolic.search import Hints
from kanpde.symbolic.structure.atoms import library
from kanpde.symbolic.structure.sampled import sample


def burgers(u):
    return 2 * (u.t + 3 * u * u.x - 0.1 * u.xx)


def test_burgers_equation_in_any_scaling_and_no_other():
    domain = Box(x=(0, 1), t=(0, 1))
    found = cole_hopf.transformation(problem_of(domain, burgers))
    assert (found.rate, found.advection, found.diffusion) == (2, 6, -sp.Rational(1, 5))
    assert found.factor == -sp.Rational(1, 15)
    for residual in (lambda u: u.t - u.xx, lambda u: burgers(u) + u, lambda u: u.t + u**2 * u.x - u.xx):
        assert cole_hopf.transformation(problem_of(domain, residual)) is None


def test_the_way_to_the_heat_equation_and_back():
    heat = 2 + sp.exp(-(sp.pi**2) * t / 10) * sp.cos(sp.pi * x)
    exact = -sp.Rational(1, 15) * sp.diff(heat, x) / heat
    problem = problem_of(Box(x=(0, 1), t=(0, 1)), burgers, exact)
    u = sample(Planted(problem, 0.0))[0]
    d, back = cole_hopf.transformed(u, cole_hopf.transformation(problem))
    expected = evaluated(heat, {}, dict(zip(u.names, u.coordinates, strict=True)))
    ratio = d.values / expected
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-9)
    np.testing.assert_allclose(d.first[1], 0.1 * d.second[0], atol=1e-8)
    assert sp.simplify(back(heat) - exact) == 0
    families = Hints(problem, Clock(60), None).logarithmic(u, library(["sin", "exp"])[0])
    assert min(p.misfit for family in families for p in family) < 1e-8
