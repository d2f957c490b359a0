"""Formulas are made short."""

from __future__ import annotations

import sympy as sp
from sampled_fields import t, x, y

from kanpde.symbolic.proof.simplification import tidy


def test_pairs_of_exponentials_are_hyperbolic_functions_where_that_is_shorter():
    e = sp.exp
    assert tidy((e(2 - 2 * x) + e(2 * x + 2)) / (1 + e(4))) == sp.cosh(2 * x) / sp.cosh(2)
    sinh = (e(sp.pi * y) - e(-sp.pi * y)) * e(sp.pi) * sp.sin(sp.pi * x) / (-1 + e(2 * sp.pi))
    assert tidy(sinh) == sp.sin(sp.pi * x) * sp.sinh(sp.pi * y) / sp.sinh(sp.pi)
    for plain in (e(-t) - e(-2 * t), 1 / (1 + e(-x)), e(-((x - t) ** 2)) + e(-((x + t) ** 2))):
        assert not tidy(plain).has(sp.sinh, sp.cosh)
