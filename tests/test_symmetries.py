"""Null vectors of a field's derivatives: speeds, decay, exponents."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from rough_fields import field, t, x, y

from kanpde import Box
from kanpde.symbolic.families import similarity


@pytest.mark.parametrize(
    ("expression", "multiplier", "variable", "constants"),
    [
        (sp.tanh(2 * x - 3 * t), 0, 1, [-1.5]),
        (sp.exp(-t) * sp.sin(2 * x - 3 * t), 1, 1, [-1.5, -1]),
        (sp.exp(-(x**2) / (4 * t + 2)) / sp.sqrt(4 * t + 2), 1, 1, [0.5, -0.5, -0.5]),
    ],
)
def test_a_null_vector_gives_speed_decay_and_exponents(expression, multiplier, variable, constants):
    found = list(similarity.reductions(field(expression)))
    assert any(
        np.allclose(sorted(r.constants.values()), sorted(constants), atol=1e-3)
        for r in found
        if len(r.constants) == len(constants)
    )
    assert all(r.number <= r.threshold for r in found)


def test_products_and_circles_are_seen():
    assert any(r.variable == x * y for r in similarity.reductions(field(sp.sin(x * y), Box(x=(-1, 1), y=(-1, 1)))))
    circles = similarity.radial(field(sp.log((x - 3) ** 2 + y**2), Box(x=(0, 1), y=(0, 1)), error=1e-8))
    assert circles.number <= circles.threshold and list(circles.constants.values()) == pytest.approx([3], abs=1e-4)
