"""Shapes put together from others by their levels and chosen pieces of their boundaries: regions and parts of faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.errors import ProblemError
from kanpde.geometry.boundary import Pieces
from kanpde.geometry.box import Box, as_box
from kanpde.geometry.domain import Domain
from kanpde.geometry.piece import Piece, Signs
from kanpde.geometry.shape import Product, Shape


class Patch(Shape):
    """A shape with a given level, bounding box, measure and pieces of its boundary, which may be some of them only.

    Points on its faces are those of the given pieces; points inside are those of a negative level.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        low: Array,
        high: Array,
        level: Callable[[Tensor], Tensor],
        measure: float,
        pieces: Pieces | None = None,
    ) -> None:
        self.names, self.low, self.high = names, np.array(low), np.array(high)
        self._level, self._volume, self._pieces = level, measure, dict(pieces or {})

    @property
    def pieces(self) -> Pieces:
        return self._pieces

    def level(self, points: Tensor) -> Tensor:
        return self._level(points)

    @property
    def measure(self) -> float:
        return self._volume

    @property
    def steady(self) -> bool:
        return False

    @property
    def key(self) -> tuple[Any, ...]:
        return (id(self),)

    def __repr__(self) -> str:
        return f"Patch({', '.join(self.names)})"


def over(shape: Shape, domain: Domain) -> Shape:
    """Return a shape times the interval of every coordinate of a domain that the shape does not have.

    Raises ProblemError if the shape has other coordinates than the domain, or in another order.
    """
    unknown = [name for name in shape.names if name not in domain.names]
    if unknown:
        raise ProblemError(f"expected the coordinates {', '.join(domain.names)}, got {', '.join(unknown)} of {shape}")
    bounds = {n: (float(a), float(b)) for n, a, b in zip(domain.names, domain.low, domain.high, strict=True)}
    box = as_box(shape)
    if box is not None:
        return Box(**{**bounds, **box.bounds()})
    rest = {name: each for name, each in bounds.items() if name not in shape.names}
    whole = Product(shape, Box(**rest)) if rest else shape
    if whole.names != domain.names:
        raise ProblemError(
            f"expected the coordinates of {shape} first and in their order, got {', '.join(domain.names)}; reorder them"
        )
    return whole


def in_space(domain: Domain) -> Shape:
    """Return a domain without time; raise ProblemError if nothing is left."""
    names = tuple(domain.names[axis] for axis in domain.space)
    if not names or not isinstance(domain, Shape):
        raise ProblemError(f"expected a domain with a coordinate of space, got {domain}")
    if domain.time is None:
        return domain
    box = as_box(domain)
    if box is not None:
        return box.only(*names)
    assert isinstance(domain, Product)
    whole = as_box(domain.box)
    assert whole is not None
    rest = [name for name in whole.names if name != "t"]
    return Product(domain.shape, whole.only(*rest)) if rest else domain.shape


def kept(
    shape: Shape, face: str, inside: Callable[[Array], Signs], step: float, others: Sequence[Piece]
) -> tuple[Piece, ...]:
    """Return the parts of a face beside which ``inside`` is 1, a step along the outward normal away.

    `others` are the pieces at whose places that can change.
    """

    def test(points: Array, normals: Array) -> Signs:
        return inside(points + step * normals)

    return tuple(part for piece in shape.pieces[face] for part in piece.kept(test, others))
