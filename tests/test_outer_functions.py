"""Outer functions: the chain rule, inverses and derivatives."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from rough_fields import field, t, x

from kanpde.symbolic.structure import outer_functions


def test_an_outer_function_follows_the_chain_rule():
    u, log = field(sp.exp(x * t**2), error=0), field(x * t**2, error=0)
    name, peeled, back = next(outer_functions.peeled(u))
    assert name == "log u" and back(x) == sp.exp(x)
    for found, expected in zip((peeled.values, *peeled.second), (log.values, *log.second), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-11)


@pytest.mark.parametrize("outer", outer_functions.OUTER, ids=lambda outer: outer.name)
def test_every_outer_function_has_its_inverse_and_derivatives(outer):
    u = np.linspace(0.55, 0.9, 5) if outer.name != "tan u/4" else np.linspace(0.5, 3, 5)
    assert outer.fits(u)
    g, first, second = outer.forward(u)
    back = sp.lambdify(x, outer.back(x))
    np.testing.assert_allclose(back(g), u, rtol=1e-12)
    h = 1e-5
    np.testing.assert_allclose((outer.forward(u + h)[0] - outer.forward(u - h)[0]) / (2 * h), first, rtol=1e-7)
    np.testing.assert_allclose((outer.forward(u + h)[1] - outer.forward(u - h)[1]) / (2 * h), second, rtol=1e-6)
