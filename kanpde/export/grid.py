"""A solution's values on a grid of its coordinates."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.errors import ConfigurationError
from kanpde.export.exportable import Exportable
from kanpde.geometry.domain import Domain

# Points along each axis by the number of coordinates, so that a grid has at most about 200 000 points.
POINTS = {1: 201, 2: 101, 3: 41, 4: 21, 5: 11, 6: 7}
LEAST = 2  # the same with more coordinates
MOST_POINTS = 20_000_000


@dataclass(frozen=True)
class Grid:
    """`axes` (coordinate -> points) and `fields` (name -> values of the grid's shape), NaN outside the domain.

    `scalars` are numbers that belong to the solution: the unknown constants.
    """

    axes: Mapping[str, Array]
    fields: Mapping[str, Array]
    scalars: Mapping[str, float]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of points along each axis."""
        return tuple(map(len, self.axes.values()))

    def points(self) -> dict[str, Array]:
        """Return the coordinates of all points, each of the grid's shape."""
        return dict(zip(self.axes, np.meshgrid(*self.axes.values(), indexing="ij"), strict=True))

    def at_time(self, index: int) -> Grid:
        """Return the grid without the axis t, at one of its times."""
        place = list(self.axes).index("t")
        axes = {name: axis for name, axis in self.axes.items() if name != "t"}
        return Grid(axes, {name: np.take(v, index, axis=place) for name, v in self.fields.items()}, self.scalars)


def sampled(solution: Exportable, shape: Any = None, times: Any = None) -> Grid:
    """Return a solution on a grid; raise ConfigurationError for a wrong shape, or for times outside the domain."""
    domain = solution.problem.domain
    axes = {
        name: np.linspace(low, high, count)
        for name, low, high, count in zip(domain.names, domain.low, domain.high, _counts(shape, domain), strict=True)
    }
    if times is not None:
        axes["t"] = _times(times, domain)
    size = int(np.prod([len(axis) for axis in axes.values()], dtype=float))
    if size > MOST_POINTS:
        raise ConfigurationError(f"expected at most {MOST_POINTS} points, got {size}; give a smaller shape")
    grid = Grid(axes, {}, {name: float(v) for name, v in solution.unknowns.items() if isinstance(v, numbers.Real)})
    points = np.stack([column.ravel() for column in grid.points().values()], axis=-1)
    values = np.where(domain.contains(points)[:, None], solution.evaluate(points), np.nan)
    fields = {name: v.reshape(grid.shape) for name, v in zip(solution.problem.fields, values.T, strict=True)}
    return Grid(axes, fields, grid.scalars)


def _counts(shape: Any, domain: Domain) -> list[int]:
    names, usual = domain.names, POINTS.get(domain.dimension, LEAST)
    if shape is None or isinstance(shape, int):
        counts = [usual if shape is None else shape] * len(names)
    elif isinstance(shape, Mapping):
        for name in shape:
            domain.axis(name)
        counts = [shape.get(name, usual) for name in names]
    else:
        counts = list(shape) if isinstance(shape, (list, tuple)) else []
    if len(counts) != len(names) or not all(isinstance(n, int) and not isinstance(n, bool) and n > 1 for n in counts):
        raise ConfigurationError(
            f"expected shape as a whole number above 1, or one for each of {', '.join(names)}, got {shape!r}"
        )
    return counts


def _times(times: float | Sequence[float], domain: Domain) -> Array:
    if domain.time is None:
        raise ConfigurationError(f"expected no times for the coordinates {', '.join(domain.names)}; leave them out")
    try:
        found = np.atleast_1d(np.asarray(times, dtype=np.float64))
    except (TypeError, ValueError):
        found = np.empty(0)
    low, high = domain.low[domain.time], domain.high[domain.time]
    increasing = found.ndim == 1 and len(found) and bool((np.diff(found) > 0).all())
    if not increasing or not (low <= found[0] and found[-1] <= high):
        raise ConfigurationError(f"expected increasing times from {low:g} to {high:g}, got {times!r}")
    return found
