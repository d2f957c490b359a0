"""Self-scaled updates keep what their family promises."""

from __future__ import annotations

import pytest
import torch
from classic_problems import F64
from optimisers import random

from kanpde.optim.broyden import QuasiNewton, scaled_bfgs, scaled_broyden


def updated(rule, inverse, moved, change):
    """H⁺ by the method, from an H that has a scale."""
    method = QuasiNewton(rule)
    method.restore({"inverse": inverse}, {"scaled": True, "correlated": True})
    method._update(moved, change, float(moved @ torch.linalg.solve(inverse, moved)))
    return method.state()[0]["inverse"]


def pair(size, seed):
    """A positive definite H, and s and y with yᵀs > 0."""
    root, moved, change = random(size, size, seed=seed), random(size, seed=seed + 1), random(size, seed=seed + 2)
    return root @ root.T + 0.1 * torch.eye(size, dtype=F64), moved, change * torch.sign(change @ moved)


@pytest.mark.parametrize("rule", [scaled_bfgs, scaled_broyden])
@pytest.mark.parametrize("seed", range(8))
def test_an_update_keeps_the_secant_equation_symmetry_and_positive_definiteness(rule, seed):
    inverse, moved, change = pair(6, seed)
    found = updated(rule, inverse, moved, change)
    rounding = 1e-13 * (found.abs() @ change.abs())  # entries may be larger than their sum by eight decades
    assert ((found @ change - moved).abs() <= rounding + 1e-10).all()
    assert torch.allclose(found, found.T, rtol=1e-12, atol=1e-12)
    assert torch.linalg.eigvalsh(found).min() > 0


@pytest.mark.parametrize("seed", range(3))
def test_without_scaling_the_family_is_bfgs_and_dfp(seed):
    inverse, moved, change = pair(5, seed)
    product = float(moved @ change)
    left = torch.eye(5, dtype=F64) - torch.outer(moved, change) / product
    bfgs = left @ inverse @ left.T + torch.outer(moved, moved) / product
    pulled = inverse @ change
    dfp = inverse - torch.outer(pulled, pulled) / (change @ pulled) + torch.outer(moved, moved) / product
    for phi, expected in ((1.0, bfgs), (0.0, dfp)):
        found = updated(lambda b, h, size, phi=phi: (1.0, phi), inverse, moved, change)
        assert torch.allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_self_scaling_only_shrinks_and_leaves_a_right_scale():
    for b, h in ((4.0, 3.0), (0.5, 2.5), (1.0, 1.0 + 1e-12)):
        assert scaled_bfgs(b, h, 9) == (min(1.0, 1 / b), 1.0)
        tau, _ = scaled_broyden(b, h, 9)
        assert 0 < tau <= 1
    assert scaled_broyden(1.0, 1.0, 9) == pytest.approx((1.0, 1.0), abs=1e-6)
