"""Shapes: domains that can be integrated over, combined, and multiplied by a box."""

from __future__ import annotations

import functools
import itertools
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.errors import ProblemError
from kanpde.geometry.boundary import Bounded, Pieces, sobol
from kanpde.geometry.curves import Curve
from kanpde.geometry.domain import interior_points
from kanpde.geometry.piece import Piece, Signs, gauss, normals_at, tensor
from kanpde.geometry.quadrature import by_lines, planar
from kanpde.geometry.surfaces import Cap, Swept

_PROBE = 1e-7  # distance at which the two sides of a boundary are looked at, relative to the shape's size
_FLUX = {2: 2048, 3: 2**17}  # points on every piece from which the measure is found, by the number of coordinates
_DEEP = 9  # points along each side of a box that is to lie inside
_CELL = 4  # Gauss points along each side of a cell


class Shape(Bounded):
    """A domain that knows its boundary; ``|``, ``&``, ``-`` combine shapes, ``*`` multiplies one by a box.

    ``pieces`` are the smooth pieces of every face by name. `inside` is negative inside, positive outside, and about the
    distance near the boundary. A new shape defines `names`, `low`, `high`, `pieces`, `level` and `key`.
    """

    @property
    def steady(self) -> bool:
        """True if the level surely changes by no more than the distance of two points."""
        return True

    @property
    @abstractmethod
    def key(self) -> tuple[Any, ...]:
        """What distinguishes the shape from others of its class."""

    @property
    def named_pieces(self) -> Pieces:
        """The pieces of the boundary by the names that they have in combinations."""
        return self.pieces

    @functools.cached_property
    def _curves(self) -> list[Curve]:
        """All pieces, if they are curves; none otherwise."""
        every = [piece for pieces in self.pieces.values() for piece in pieces]
        curves = [piece for piece in every if isinstance(piece, Curve)]
        return curves if len(curves) == len(every) else []

    @functools.cached_property
    def _measure(self) -> float:
        if self.dimension == 1:
            return float(self._on_a_line(1)[1].sum())
        # The divergence theorem for the field x / d.
        pieces = [piece for pieces in self.pieces.values() for piece in pieces]
        parts = [(piece, *piece.quadrature(_FLUX.get(self.dimension, 2**17))) for piece in pieces]
        return sum(float(w @ (p * normals_at(piece, p)).sum(axis=1)) for piece, p, w in parts) / self.dimension

    @property
    def measure(self) -> float:
        return self._measure

    def quadrature(self, count: int) -> tuple[Array, Array]:
        """Return about `count` points (n, d) inside, and weights (n,); spectrally accurate in the plane."""
        if self.dimension == 1:
            return self._on_a_line(count)
        if self._curves:
            return planar(self._curves, count)
        points, weights = by_lines(self.inside, self.low, self.high, count)
        return points, weights * (self.measure / weights.sum())

    def _on_a_line(self, count: int) -> tuple[Array, Array]:
        ends = np.sort([end.quadrature(1)[0][0, 0] for pieces in self.pieces.values() for end in pieces])
        each = -(-2 * count // len(ends))
        parts = [gauss(each, a, b) for a, b in zip(ends[::2], ends[1::2], strict=True)]
        return np.concatenate([p for p, _ in parts])[:, None], np.concatenate([w for _, w in parts])

    def interior_points(self, cells: int | Sequence[int | Array], nodes: int = _CELL) -> tuple[Array, Array]:
        """Return the Gauss points (n, d) of the cells of a grid that lie inside, and their weights (n,) in the cells.

        `cells` is the number of cells along every axis of the bounding box, or along each, or each axis' cell borders.
        `nodes` is the number of Gauss points along each side of a cell.
        """
        given: list[int | Array] = [cells] * self.dimension if isinstance(cells, int) else list(cells)
        edges = [
            np.linspace(low, high, cut + 1) if isinstance(cut, (int, np.integer)) else np.asarray(cut)
            for cut, low, high in zip(given, self.low, self.high, strict=True)
        ]
        unit, share = np.polynomial.legendre.leggauss(nodes)
        lines = [(e[:-1, None] + np.diff(e)[:, None] * (1 + unit) / 2).ravel() for e in edges]
        points, weights = tensor(lines, [np.multiply.outer(np.diff(e) / 2, share).ravel() for e in edges])
        here = self.contains(points)
        return points[here], weights[here]

    def sample_interior(self, count: int, seed: int = 0) -> Array:
        """Return `count` quasi-random points inside, (count, d), evenly by measure."""
        return interior_points(self, count, sobol(seed))

    def inner_box(self) -> tuple[Array, Array]:
        """Return the low and the high corner of a large box inside: one around the deepest point, grown side by side.

        It is inside at the points of a grid on it, so it may cut off what is smaller than the grid's cells.
        """
        lines = [np.linspace(0, 1, _DEEP)] * self.dimension
        unit = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, self.dimension)
        span = self.high - self.low

        def holds(low: Array, high: Array) -> bool:
            return bool(self.contains(low + unit * (high - low)).all())

        deepest = self.low + unit[self.inside(self.low + unit * span).argmin()] * span
        sizes = np.linspace(0.5, 0.0, 200)[:, None] * span
        boxes = [(np.maximum(deepest - s, self.low), np.minimum(deepest + s, self.high)) for s in sizes]
        low, high = next((box for box in boxes if holds(*box)), boxes[-1])
        for size in np.repeat(np.geomspace(0.25, 1e-3, 9), 4):
            for step in np.eye(self.dimension) * size * span:
                lower, higher = np.maximum(low - step, self.low), np.minimum(high + step, self.high)
                low = lower if holds(lower, high) else low
                high = higher if holds(low, higher) else high
        return low, high

    def outline(self, count: int = 200) -> list[Array]:
        """Return the boundary of a plane shape as polygons (n, 2), one for each piece; nothing in other dimensions."""
        return [curve.at(np.linspace(curve.start, curve.end, count + 1)) for curve in self._curves]

    # Combinations ----------------------------------------------------------------------------------------------------

    @property
    def factor(self) -> Shape | None:
        """The box that multiplies the shape, such as that of time; None if it is no product."""
        return None

    def divided(self, factor: Shape) -> Shape | None:
        """Return the shape whose product with `factor` this shape is; None if there is none."""
        return None

    def __or__(self, other: object) -> Shape:
        return combined("|", self, other) if isinstance(other, Shape) else NotImplemented

    def __and__(self, other: object) -> Shape:
        return combined("&", self, other) if isinstance(other, Shape) else NotImplemented

    def __sub__(self, other: object) -> Shape:
        return combined("-", self, other) if isinstance(other, Shape) else NotImplemented

    def __mul__(self, other: object) -> Shape:
        if not isinstance(other, Shape):
            return NotImplemented
        if not other.is_box:
            raise ProblemError(f"a product expects a Box on its right, got {other}; write it as shape * Box(t=(0, 1))")
        return Product(self, other)

    @property
    def is_box(self) -> bool:
        """True for boxes."""
        return False

    def __eq__(self, other: object) -> bool:
        return (
            type(self) is type(other)
            and isinstance(other, Shape)
            and (self.names, self.key) == (other.names, other.key)
        )

    def __hash__(self) -> int:
        return hash(self._all)

    @property
    def _all(self) -> tuple[Any, ...]:
        return type(self), self.names, self.key


