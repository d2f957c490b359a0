"""Reductions of fields with a symmetry, and none where there is no symmetry."""

from __future__ import annotations

import pytest
import sympy as sp
from sampled_fields import field, x, y, z

from kanpde import Box
from kanpde.symbolic.families.similarity import radial, reduced, reductions
from kanpde.symbolic.structure.atoms import library


def test_circles_in_three_dimensions():
    domain = Box(x=(1, 2), y=(1, 2), z=(1, 2))
    found = radial(field(1 / sp.sqrt((x - 3) ** 2 + y**2 + z**2), domain))
    assert found.number < found.threshold and [*found.constants.values()] == pytest.approx([3])
    found = radial(field(sp.exp(x) * sp.sin(y) * z, domain))
    assert found is None or found.number > found.threshold


def test_a_ratio_is_taken_by_what_stays_away_from_zero():
    u = field(sp.atan(y / x), Box(x=(1, 2), y=(0, 1)))
    (form,) = [reduction for reduction in reductions(u) if reduction.name == "x u_x, t u_t, u"]
    assert form.variable.has(y) and sp.diff(form.variable, y, 2) == 0
    assert next(reduced(u, library(["atan"])[0], form)).misfit < 1e-6
