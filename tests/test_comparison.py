"""Errors: norms of known differences, in closed form."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import sympy as sp

from kanpde.collocation.comparison import MAX_TENSOR_AXES, RESOLUTION, Comparison, errors, grid
from kanpde.errors import ProblemError
from kanpde.geometry.box import Box
from kanpde.problem.problem import Problem

Array = npt.NDArray[np.float64]
BOXES = [
    Box(x=(-1, 2)),
    Box(x=(0, 1), t=(0, 3)),
    Box(x=(0, 1), y=(1, 2), t=(0, 1)),
    Box(a=(0, 1), b=(0, 1), c=(0, 2), t=(0, 1)),
    Box(a=(0, 1), b=(-1, 1), c=(0, 2), d1=(0, 1), t=(0, 1)),
    Box(a=(0, 1), b=(-1, 1), c=(0, 2), d1=(0, 1), d2=(1, 3), t=(0, 1)),
]


class Sine(Problem):
    domain = Box(x=(0, 2), t=(0, 1))

    def residual(self, u):  # type: ignore[no-untyped-def]
        return u.x

    def exact(self, x, t):  # type: ignore[no-untyped-def]
        return sp.sin(sp.pi * x) * sp.exp(-t)


@pytest.mark.parametrize("box", BOXES, ids=repr)
def test_the_grid_integrates(box: Box) -> None:
    points, weights = grid(box)
    tensor = RESOLUTION[box.dimension] ** box.dimension
    assert len(points) == tensor if box.dimension <= MAX_TENSOR_AXES else tensor / 2 < len(points) < 2 * tensor
    assert box.contains(points).all()
    assert weights.sum() == pytest.approx(box.measure, rel=1e-12)
    # The trapezoidal rule, and the middles of equal cells, are exact for linear functions.
    assert weights @ points == pytest.approx(box.measure * (box.low + box.high) / 2, rel=1e-12)
    wave = np.prod(np.cos(np.pi * (points - box.low) / (box.high - box.low)) ** 2, axis=1)
    assert weights @ wave == pytest.approx(box.measure / 2**box.dimension, rel=2e-3)


def test_a_relative_error_is_itself_in_every_norm() -> None:
    problem = Sine()

    def scaled(points: Array, partial: tuple[int, ...]) -> Array:
        known = problem.exact_values(points) if partial == () else problem.exact_gradient(points)[..., partial[0]]
        return 1.001 * known

    found = errors(scaled, problem)
    assert found["relative_l2"] == pytest.approx(1e-3, rel=1e-9)
    assert found["relative_h1"] == pytest.approx(1e-3, rel=1e-9)
    assert found["max_error"] == pytest.approx(1e-3, rel=1e-9)


def test_the_norms_are_the_integrals() -> None:
    """u - v = c x: its norms, and those of v, by hand (v is sin(pi x) exp(-t))."""
    problem = Sine()

    def shifted(points: Array, partial: tuple[int, ...]) -> Array:
        x = points[:, :1]
        if partial == ():
            return problem.exact_values(points) + 0.1 * x
        return problem.exact_gradient(points)[..., partial[0]] + (0.1 if partial == (0,) else 0.0)

    decay = (1 - np.exp(-2)) / 2
    found = errors(shifted, problem)
    assert found["relative_l2"] == pytest.approx(np.sqrt(0.01 * 8 / 3 / decay), rel=1e-4)
    assert found["relative_h1"] == pytest.approx(np.sqrt((0.01 * 8 / 3 + 0.02) / (decay * (2 + np.pi**2))), rel=1e-4)
    assert found["max_error"] == pytest.approx(0.2, rel=1e-12)


def test_fields_are_taken_together() -> None:
    class Two(Problem):
        fields = ("u", "v")
        domain = Box(x=(0, 1))

        def residual(self, u, v):  # type: ignore[no-untyped-def]
            return u.x, v.x

        def exact(self):  # type: ignore[no-untyped-def]
            return 3, 4

    found = errors(lambda points, partial: np.array([3.0, 4.5]) * np.ones((len(points), 1)) * (not partial), Two())
    assert found == {
        "relative_l2": pytest.approx(0.1), "max_error": pytest.approx(0.5), "relative_h1": pytest.approx(0.1),
    }  # fmt: skip


def test_a_reference_has_no_derivatives_and_nothing_has_no_errors() -> None:
    class Referred(Sine):
        exact = None  # type: ignore[assignment]

        def reference(self, x, t):  # type: ignore[no-untyped-def]
            return 1 + 0 * x

    found = errors(lambda points, partial: np.full((len(points), 1), 1.5), Referred())
    assert found == {"relative_l2": pytest.approx(0.5), "max_error": pytest.approx(0.5), "relative_h1": None}

    class Unknown(Sine):
        exact = None  # type: ignore[assignment]

    assert set(errors(lambda points, partial: points, Unknown()).values()) == {None}


def test_the_error_of_zero_is_absolute() -> None:
    class Zero(Sine):
        def exact(self):  # type: ignore[no-untyped-def]
            return 0

    found = errors(lambda points, partial: np.full((len(points), 1), 0.5 * (not partial)), Zero())
    assert found["relative_l2"] == pytest.approx(0.5 * np.sqrt(2))


def test_singular_corners_have_no_weight_and_holes_are_told() -> None:
    class Corner(Sine):
        def exact(self, x, t):  # type: ignore[no-untyped-def]
            return sp.atan(x / t)

    comparison = Comparison(Corner())
    assert len(comparison.points) == 257**2 - 257
    assert comparison.errors(lambda points, partial: np.zeros((len(points), 1)))["relative_l2"] == 1

    class Hole(Sine):
        def exact(self, x, t):  # type: ignore[no-untyped-def]
            return sp.log(x - 1)

    with pytest.raises(ProblemError, match="50% of the points"):
        Comparison(Hole())


def test_a_solution_that_is_not_finite_has_no_finite_error() -> None:
    found = errors(lambda points, partial: np.full((len(points), 1), np.nan), Sine(), resolution=9)
    assert all(value is not None and np.isnan(value) for value in found.values())
