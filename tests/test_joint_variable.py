"""Two coordinates that come only as a product or a quotient are one variable."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import sympy as sp

from kanpde import Box
from kanpde.calculus.expressions import numpy_function, symbols
from kanpde.symbolic.families.joint_variable import joint, reduced_fields
from kanpde.symbolic.structure.atoms import library
from kanpde.symbolic.structure.sampled import sample

NAMES = ("x", "k", "t")
x, k, t = symbols(NAMES)


def field_of(expression):
    """The field of a formula in a box, with exact derivatives."""
    problem = SimpleNamespace(domain=Box(x=(0.2, 1), k=(0.5, 2), t=(0.1, 0.9)), has_equation=True)

    def evaluate(points, partial=()):
        derivative = sp.diff(expression, *(symbols(NAMES)[axis] for axis in partial)) if partial else expression
        return np.broadcast_to(numpy_function(derivative, NAMES)(*points.T), len(points))[:, None]

    (field,) = sample(SimpleNamespace(problem=problem, estimate=1e-10, evaluate=evaluate))
    return field


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        (sp.sin(sp.pi * x) * sp.exp(-k * t), [(1, k * t)]),
        (sp.log(x + t / k), [(-1, t / k)]),
        (sp.exp(x * t) + k, [(1, x * t)]),  # k is a coordinate of its own
        (sp.sin(x + k * t**2), []),
    ],
    ids=str,
)
def test_a_joint_variable_is_found_where_there_is_one(expression, found):
    reduced = [(sign, wrap(symbols(field.names)[-1])) for sign, field, wrap in reduced_fields(field_of(expression))]
    assert reduced == found


def test_the_formula_of_a_decay_for_all_rates_is_proposed():
    """v(x, s) = sin(πx) exp(-s) of the slice gives sin(πx) exp(-k t)."""
    exact = sp.sin(sp.pi * x) * sp.exp(-k * t)
    field = field_of(exact)
    streams = joint(field, library())
    proposals = [each for stream in streams for each in itertools.islice(stream, 8)]
    assert proposals
    points = np.random.default_rng(0).uniform((0.2, 0.5, 0.1), (1, 2, 0.9), (50, 3)).T
    expected = numpy_function(exact, NAMES)(*points)
    found = [numpy_function(each.expression.subs(each.constants), NAMES)(*points) for each in proposals]
    assert min(np.abs(values - expected).max() for values in found) < 1e-6