_LEVELS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "|": torch.minimum,
    "&": torch.maximum,
    "-": lambda first, second: torch.maximum(first, -second),
}


class Combination(Shape):
    """The union, intersection or difference of two shapes over the same coordinates.

    Its faces are the parts' faces without what lies inside or outside the other part. Raises ProblemError if nothing is
    left, or if nothing is taken away.
    """

    def __init__(self, operation: str, first: Shape, second: Shape) -> None:
        self.operation, self.first, self.second = operation, first, second
        self.names = first.names
        both = np.minimum(first.low, second.low), np.maximum(first.high, second.high)
        inner = np.maximum(first.low, second.low), np.minimum(first.high, second.high)
        self.low, self.high = {"|": both, "&": inner, "-": (first.low, first.high)}[operation]
        if operation == "-" and not (inner[0] < inner[1]).all():
            raise ProblemError(f"expected a part of {first} to take away, got {second} outside of it; move or drop it")
        if not self.pieces:
            raise ProblemError(
                f"expected a domain that is not empty, got {self}; move one of its parts or leave it out"
            )
        if self.dimension < 4:
            low, high = zip(*(piece.extent for pieces in self.pieces.values() for piece in pieces), strict=True)
            self.low, self.high = np.maximum(self.low, np.min(low, axis=0)), np.minimum(self.high, np.max(high, axis=0))
        self.low.setflags(write=False)
        self.high.setflags(write=False)

    @functools.cached_property
    def pieces(self) -> Pieces:
        probe = _PROBE * max(self.first.size, self.second.size)

        def sides(points: Array, normals: Array) -> Signs:
            within, beyond = (self.inside(points + step * normals) < 0 for step in (-probe, probe))
            return within.astype(np.int64) - beyond.astype(np.int64)

        def sides_of_second(points: Array, normals: Array) -> Signs:
            # Where the boundaries coincide, the first shape has the face.
            return np.where(np.abs(self.first.inside(points)) < probe / 100, 0, sides(points, normals))

        found: dict[str, tuple[Piece, ...]] = {}
        for shape, other, test in (
            (self.first, self.second, sides),
            (self.second, self.first, sides_of_second),
        ):
            others = [piece for pieces in other.pieces.values() for piece in pieces]
            for name, pieces in shape.named_pieces.items():
                parts = tuple(itertools.chain.from_iterable(piece.kept(test, others) for piece in pieces))
                if parts:
                    found[name] = (*found.get(name, ()), *parts)
        return found

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The parts' groups, without the faces that are gone."""
        both: dict[str, tuple[str, ...]] = {}
        for part in (self.first, self.second):
            for name, faces in part.groups.items():
                left = tuple(face for face in faces if face in self.pieces)
                both[name] = tuple(dict.fromkeys((*both.get(name, ()), *left)))
        return {name: faces for name, faces in both.items() if faces}

    def level(self, points: Tensor) -> Tensor:
        return _LEVELS[self.operation](self.first.level(points), self.second.level(points))

    @property
    def steady(self) -> bool:
        return self.first.steady and self.second.steady

    @property
    def key(self) -> tuple[Any, ...]:
        return self.operation, self.first, self.second

    def __repr__(self) -> str:
        second = f"({self.second})" if isinstance(self.second, Combination) else f"{self.second}"
        return f"{self.first} {self.operation} {second}"


