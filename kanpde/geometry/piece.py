"""Smooth pieces of a boundary: the parts of which the faces of shapes are made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kanpde.calculus.arrays import Array

Signs = npt.NDArray[np.int64]
# (points (n, k), unit normals (n, k)) -> +1 where a boundary has this normal, -1 where the opposite, 0 where none.
Test = Callable[[Array, Array], Signs]

_PROBES = 4096  # points at which a surface is tested before it is taken as whole


class Piece(ABC):
    """A smooth part of the boundary of a body in k coordinates, with the body on one side of it.

    ``sign`` is +1 if the unit normal that the piece's own formula gives points out of the body, -1 if it points into
    it.
    """

    sign: int

    @property
    @abstractmethod
    def axes(self) -> tuple[int, ...]:
        """The axes along which the normal can be nonzero."""

    @property
    @abstractmethod
    def measure(self) -> float:
        """The length or area; 1 for a point."""

    @abstractmethod
    def spread(self, unit: Array) -> Array:
        """Map points of the unit cube, (n, k-1), onto the piece evenly by measure: (n, k).

        Points of the cube that have no place on the piece give NaN.
        """

    @abstractmethod
    def quadrature(self, count: int) -> tuple[Array, Array]:
        """Return about `count` points (n, k) with weights (n,) that integrate over the piece."""

    @abstractmethod
    def normals(self, points: Tensor) -> Tensor:
        """Return the unit normals (n, k) out of the body at points of the piece; finite values at other points."""

    @abstractmethod
    def distance(self, points: Array) -> Array:
        """Return about the distance of points (n, k) from the piece, exactly 0 up to round-off on it: (n,)."""

    @property
    def extent(self) -> tuple[Array, Array]:
        """The corners of a box around the piece, as small as is known."""
        points, _ = self.quadrature(_PROBES)
        return points.min(axis=0), points.max(axis=0)

    def reversed(self) -> Piece:
        """Return the piece with the body on its other side."""
        return replace(self, sign=-self.sign)  # type: ignore[type-var]

    def kept(self, test: Test, others: Sequence[Piece]) -> Iterator[Piece]:
        """Yield the parts on which a test is not zero, with the normals that it says.

        `others` are the pieces at whose places the test can change.
        """
        points, _ = self.quadrature(_PROBES)
        found = set(np.unique(test(points, normals_at(self, points))).tolist())
        for sign in sorted(found - {0}, reverse=True):
            turned = self if sign > 0 else self.reversed()
            yield turned if len(found) == 1 else Part(turned, test)


def normals_at(piece: Piece, points: Array) -> Array:
    """Return the normals of a piece at points as an array (n, k)."""
    from torch import as_tensor

    return np.asarray(piece.normals(as_tensor(points)).numpy(), dtype=np.float64)


@dataclass(frozen=True)
class End(Piece):
    """The point x of a line, with the body at smaller x if `sign` is 1."""

    x: float
    sign: int = 1

    @property
    def axes(self) -> tuple[int, ...]:
        return (0,)

    @property
    def measure(self) -> float:
        return 1.0

    def spread(self, unit: Array) -> Array:
        return np.full((len(unit), 1), self.x)

    def quadrature(self, count: int) -> tuple[Array, Array]:
        return np.array([[self.x]]), np.ones(1)

    def normals(self, points: Tensor) -> Tensor:
        return points.new_full(points.shape, float(self.sign))

    def distance(self, points: Array) -> Array:
        return np.asarray(np.abs(points[:, 0] - self.x))


@dataclass(frozen=True)
class Part(Piece):
    """The part of a surface on which `test` is 1; points on the rest of it are left out."""

    whole: Piece
    test: Test
    sign: int = 1

    @property
    def axes(self) -> tuple[int, ...]:
        return self.whole.axes

    @property
    def extent(self) -> tuple[Array, Array]:
        return self.whole.extent

    @property
    def measure(self) -> float:
        return float(self.quadrature(16 * _PROBES)[1].sum())

    def spread(self, unit: Array) -> Array:
        points = self.whole.spread(unit)
        points[~self._holds(points)] = np.nan
        return points

    def quadrature(self, count: int) -> tuple[Array, Array]:
        points, weights = self.whole.quadrature(count)
        here = self._holds(points)
        return points[here], weights[here]

    def normals(self, points: Tensor) -> Tensor:
        return self.sign * self.whole.normals(points)

    def distance(self, points: Array) -> Array:
        return self.whole.distance(points)

    def _holds(self, points: Array) -> npt.NDArray[np.bool_]:
        return np.asarray(self.test(points, normals_at(self.whole, points)) > 0)


def gauss(count: int, low: float = -1.0, high: float = 1.0) -> tuple[Array, Array]:
    """Return about `count` nodes in (low, high) and weights: Gauss' rule, on panels of at most 24 nodes."""
    panels = -(-count // 24)
    nodes, weights = np.polynomial.legendre.leggauss(-(-count // panels))
    edges = np.linspace(low, high, panels + 1)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (1 + nodes)).ravel(), (half * weights).ravel()


def tensor(points: Sequence[Any], weights: Sequence[Array]) -> tuple[Array, Array]:
    """Return the products of sets of points (n_i, k_i) and of their weights: (Π n_i, Σ k_i) and (Π n_i,)."""
    index = np.indices([len(w) for w in weights]).reshape(len(weights), -1)
    columns = [np.asarray(p)[i] for p, i in zip(points, index, strict=True)]
    product = np.prod([w[i] for w, i in zip(weights, index, strict=True)], axis=0)
    return np.concatenate([c[:, None] if c.ndim == 1 else c for c in columns], axis=1), product
