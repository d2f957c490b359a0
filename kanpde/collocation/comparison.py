"""Errors of a computed solution against the exact one or a reference, on a dense grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch.quasirandom import SobolEngine

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.errors import ProblemError
from kanpde.geometry.box import as_box
from kanpde.geometry.domain import Domain
from kanpde.geometry.shape import Shape

if TYPE_CHECKING:
    from kanpde.problem.problem import Problem

Mask = npt.NDArray[np.bool_]
Evaluate = Callable[[Array, MultiIndex], Array]

# Points along each axis, by the number of axes; in two dimensions they give seven digits of a smooth solution's norm.
RESOLUTION = {1: 4001, 2: 257, 3: 49, 4: 17, 5: 10, 6: 7}
MANY = 2**13  # number of points with more axes than these
MAX_TENSOR_AXES = 4  # largest number of axes of a tensor grid; with more, too few points would lie along each axis


def grid(domain: Domain, resolution: int | None = None) -> tuple[Array, Array]:
    """Return points (n, d) that fill the domain evenly, and quadrature weights (n,).

    In a box of up to four axes the points are a tensor grid with trapezoidal weights, which are exact for linear
    functions. In other shapes of up to four axes they are about resolution^d points of the shape's own quadrature.
    Elsewhere they are those of 2^m Sobol' points of the bounding box that lie inside, with equal weights; 2^m is
    nearest to resolution^d.
    """
    count = resolution or RESOLUTION.get(domain.dimension) or MANY ** (1 / domain.dimension)
    if domain.dimension <= MAX_TENSOR_AXES and as_box(domain) is None and isinstance(domain, Shape):
        return domain.quadrature(count**domain.dimension)
    if domain.dimension > MAX_TENSOR_AXES or as_box(domain) is None:
        return sobol_grid(domain, round(domain.dimension * math.log2(count)))
    axes = [np.linspace(low, high, count) for low, high in zip(domain.low, domain.high, strict=True)]
    points = np.stack([column.ravel() for column in np.meshgrid(*axes, indexing="ij")], axis=-1)
    line = np.ones(count)
    line[[0, -1]] = 0.5
    weights = np.ones(1)
    for low, high in zip(domain.low, domain.high, strict=True):
        weights = np.multiply.outer(weights, line * (high - low) / (count - 1)).ravel()
    return points, weights


def sobol_grid(domain: Domain, power: int) -> tuple[Array, Array]:
    """Return those of 2^power Sobol' points that lie inside, (n, d), and equal weights (n,).

    The points are moved to the middles of their cells, so they are equidistant along each axis.
    """
    engine = SobolEngine(domain.dimension)  # type: ignore[no-untyped-call]
    unit = engine.draw_base2(power, dtype=torch.float64).numpy() + 0.5 ** (power + 1)
    points = domain.interior(unit)
    return points, np.full(len(points), domain.measure / len(points))


def no_grid(domain: Domain) -> tuple[Array, Array]:
    """Return no points (0, d) and no weights."""
    return np.empty((0, domain.dimension)), np.empty(0)


class Comparison:
    """The known solution of a problem on a grid, computed once to measure the errors of many computed solutions.

    Raises ProblemError if the known solution is not finite at more than a tenth of the points.
    """

    def __init__(self, problem: Problem, resolution: int | None = None) -> None:
        known = any(getattr(problem, name, None) is not None for name in ("exact", "reference"))
        self.points, self._weights = grid(problem.domain, resolution) if known else no_grid(problem.domain)
        self._values = problem.reference_values(self.points)
        has_exact = getattr(problem, "exact", None) is not None
        self._gradient = problem.exact_gradient(self.points) if has_exact else None
        if self._values is not None and problem.partition is not None:
            self._drop(problem.partition.apart(self.points))  # on a seam derivatives, and values, may jump
        if self._values is not None:
            self._drop_singular(problem.name)

    def _drop_singular(self, name: str) -> None:
        """Remove the points at which the known solution is not finite, such as corners; raise ProblemError if many."""
        assert self._values is not None
        keep: Mask = np.asarray(np.isfinite(self._values).all(axis=1))
        if self._gradient is not None:
            keep &= np.isfinite(self._gradient).all(axis=(1, 2))
        if keep.mean() < 0.9:
            share = f"{1 - keep.mean():.0%}"
            raise ProblemError(
                f"expected finite numbers of the solution of {name}, got others at {share} of the points"
            )
        self._drop(keep)

    def _drop(self, keep: Mask) -> None:
        """Remove the points at which `keep` (n,) is not true."""
        assert self._values is not None
        self._gradient = None if self._gradient is None else self._gradient[keep]
        self.points, self._weights, self._values = self.points[keep], self._weights[keep], self._values[keep]

    @property
    def partials(self) -> list[MultiIndex]:
        """The partials that `errors` asks for: none without a known solution, only the values of a reference."""
        if self._values is None:
            return []
        return [(), *((axis,) for axis in range(0 if self._gradient is None else self._gradient.shape[2]))]

    def errors(self, evaluate: Evaluate) -> dict[str, float | None]:
        """Return relative_l2, max_error and relative_h1 of ``evaluate(points (n, d), partial) -> (n, fields)``.

        relative_l2 = sqrt(∫Σ(u - v)² / ∫Σv²) sums over all fields; max_error is absolute; relative_h1 adds all first
        derivatives, and is None if the known solution is a reference, whose derivatives are unknown. All three are None
        if the problem has no known solution.
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
        """Return relative_l2 alone, which is cheaper than `errors`; None if the problem has no known solution."""
        if self._values is None:
            return None
        return _ratio(self._square(evaluate(self.points, ()) - self._values), self._square(self._values))

    def _square(self, values: Array) -> float:
        """Return the squared L2 norm of values (n, ...), summed over all axes but the first."""
        return float(self._weights @ np.square(values).reshape(len(values), -1).sum(axis=1))


def _ratio(above: float, below: float) -> float:
    """Return the relative norm; the absolute one if the solution is zero."""
    return float(np.sqrt(above / below)) if below > 0 else float(np.sqrt(above))


def errors(evaluate: Evaluate, problem: Problem, resolution: int | None = None) -> dict[str, float | None]:
    """Return the errors of one computed solution; see :meth:`Comparison.errors`."""
    return Comparison(problem, resolution).errors(evaluate)


def scores(predicted: Array, measured: Array) -> dict[str, float]:
    """Return mse, mae and rmse over all entries of arrays (n,) or (n, fields), and r2, the mean over the fields.

    A column (n, 1) is an array (n,).

    r2 is 1 − Σ (u − y)² / Σ (y − mean y)² of every field; for constant values it is 1 if they are met and else 0.

    Raises ProblemError if the shapes differ or are empty.
    """
    predicted, measured = (each[:, 0] if each.shape[1:] == (1,) else each for each in (predicted, measured))
    if predicted.shape != measured.shape or not measured.size:
        raise ProblemError(f"expected values of shape {predicted.shape}, one for each point, got {measured.shape}")
    misses = (predicted - measured).reshape(len(measured), -1)
    spreads = (measured - measured.mean(axis=0)).reshape(len(measured), -1)
    missed, spread = np.square(misses).sum(axis=0), np.square(spreads).sum(axis=0)
    shares = np.where(spread > 0, missed / np.where(spread > 0, spread, 1.0), missed > 0)
    mse = float(np.square(misses).mean())
    return {
        "mse": mse,
        "mae": float(np.abs(misses).mean()),
        "rmse": math.sqrt(mse),
        "r2": float(np.mean(1 - shares)),
    }