class Product(Shape):
    """A shape times a box over other coordinates, such as time or parameters."""

    shape: Shape
    box: Shape

    def __init__(self, shape: Shape, box: Shape) -> None:
        inner = shape
        if isinstance(inner, Product):
            shape, box = inner.shape, inner.box * box
        shared = sorted(set(shape.names) & set(box.names))
        if shared:
            raise ProblemError(f"a product expects different coordinates, got {', '.join(shared)} in both")
        self.shape, self.box, self.names = shape, box, (*shape.names, *box.names)
        self.low, self.high = np.concatenate([shape.low, box.low]), np.concatenate([shape.high, box.high])

    @functools.cached_property
    def pieces(self) -> Pieces:
        low, high, k = tuple(self.box.low.tolist()), tuple(self.box.high.tolist()), self.shape.dimension
        swept = {n: tuple(Swept(piece, low, high, k) for piece in ps) for n, ps in self.shape.pieces.items()}
        return {**swept, **{n: tuple(Cap(self.shape, end) for end in ends) for n, ends in self.box.pieces.items()}}

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The groups of both."""
        return {**self.shape.groups, **self.box.groups}

    def level(self, points: Tensor) -> Tensor:
        k = self.shape.dimension
        return torch.maximum(self.shape.level(points[..., :k]), self.box.level(points[..., k:]))

    def contains(self, points: Array) -> npt.NDArray[np.bool_]:
        # Each with its own round-off, because units differ.
        k = self.shape.dimension
        return self.shape.contains(points[..., :k]) & self.box.contains(points[..., k:])

    @property
    def measure(self) -> float:
        return self.shape.measure * self.box.measure

    def quadrature(self, count: int) -> tuple[Array, Array]:
        k = self.shape.dimension
        inner = self.shape.quadrature(max(1, round(count ** (k / self.dimension))))
        rest = self.box.quadrature(max(1, round(count ** (1 - k / self.dimension))))
        return tensor([inner[0], rest[0]], [inner[1], rest[1]])

    def outline(self, count: int = 200) -> list[Array]:
        """Return the outline of the shape."""
        return self.shape.outline(count)

    def inner_box(self) -> tuple[Array, Array]:
        """Return the corners of a box in the shape, times the product's box."""
        low, high = self.shape.inner_box()
        return np.concatenate([low, self.box.low]), np.concatenate([high, self.box.high])

    @property
    def factor(self) -> Shape | None:
        return self.box

    def divided(self, factor: Shape) -> Shape | None:
        return self.shape if factor == self.box else None

    @property
    def steady(self) -> bool:
        return self.shape.steady

    @property
    def key(self) -> tuple[Any, ...]:
        return self.shape, self.box

    def __repr__(self) -> str:
        return f"({self.shape}) * {self.box}" if isinstance(self.shape, Combination) else f"{self.shape} * {self.box}"


def combined(operation: str, first: Shape, second: Shape) -> Shape:
    """Return the combination of two shapes; that of two products with the same box is again such a product.

    Raises ProblemError if the coordinates differ, if the combination is empty, or if a shape would change in time.
    """
    if first.names != second.names:
        raise ProblemError(
            f"expected shapes over the same coordinates for {operation}, got {', '.join(first.names)} and "
            f"{', '.join(second.names)}; name them by coordinates=, multiply by a Box(t=...) last"
        )
    for factor in (first.factor, second.factor):
        parts = None if factor is None else (first.divided(factor), second.divided(factor))
        if factor is not None and parts and parts[0] is not None and parts[1] is not None:
            return Product(combined(operation, parts[0], parts[1]), factor)
    if first.time is not None:
        raise ProblemError(
            f"expected the same interval of t for {operation}, got {first} and {second}; multiply by a Box(t=...) last"
        )
    return Combination(operation, first, second)
