"""Factors of a field: integrated, and told apart by their closures."""

from __future__ import annotations

import numpy as np
import sympy as sp
from sampled_fields import field, r, t

from kanpde import Box
from kanpde.symbolic.structure.factors import antiderivative, closures, subspace


def test_values_at_the_nodes_are_integrated():
    nodes, _ = np.polynomial.legendre.leggauss(20)
    found = np.ptp(nodes) * antiderivative(20) @ np.cos(nodes)
    np.testing.assert_allclose(found, np.sin(nodes) + np.sin(1), atol=1e-14)


def test_powers_are_the_exponentials_of_the_logarithm():
    u = field((r**2 - r**-2) * sp.sin(2 * t), Box(r=(1, 2), t=(0, 1)))
    found = [[*start] for bases, start in closures(subspace(u, 0, 1)) if all(b.name == "power" for b in bases)]
    assert any(np.allclose(sorted(start), [-2, 2], atol=1e-5) for start in found if len(start) == 2)
