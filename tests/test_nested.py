"""Factors of two levels."""

from __future__ import annotations

import pytest
import sympy as sp
from sampled_fields import field, t, x

from kanpde import Box
from kanpde.symbolic.families.nested import nested
from kanpde.symbolic.families.separated import Separation
from kanpde.symbolic.structure.factors import subspace


@pytest.mark.parametrize(
    "factor", [1 / sp.cos(x), 1 / (1 + x**2), sp.exp(sp.sin(2 * x)), 1 / (2 + sp.exp(-3 * x)), sp.sqrt(1 + x**2)]
)
def test_factors_of_two_levels(factor):
    u = field(factor * sp.exp(-t), Box(x=(-1, 1), t=(0, 1)))
    assert min(f.misfit for f in nested(subspace(u, 0, 1), u.error)) < 1e-8
    assert next(Separation(u, "").quick()).misfit < 1e-8
