"""Factors of a field: integrated, and told apart by their closures."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from sampled_fields import field, r, t

from kanpde import Box
from kanpde.symbolic.structure.atoms import VARIABLE as S
from kanpde.symbolic.structure.factors import antiderivative, closures, exponential, polynomial, subspace, wave
from kanpde.symbolic.structure.limits import limits
from kanpde.symbolic.structure.variable_projection import Fit, Target


def test_values_at_the_nodes_are_integrated():
    nodes, _ = np.polynomial.legendre.leggauss(20)
    found = np.ptp(nodes) * antiderivative(20) @ np.cos(nodes)
    np.testing.assert_allclose(found, np.sin(nodes) + np.sin(1), atol=1e-14)


def test_powers_are_the_exponentials_of_the_logarithm():
    u = field((r**2 - r**-2) * sp.sin(2 * t), Box(r=(1, 2), t=(0, 1)))
    found = [[*start] for bases, start in closures(subspace(u, 0, 1)) if all(b.name == "power" for b in bases)]
    assert any(np.allclose(sorted(start), [-2, 2], atol=1e-5) for start in found if len(start) == 2)


SLOW, FAST, NOISE = 0.05, 2.0, 1e-3
SPANS = {
    "a wave of s²": ((wave(S**2),), (SLOW,), (FAST,), (1, S**2)),
    "1 and an exponential": ((*polynomial(0), exponential()), (SLOW,), (FAST,), (1, S)),
    "two exponentials": ((exponential(), exponential()), (SLOW, -SLOW), (FAST, -FAST), (1, S)),
}


@pytest.mark.parametrize("bases, slow, fast, limit", SPANS.values(), ids=SPANS)
def test_slow_exponentials_and_waves_of_noisy_fields_have_polynomials_as_limits(bases, slow, fast, limit):
    nodes, weights = np.polynomial.legendre.leggauss(20)
    values = np.stack([np.broadcast_to(sp.lambdify(S, sp.sympify(f))(nodes), 20) for f in limit], axis=1)
    target = Target.of(nodes, values, weights)
    (found,) = limits(target, Fit(bases, np.array(slow), NOISE), NOISE)
    assert found.functions(S, []) == list(limit) and found.misfit < 1e-14
    assert not [*limits(target, Fit(bases, np.array(fast), NOISE), NOISE)]
    assert not [*limits(target, Fit(bases, np.array(slow), NOISE), 1e-10)], "without noise it is a slow wave"
