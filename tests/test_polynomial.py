"""Polynomials, in one coordinate and times other functions."""

from __future__ import annotations

import pytest
import sympy as sp
from sampled_fields import field, misfit, t, x

from kanpde import Box
from kanpde.symbolic.families.polynomial import polynomial_in_one
from kanpde.symbolic.search import proposals
from kanpde.symbolic.structure.atoms import library
from kanpde.symbolic.structure.outer_functions import peeled


@pytest.mark.parametrize("factor", [x * sp.exp(-(x**2)), x * (1 - x) * sp.exp(x), x**2 * sp.cos(3 * x) + sp.sin(3 * x)])
def test_polynomials_times_bells_exponentials_and_waves(factor):
    u = field(factor, Box(x=(0, 2)))
    assert min(p.misfit for p in proposals(u, library()[0])) < 1e-8


def test_a_gaussian_whose_variance_changes():
    variance = 1 + sp.exp(-2 * t)
    u = field(sp.exp(-(x**2) / (2 * variance)) / sp.sqrt(variance), Box(x=(-3, 3), t=(0, 1)), error=0.0)
    name, w, wrap = next(peeled(u))
    found = min(polynomial_in_one(w, name, wrap), key=lambda p: len(p.constants))
    assert misfit(found, u) < 1e-7 and len(found.constants) <= 7
    assert not [*polynomial_in_one(field(sp.sin(x * t), Box(x=(0, 3), t=(1, 3))), "u", lambda w: w)]
