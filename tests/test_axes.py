"""Axes: orthonormal polynomials, Gauss points, and finer axes that hold coarser ones."""

from __future__ import annotations

import numpy as np
import pytest
from local_rows import uniform

from kanpde.marching.axes import LegendreAxis, design, gauss_points, gauss_weights, points_of, transfer_matrix


def test_legendre_polynomials_are_orthonormal():
    axis = LegendreAxis(np.array([1.0, 4.0]), 8)
    matrix = np.sqrt(gauss_weights(axis))[:, None] * design(axis, points_of(axis))
    assert np.abs(matrix.T @ matrix - np.eye(9)).max() < 1e-13


@pytest.mark.parametrize(
    "axis", [uniform(0, 2, 5), uniform(0, 2, 9, periodic=True), LegendreAxis(np.array([0.0, 2]), 6)]
)
def test_gauss_points_integrate_and_outnumber_the_functions(axis):
    x, w = points_of(axis), gauss_weights(axis)
    assert len(x) > axis.size and abs(w.sum() - 1) < 1e-14
    assert abs(w @ x**4 - 2**4 / 5) < 1e-12 and 0 < gauss_points(axis).min() < gauss_points(axis).max() < 1


def test_a_finer_axis_holds_the_functions_of_a_coarser_one():
    old, new = uniform(-1, 1, 4), uniform(-1, 1, 8)
    coefficients = np.random.default_rng(0).normal(size=(old.size, 2))
    x = np.linspace(-1, 1, 33)
    assert np.allclose(
        design(new, x) @ (transfer_matrix(old, new) @ coefficients), design(old, x) @ coefficients, atol=1e-11
    )
