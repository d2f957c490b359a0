"""Faces of shapes in SymPy: what to put for the coordinates on a face, and its outward normal there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from kanpde.geometry.curves import Arc, Segment
from kanpde.geometry.piece import End, Part, Piece
from kanpde.geometry.surfaces import Cap, Side, Sphere, Swept
from kanpde.symbolic.constants.recognition import exact_number
from kanpde.symbolic.proof.tracing import Untraceable


@dataclass(frozen=True)
class Place:
    """A piece of a face: `values` (coordinate -> expression in the others), and the outward `normal` in coordinates."""

    values: dict[Any, Any]
    normal: tuple[Any, ...]

    def put(self, expression: Any) -> Any:
        """Return the expression on the piece."""
        return sp.sympify(expression, strict=True).subs(self.values)


def places(piece: Piece, coordinates: Sequence[Any]) -> Iterator[Place]:
    """Yield the places that make up a piece, or a larger piece of the same curve or surface.

    An expression that vanishes there vanishes on the piece. Raises Untraceable for surfaces without a formula.
    """
    if isinstance(piece, Part):
        yield from (_turned(place, piece.sign) for place in places(piece.whole, coordinates))
        return
    for kind, found in _KINDS.items():
        if isinstance(piece, kind):
            yield from (_turned(place, piece.sign) for place in found(piece, coordinates))
            return
    raise Untraceable("a proof expects faces with a formula, got one of an implicit shape or of a body")


def _turned(place: Place, sign: int) -> Place:
    return Place(place.values, tuple(sign * n for n in place.normal))


def _end(piece: Any, x: Sequence[Any]) -> Iterator[Place]:
    yield Place({x[0]: exact_number(piece.x)}, (sp.Integer(1),))


def _side(piece: Any, x: Sequence[Any]) -> Iterator[Place]:
    normal = tuple(sp.Integer(int(axis == piece.axis)) for axis in range(len(x)))
    yield Place({x[piece.axis]: exact_number(piece.low[piece.axis])}, normal)


def _segment(piece: Any, x: Sequence[Any]) -> Iterator[Place]:
    (x0, y0), (x1, y1) = ([exact_number(c) for c in point] for point in (piece.first, piece.second))
    along, up = x1 - x0, y1 - y0
    size = sp.sqrt(along**2 + up**2)
    value = {x[1]: y0 + (x[0] - x0) * up / along} if abs(along) > abs(up) else {x[0]: x0 + (x[1] - y0) * along / up}
    yield Place(value, (up / size, -along / size))


def _round(center: Sequence[float], radii: Sequence[float], x: Sequence[Any]) -> Iterator[Place]:
    """Yield the two halves of Σ ((x_a - c_a) / r_a)² = 1, the last coordinate as a function of the others."""
    middle, sizes = [exact_number(c) for c in center], [exact_number(r) for r in radii]
    scaled = [(s - c) / r for s, c, r in zip(x, middle, sizes, strict=True)]
    slope = [s / r for s, r in zip(scaled, sizes, strict=True)]
    # On a circle or a sphere the slope has the length 1 / r.
    length = 1 / sizes[0] if len(set(sizes)) == 1 else sp.sqrt(sum(s**2 for s in slope))
    height = sizes[-1] * sp.sqrt(1 - sum(s**2 for s in scaled[:-1]))
    for sign in (1, -1):
        yield Place({x[-1]: middle[-1] + sign * height}, tuple(s / length for s in slope))


def _arc(piece: Any, x: Sequence[Any]) -> Iterator[Place]:
    return _round(piece.center, piece.radii, x)


def _sphere(piece: Any, x: Sequence[Any]) -> Iterator[Place]:
    return _round(piece.center, (piece.radius,) * 3, x)


def _swept(piece: Any, x: Sequence[Any]) -> Iterator[Place]:
    split = piece.dimension
    for place in places(piece.base, x[:split]):
        yield Place(place.values, (*place.normal, *(sp.Integer(0) for _ in x[split:])))


def _cap(piece: Any, x: Sequence[Any]) -> Iterator[Place]:
    split = len(piece.shape.low)
    for place in places(piece.end, x[split:]):
        yield Place(place.values, (*(sp.Integer(0) for _ in x[:split]), *place.normal))


_KINDS: dict[type[Piece], Callable[[Any, Sequence[Any]], Iterator[Place]]] = {
    End: _end,
    Side: _side,
    Segment: _segment,
    Arc: _arc,
    Sphere: _sphere,
    Swept: _swept,
    Cap: _cap,
}
