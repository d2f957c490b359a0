"""Knots: estimated errors are near the true ones, and knots go where they are needed."""

from __future__ import annotations

import numpy as np
import pytest
from local_rows import uniform

from kanpde.marching import knot_placement
from kanpde.marching.axes import SplineAxis


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize(("intervals", "degree"), [(12, 5), (24, 7)])
def test_estimated_errors_are_near_those_of_the_best_spline(intervals, degree, periodic):
    axis = uniform(0, 2, intervals, degree, periodic)
    x = axis.points
    coefficients = np.linalg.lstsq(axis.design(x), np.sin(2 * np.pi * x)[:, None], rcond=None)[0]
    fine = np.linspace(0, 2, 2001)
    true = np.sqrt(np.mean((axis.design(fine) @ coefficients[:, 0] - np.sin(2 * np.pi * fine)) ** 2))
    estimate = knot_placement.errors(axis, knot_placement.derivative_sizes(axis, coefficients)).max()
    assert true / 4 < estimate < 8 * true


def test_knots_go_where_the_front_is():
    def front(x):
        return np.tanh(12 * (x - 0.3))

    def missed(axis):
        x, fine = axis.points, np.linspace(-1, 1, 4001)
        coefficients = np.linalg.lstsq(axis.design(x), front(x), rcond=None)[0]
        return coefficients, np.abs(axis.design(fine) @ coefficients - front(fine)).max()

    axis = uniform(-1, 1, 24)
    for _ in range(6):
        coefficients, _ = missed(axis)
        axis = knot_placement.place_knots(
            axis, knot_placement.derivative_sizes(axis, coefficients[:, None]), 1e-8, (24, 24)
        )
    assert axis.intervals == 24 and missed(axis)[1] < missed(uniform(-1, 1, 24))[1] / 10
    assert np.abs(np.median(axis.breakpoints) - 0.3) < 0.1


def test_neighbouring_densities_change_by_a_bounded_factor():
    found = knot_placement.grade(np.array([1e-6, 1.0, 1e-6, 1e-6, 1e-6]))
    assert (found[1:] / found[:-1]).max() <= knot_placement.MAX_DENSITY_RATIO * (1 + 1e-12) and (
        found[:-1] / found[1:]
    ).max() <= knot_placement.MAX_DENSITY_RATIO * (1 + 1e-12)


def test_axes_differ_by_numbers_and_by_places():
    axis = uniform(0, 1, 8)
    moved = axis.breakpoints.copy()
    moved[3] += 0.02
    barely = axis.breakpoints.copy()
    barely[3] += 0.01
    assert knot_placement.differ(uniform(0, 1, 9), axis)
    assert knot_placement.differ(SplineAxis(moved, 7), axis)
    assert not knot_placement.differ(SplineAxis(barely, 7), axis)
