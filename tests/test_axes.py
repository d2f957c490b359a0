"""Axes: orthonormal polynomials, Gauss points, and finer axes that hold coarser ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from local_rows import uniform

from kanpde.calculus.legendre import legendre
from kanpde.calculus.splines import clamped_knots, polynomial_pieces
from kanpde.marching.axes import (
    LegendreAxis,
    SplineAxis,
    dense,
    gauss_points,
    gauss_weights,
    transfer_matrix,
)


def test_legendre_polynomials_are_orthonormal():
    axis = LegendreAxis(np.array([1.0, 4.0]), 8)
    matrix = np.sqrt(gauss_weights(axis))[:, None] * axis.design(axis.points)
    assert np.abs(matrix.T @ matrix - np.eye(9)).max() < 1e-13


@pytest.mark.parametrize(
    "axis", [uniform(0, 2, 5), uniform(0, 2, 9, periodic=True), LegendreAxis(np.array([0.0, 2]), 6)]
)
def test_gauss_points_integrate_and_outnumber_the_functions(axis):
    x, w = axis.points, gauss_weights(axis)
    assert len(x) > axis.size and abs(w.sum() - 1) < 1e-14
    assert abs(w @ x**4 - 2**4 / 5) < 1e-12 and 0 < gauss_points(axis).min() < gauss_points(axis).max() < 1


def test_a_finer_axis_holds_the_functions_of_a_coarser_one():
    old, new = uniform(-1, 1, 4), uniform(-1, 1, 8)
    coefficients = np.random.default_rng(0).normal(size=(old.size, 2))
    x = np.linspace(-1, 1, 33)
    assert np.allclose(
        new.design(x) @ (transfer_matrix(old, new) @ coefficients), old.design(x) @ coefficients, atol=1e-11
    )


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("breakpoints", [[0, 2], [0, 0.1, 0.3, 2], np.linspace(0, 2, 12)])
def test_the_splines_of_an_axis_are_those_of_an_edge(periodic, breakpoints):
    axis, random = SplineAxis(np.array(breakpoints, dtype=float), 5, periodic), np.random.default_rng(0).random(40)
    for x in (axis.points, axis.breakpoints, 2 * np.sort(random), 2 * random):
        at = torch.as_tensor(x)
        found, (columns, values) = dense(*axis.local(at, 4), axis.size), axis.basis.local(at[:, None], 4)
        expected = dense(columns[0], values[0], axis.size)
        assert ((found - expected).abs().amax(dim=(0, 2)) < 1e-12 * expected.abs().amax(dim=(0, 2))).all()


def test_pieces_of_even_knots_are_the_same_to_the_last_bit_in_all_units():
    """Otherwise second derivatives of solutions have ten times the rounding errors."""
    knots = clamped_knots(np.arange(7.0), 9)
    assert np.array_equal(polynomial_pieces(3 * knots, 9), polynomial_pieces(knots, 9))


def test_polynomials_at_gauss_points_are_those_at_any_points():
    axis = LegendreAxis(np.array([0.3, 0.35]), 7)
    expected = legendre(torch.as_tensor(axis.points), 0.3, 0.35, 7, 4)
    for orders in (2, 4):  # the first ones are kept
        found = axis.local(torch.as_tensor(axis.points), orders)[1]
        assert torch.allclose(found, expected[:, :orders], rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("axis", [SplineAxis(np.array([0, 0.1, 0.5, 2]), 4), LegendreAxis(np.array([0.0, 2]), 6)])
def test_a_fit_leaves_what_is_orthogonal_in_the_mean(axis):
    values = np.exp(np.stack([axis.points, -3 * axis.points], axis=1))
    left = values - axis.design(axis.points) @ axis.fit(values)
    assert np.abs((axis.design(axis.points) * axis.weights[:, None]).T @ left).max() < 1e-13
