"""Legendre polynomials and their derivatives are NumPy's."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from local_rows import F64
from numpy.polynomial import legendre as numpy_legendre

from kanpde.calculus.legendre import legendre


@pytest.mark.parametrize("degree", [0, 1, 2, 11])
def test_legendre_polynomials_and_their_derivatives(degree):
    x = torch.linspace(-0.5, 2.0, 9, dtype=F64)
    s = (2 * x.numpy() - 1.5) / 2.5
    found = legendre(x, -0.5, 2.0, degree, 4).numpy()
    for j, m in itertools.product(range(degree + 1), range(4)):
        series = numpy_legendre.legder(np.eye(degree + 1)[j], m) if m else np.eye(degree + 1)[j]
        expected = np.sqrt(2 * j + 1) * (2 / 2.5) ** m * numpy_legendre.legval(s, series)
        assert np.abs(found[:, m, j] - expected).max() <= 1e-12 * max(1.0, np.abs(expected).max())
