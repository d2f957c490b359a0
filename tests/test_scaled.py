"""Functions of data that keep their form under scalings: which scalings, how many, and what follows from them."""

import numpy as np
import pytest
import sympy as sp
from sampled_fields import field, misfit

from kanpde import Box
from kanpde.calculus.expressions import numpy_function, symbols
from kanpde.symbolic.clock import Clock
from kanpde.symbolic.families.scaled import number_of_scalings, reduced, scaled, scalings
from kanpde.symbolic.families.sparse import Samples

BOX = Box(a=(1, 3), b=(1, 2), c=(3, 5), h=(1, 3))
NAMES = ("a", "b", "c", "h")
A, B, C, H = symbols(NAMES)


def scaled_of(expression):
    points = np.random.default_rng(0).uniform(BOX.low, BOX.high, (300, 4))
    values = numpy_function(expression, NAMES)(*points.T)
    return scaled(field(expression, BOX, error=1e-4), Samples.of(NAMES, points, values, 1e-4, None), Clock(1e5))


@pytest.mark.parametrize(
    ("expression", "number"),
    [
        (A * sp.tanh(A * B / (C * H)), 3),  # a function of one variable
        ((A - B * H / C**2) / sp.sqrt(1 - B**2 / C**2), 2),  # the Lorentz transformation of a time
        (A * H**2 * sp.exp(-B * C), 3),
        (sp.sin(A) + sp.exp(B * C) + H**3, 1),
        (sp.sin(A) + sp.exp(B + C / 5) + H**3, 0),
    ],
)
def test_the_number_of_scalings(expression, number):
    known, left = scalings(field(expression, BOX, error=0.0), range(4))
    assert number_of_scalings(left, 1e-3) == number
    for row in known[:number]:
        there = expression.subs({x: x * 3 ** sp.Rational(str(p)) for x, p in zip((A, B, C, H), row, strict=False)})
        ratio = (there / expression).subs({A: 1.3, B: 1.1, C: 3.7, H: 1.9})
        assert float(ratio) == pytest.approx(3 ** row[-1], rel=1e-9)


@pytest.mark.parametrize(
    "expression",
    [
        A * sp.tanh(A * B / (C * H)),
        (A - B * H / C**2) / sp.sqrt(1 - B**2 / C**2),
    ],
)
def test_a_law_of_few_variables_comes_first(expression):
    u = field(expression, BOX, error=0.0)
    assert misfit(next(scaled_of(expression)), u) < 1e-7


def test_no_scaling_is_imagined():
    assert next(scaled_of(sp.sin(A) + sp.exp(B + C / 5) + H**3), None) is None


def test_derivatives_by_the_variables_are_those_of_the_function():
    u = field(A * sp.tanh(A * B / (C * H)), BOX, error=0.0)
    factor, powers = np.array([1.0, 0, 0, 0]), np.array([[1.0, 1, -1, -1]])
    own = reduced(u, ("z",), factor, powers)
    (z,) = own.coordinates
    assert np.allclose(own.values, np.tanh(z), rtol=1e-12)
    assert np.allclose(own.first[0], 1 / np.cosh(z) ** 2, rtol=1e-9)
