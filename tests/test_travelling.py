"""Waves that travel, and two that run through each other."""

from __future__ import annotations

import pytest
import sympy as sp
from sampled_fields import field, t, x, y

from kanpde import Box
from kanpde.symbolic.families import travelling
from kanpde.symbolic.structure.atoms import library


def test_two_pulses_that_run_through_each_other():
    pulses = sp.exp(-((x - 2 * t) ** 2)) + sp.exp(-((x + 2 * t) ** 2)) / 2
    u = field(pulses, Box(x=(-3, 3), t=(0, 1)))
    assert travelling.speed(u) == pytest.approx(2)
    assert next(travelling.two_waves(u, library(["gaussian"])[0])).misfit < 1e-6
    assert travelling.speed(field(sp.exp(-t) * sp.sin(x), Box(x=(0, 2), t=(0, 1)))) is None
    assert travelling.speed(field(sp.exp(x) * sp.sin(y), Box(x=(0, 1), y=(0, 1)))) is None
