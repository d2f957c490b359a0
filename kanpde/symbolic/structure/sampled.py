"""A field on a tensor grid with its first and second derivatives and its estimated error."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.geometry.shape import Shape
from kanpde.problem.problem import Problem

# Points per axis, by the number of axes.
RESOLUTION = {1: 256, 2: 64, 3: 24, 4: 10, 5: 6, 6: 5}
# The largest value that is small enough to square.
LARGEST = 1e100
# Bounds of the estimated relative error of a solution.
LEAST_ERROR, LARGEST_ERROR = 1e-10, 0.3
LEAST_BETWEEN_SAMPLES = 1e-4


class Surrogate(Protocol):
    """The part of a solution that the search uses: problem, values, exact derivatives and estimated error."""

    @property
    def problem(self) -> Problem: ...

    @property
    def estimate(self) -> float: ...

    def evaluate(self, points: Array, partial: MultiIndex = ()) -> Array:
        """Return one partial derivative of all fields at points (n, d): (n, fields)."""


@dataclass(frozen=True)
class Sampled:
    """Values, first and second derivatives along every axis on the tensor grid of Gauss–Legendre ``nodes``.

    Arrays have one axis per coordinate; the ``weights`` of every axis sum to one; ``error`` is the estimated relative
    L2 error of the values.
    """

    names: tuple[str, ...]
    nodes: tuple[Array, ...]
    weights: tuple[Array, ...]
    values: Array
    first: tuple[Array, ...]
    second: tuple[Array, ...]
    error: float

    @property
    def dimension(self) -> int:
        return len(self.nodes)

    @property
    def finite(self) -> bool:
        """True if all values and derivatives are finite and small enough to square."""
        parts = (self.values, *self.first, *self.second)
        return all(bool((np.abs(part) < LARGEST).all()) for part in parts)

    @functools.cached_property
    def weight(self) -> Array:
        """The quadrature weights on the whole grid."""
        whole: Array = functools.reduce(np.multiply.outer, self.weights)
        return whole

    @functools.cached_property
    def coordinates(self) -> tuple[Array, ...]:
        """Every coordinate on the whole grid."""
        return tuple(np.meshgrid(*self.nodes, indexing="ij"))

    def norm(self, values: Array | None = None) -> float:
        """Return the root mean square of the values over the box; the default is the field itself."""
        return float(np.sqrt(np.sum(self.weight * np.square(self.values if values is None else values))))

    def outer(self, forward: Callable[[Array], tuple[Array, Array, Array]]) -> Sampled:
        """Return the field g(u), with ``forward(u) = g, g', g''``; the error propagates to first order."""
        g, g1, g2 = forward(self.values)
        spread = self.error * self.norm()
        changed = replace(
            self,
            values=g,
            first=tuple(g1 * slope for slope in self.first),
            second=tuple(g2 * slope**2 + g1 * bend for slope, bend in zip(self.first, self.second, strict=True)),
        )
        return replace(changed, error=spread * changed.norm(g1) / max(changed.norm(), 1e-300))


def sample(solution: Surrogate) -> tuple[Sampled, ...]:
    """Return every field of a solution on a grid in its domain, on a box inside if the domain is no box."""
    domain = solution.problem.domain
    unit, weight = np.polynomial.legendre.leggauss(RESOLUTION[domain.dimension])
    corners = domain.inner_box() if isinstance(domain, Shape) else (domain.low, domain.high)
    nodes = tuple((low + high + (high - low) * unit) / 2 for low, high in zip(*corners, strict=True))
    points = np.stack([column.ravel() for column in np.meshgrid(*nodes, indexing="ij")], axis=1)
    shape, axes = tuple(map(len, nodes)), range(domain.dimension)

    def arrays(partial: MultiIndex) -> Array:
        """Return one partial derivative of all fields: (fields, n1, …, nd)."""
        found = solution.evaluate(points, partial)
        return np.asarray(found.T.reshape(-1, *shape), dtype=np.float64)

    values, first, second = arrays(()), [arrays((a,)) for a in axes], [arrays((a, a)) for a in axes]
    error, weights = estimated_error(solution), (weight / 2,) * domain.dimension
    return tuple(
        Sampled(domain.names, nodes, weights, u, tuple(f[i] for f in first), tuple(s[i] for s in second), error)
        for i, u in enumerate(values)
    )


def estimated_error(solution: Surrogate) -> float:
    """Return the relative error that training estimates, without use of an exact solution.

    A function of data is known at samples only, and may be worse between them and in the corners of its box.
    """
    least = LEAST_ERROR if solution.problem.has_equation else LEAST_BETWEEN_SAMPLES
    return float(np.clip(solution.estimate, least, LARGEST_ERROR))
