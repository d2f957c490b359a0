"""A field on its grid, and the error it is known to."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from planted import Planted, problem_of
from rough_fields import BOX, field, t, x

from kanpde.symbolic.structure.sampled import estimated_error


def test_the_grid_integrates_and_differentiates():
    u = field(sp.sin(x) * t**2, error=0)
    assert np.sum(u.weight) == pytest.approx(1)
    expected = sp.integrate((sp.sin(x) * t**2) ** 2, (x, 0, 2), (t, sp.Rational(1, 2), 2)) / 3
    assert u.norm() ** 2 == pytest.approx(float(expected), rel=1e-12)
    np.testing.assert_allclose(u.second[1], 2 * np.sin(u.coordinates[0]), atol=1e-12)


def test_the_error_is_the_trainings_own():
    planted = Planted(problem_of(BOX, lambda u: u, x), 1e-4)
    assert estimated_error(planted) == pytest.approx(1e-4)
    planted.estimate = np.inf
    assert 0 < estimated_error(planted) < 1
