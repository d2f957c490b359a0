"""Errors of a computed solution against the exact one or a reference, on a dense grid of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from kanpde.arrays import Array, MultiIndex
from kanpde.errors import ProblemError
from kanpde.geometry.box import as_box
from kanpde.geometry.domain import Domain

if TYPE_CHECKING:
    from kanpde.problem.problem import Problem

Evaluate = Callable[[Array, MultiIndex], Array]

# Points along each axis, by the number of axes: dense enough for seven digits of a smooth solution's norm in a plane.
RESOLUTION = {1: 4001, 2: 257, 3: 49, 4: 17, 5: 10, 6: 7}
TENSOR = 4  # axes beyond which a tensor grid would have too few different numbers along each


def grid(domain: Domain, resolution: int | None = None) -> tuple[Array, Array]:
    """Return points (n, d) that fill the domain evenly, with weights (n,) to integrate by.

    In a box of up to four axes they are a tensor grid with trapezoidal weights, exact for linear functions; elsewhere
    Sobol' points with equal ones, those inside of 2^m in the bounding box, 2^m nearest to resolution^d.
    """
    count = resolution or RESOLUTION[domain.dimension]
    if domain.dimension > TENSOR or as_box(domain) is None:
        return even(domain, round(domain.dimension * math.log2(count)))
    axes = [np.linspace(low, high, count) for low, high in zip(domain.low, domain.high, strict=True)]
    points = np.stack([column.ravel() for column in np.meshgrid(*axes, indexing="ij")], axis=-1)
    line = np.ones(count)
    line[[0, -1]] = 0.5
    weights = np.ones(1)
    for low, high in zip(domain.low, domain.high, strict=True):
        weights = np.multiply.outer(weights, line * (high - low) / (count - 1)).ravel()
    return points, weights


def even(domain: Domain, power: int) -> tuple[Array, Array]:
    """Return 2^m Sobol' points, those inside, in the middles of their cells: along every axis they are equidistant."""
    # Imported here: scipy.stats takes its time, and few problems have so many coordinates.
    from scipy.stats import qmc

    unit = qmc.Sobol(domain.dimension, scramble=False).random_base2(power) + 0.5 ** (power + 1)
    points = domain.interior(unit)
    return points, np.full(len(points), domain.measure / len(points))


class Comparison:
    """The known solution of a problem on a grid, computed once, for the errors of many computed ones."""

    def __init__(self, problem: Problem, resolution: int | None = None) -> None:
        self.points, self._weights = grid(problem.domain, resolution)
        self._values = problem.reference_values(self.points)
        has_exact = getattr(problem, "exact", None) is not None
        self._gradient = problem.exact_gradient(self.points) if has_exact else None
        if self._values is not None:
            self._drop_singular(problem.name)

    def _drop_singular(self, name: str) -> None:
        """Leave out the points where the known solution is not finite, such as a corner; they have no weight."""
        assert self._values is not None
        keep = np.isfinite(self._values).all(axis=1)
        if self._gradient is not None:
            keep &= np.isfinite(self._gradient).all(axis=(1, 2))
            self._gradient = self._gradient[keep]
        if keep.mean() < 0.9:
            share = f"{1 - keep.mean():.0%}"
            raise ProblemError(
                f"expected finite numbers of the solution of {name}, got others at {share} of the points"
            )
        self.points, self._weights, self._values = self.points[keep], self._weights[keep], self._values[keep]

    def errors(self, evaluate: Evaluate) -> dict[str, float | None]:
        """relative_l2, max_error and relative_h1 of ``evaluate(points (n, d), partial) -> (n, fields)``.

        relative_l2 = sqrt(∫Σ(u - v)² / ∫Σv²) over all fields together; max_error is absolute; relative_h1 adds all
        first derivatives and is None against a reference, which has none. All are None with nothing to compare with.
        """
        if self._values is None:
            return {"relative_l2": None, "max_error": None, "relative_h1": None}
        difference = evaluate(self.points, ()) - self._values
        errors: dict[str, float | None] = {
            "relative_l2": _ratio(self._square(difference), self._square(self._values)),
            "max_error": float(np.max(np.abs(difference))),
            "relative_h1": None,
        }
        if self._gradient is not None:
            axes = range(self._gradient.shape[2])
            slopes = np.stack([evaluate(self.points, (axis,)) for axis in axes], axis=-1)
            above = self._square(difference) + self._square(slopes - self._gradient)
            errors["relative_h1"] = _ratio(above, self._square(self._values) + self._square(self._gradient))
        return errors

    def relative_l2(self, evaluate: Evaluate) -> float | None:
        """The first of the errors alone, for a training that wants it often."""
        if self._values is None:
            return None
        return _ratio(self._square(evaluate(self.points, ()) - self._values), self._square(self._values))

    def _square(self, values: Array) -> float:
        """The squared norm of (n, ...) values, summed over all but the points."""
        return float(self._weights @ np.square(values).reshape(len(values), -1).sum(axis=1))


def _ratio(above: float, below: float) -> float:
    """The relative norm; the absolute one where the solution is zero."""
    return float(np.sqrt(above / below)) if below > 0 else float(np.sqrt(above))


def errors(evaluate: Evaluate, problem: Problem, resolution: int | None = None) -> dict[str, float | None]:
    """The errors of one computed solution; see :meth:`Comparison.errors`."""
    return Comparison(problem, resolution).errors(evaluate)
