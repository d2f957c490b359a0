"""Sums of products, more of them than the error shows ranks."""

from __future__ import annotations

import sympy as sp
from sampled_fields import field, t, x, y

from kanpde import Box
from kanpde.symbolic.families.separated import Separation


def test_more_waves_than_ranks_are_told_apart():
    modes = sp.sin(sp.pi * x) * sp.sin(sp.pi * y) + sp.sin(5 * sp.pi * x) * sp.sin(sp.pi * y) / 10
    u = field(modes + sp.sin(3 * sp.pi * x) * sp.sin(2 * sp.pi * y) / 4, Box(x=(0, 1), y=(0, 1)))
    # Three amplitudes, three wave numbers in x, two in y.
    assert min(p.misfit for p in Separation(u, "").quick() if len(p.constants) == 8) < 1e-8


def test_five_modes_are_found_where_the_error_shows_five():
    modes = sum(sp.exp(-(k**2) * t) * sp.sin(k * x) / k for k in range(1, 6))
    u = field(modes, Box(x=(0, 3), t=(0, 1)), error=0.0)
    assert next(Separation(u, "").quick()).misfit < 1e-8
