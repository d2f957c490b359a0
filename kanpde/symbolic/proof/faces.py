"""Faces of shapes in SymPy: what to put for the coordinates on a face, and its outward normal there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.geometry.curves import Arc, Segment
from kanpde.geometry.piece import End, Part, Piece
from kanpde.geometry.surfaces import Cap, Side, Sphere, Swept
from kanpde.symbolic.constants.recognition import exact_number

NEAR = 1e-9  # the distance of an end from a corner at which it is the corner, relative to the segment


@dataclass(frozen=True)
class Place:
    """A piece of a face: `values` (coordinate -> expression), and the outward `normal` in coordinates.

    The expressions are in other coordinates and in the symbols of `bounds`, the parameters of the piece. A piece that
    is not `known` has no formula; its normal consists of parameters.
    """

    values: dict[Any, Any]
    normal: tuple[Any, ...]
    bounds: Mapping[Any, tuple[Any, Any]] = field(default_factory=dict)
    known: bool = True

    def put(self, expression: Any) -> Any:
        """Return the expression on the piece."""
        return sp.sympify(expression, strict=True).subs(self.values)


def places(piece: Piece, coordinates: Sequence[Any], corners: Sequence[Array] = ()) -> Iterator[Place]:
    """Yield the places that make up a piece, or a larger piece of the same curve or surface.

    An expression that vanishes there vanishes on the piece. A segment that ends at one of the `corners` belongs to a
    ray from it, on which functions of the angle about the corner are constant. A piece of an implicit shape or of a
    body is all of space, with any normal.
    """
    if isinstance(piece, Part):
        yield from (_turned(place, piece.sign) for place in places(piece.whole, coordinates, corners))
        return
    if isinstance(piece, Segment) and (ray := _ray(piece, coordinates, corners)) is not None:
        yield _turned(ray, piece.sign)
        return
    for kind, found in _KINDS.items():
        if isinstance(piece, kind):
            yield from (_turned(place, piece.sign) for place in found(piece, coordinates))
            return
    normal = tuple(sp.Dummy(f"n_{s}", real=True) for s in coordinates)
    yield Place({}, normal, dict.fromkeys(normal, (sp.Integer(-1), sp.Integer(1))), known=False)


def _turned(place: Place, sign: int) -> Place:
    return replace(place, normal=tuple(sign * n for n in place.normal))


def _ray(piece: Segment, x: Sequence[Any], corners: Sequence[Array]) -> Place | None:
    """Return the ray from the first of the corners at which a segment ends, through the segment; None without one."""
    first, last = piece.ends
    for corner in corners:
        away = [float(np.abs(end - corner).max()) for end in (first, last)]
        if min(away) <= NEAR * max(away):
            start, end = (first, last) if away[0] < away[1] else (last, first)
            origin, through = ([exact_number(float(c)) for c in point] for point in (start, end))
            s = sp.Dummy("along", positive=True)
            values = {c: o + s * (e - o) for c, o, e in zip(x, origin, through, strict=True)}
            (line,) = _segment(piece, x)
            return Place(values, line.normal, {s: (sp.S.Zero, sp.S.One)})
    return None


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
    scaled = [sp.Dummy(f"across_{s}", real=True) for s in x[:-1]]
    slope = [*(s / r for s, r in zip(scaled, sizes, strict=False)), sp.sqrt(1 - sum(s**2 for s in scaled)) / sizes[-1]]
    # On a circle or a sphere the slope has the length 1 / r.
    length = 1 / sizes[0] if len(set(sizes)) == 1 else sp.sqrt(sum(s**2 for s in slope))
    ends = sp.Rational(1 if len(x) == 2 else 7, 1 if len(x) == 2 else 10)  # of a square in the disk
    values = {s: c + r * t for s, c, r, t in zip(x, middle, sizes, scaled, strict=False)}
    for sign in (1, -1):
        last = middle[-1] + sign * sizes[-1] ** 2 * slope[-1]
        normal = (*(s / length for s in slope[:-1]), sign * slope[-1] / length)
        yield Place({**values, x[-1]: last}, normal, dict.fromkeys(scaled, (-ends, ends)))


def _arc(piece: Any, x: Sequence[Any]) -> Iterator[Place]:
    return _round(piece.center, piece.radii, x) if piece.closed else _open_arc(piece, x)


def _open_arc(piece: Arc, x: Sequence[Any]) -> Iterator[Place]:
    """Yield the arc by its angle."""
    angle = sp.Dummy("angle", real=True)
    (x0, y0), (a, b) = ([exact_number(c) for c in pair] for pair in (piece.center, piece.radii))
    values = {x[0]: x0 + a * sp.cos(angle), x[1]: y0 + b * sp.sin(angle)}
    slope = (sp.cos(angle) / a, sp.sin(angle) / b)
    length = 1 / a if a == b else sp.sqrt(sum(s**2 for s in slope))
    start, end = (sp.pi * sp.Rational(str(round(s / math.pi, 12))) for s in (piece.start, piece.end))
    yield Place(values, tuple(s / length for s in slope), {angle: (start, end)})


def _sphere(piece: Any, x: Sequence[Any]) -> Iterator[Place]:
    return _round(piece.center, (piece.radius,) * 3, x)


def _swept(piece: Any, x: Sequence[Any]) -> Iterator[Place]:
    split = piece.dimension
    for place in places(piece.base, x[:split]):
        yield replace(place, normal=(*place.normal, *(sp.Integer(0) for _ in x[split:])))


def _cap(piece: Any, x: Sequence[Any]) -> Iterator[Place]:
    split = len(piece.shape.low)
    for place in places(piece.end, x[split:]):
        yield replace(place, normal=(*(sp.Integer(0) for _ in x[:split]), *place.normal))


_KINDS: dict[type[Piece], Callable[[Any, Sequence[Any]], Iterator[Place]]] = {
    End: _end,
    Side: _side,
    Segment: _segment,
    Arc: _arc,
    Sphere: _sphere,
    Swept: _swept,
    Cap: _cap,
}
