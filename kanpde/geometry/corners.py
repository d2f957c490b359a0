"""The corners of a plane shape: where two curves of its boundary meet."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.calculus.corner_functions import Corner
from kanpde.geometry.curves import Curve, Segment
from kanpde.geometry.domain import Domain
from kanpde.geometry.shape import Shape

SAME = 1e-9  # largest distance of two ends that meet, relative to the shape's size
LOOKED_AT = 400  # points of a ray from a corner outwards at which it is looked whether it enters the shape again


@dataclass(frozen=True)
class Meeting:
    """A corner, the names of the faces at its first and at its last angle, and whether one of them is curved."""

    corner: Corner
    faces: tuple[str, str]
    curved: bool


@dataclass(frozen=True)
class _End:
    """An end of a curve of the face `name`: its place, and the angle at which the curve leaves it."""

    name: str
    at: Array
    angle: float
    first: bool  # the shape lies to the left of the curve that leaves here
    curved: bool


def corners_of(domain: Domain) -> list[Meeting]:
    """Return the corners of a shape in the plane, angles of π between different faces included; else none."""
    if not isinstance(domain, Shape) or domain.dimension != 2:
        return []
    ends = list(_ends(domain))
    size = float(np.max(domain.high - domain.low))
    found = []
    for one in ends:
        here = [end for end in ends if np.abs(end.at - one.at).max() <= SAME * size]
        if one.first and len(here) == 2 and not all(end.first for end in here):
            (other,) = (end for end in here if end is not one)
            opening = (other.angle - one.angle) % (2 * math.pi) or 2 * math.pi
            at = float(one.at[0]), float(one.at[1])
            pole = _pole(domain, one.at, one.angle + opening / 2 + math.pi)
            radius = max(math.dist(at, end.at) for end in ends) if pole is None else 2 * math.dist(at, pole)
            corner = Corner(at, one.angle, opening, radius, pole)
            found.append(Meeting(corner, (one.name, other.name), one.curved or other.curved))
    return found


def _pole(shape: Shape, at: Array, angle: float) -> tuple[float, float] | None:
    """Return the middle of the way outside from a corner back into the shape, as through a hole; None without end."""
    along = np.array([math.cos(angle), math.sin(angle)])
    lengths = np.linspace(0, math.hypot(*(shape.high - shape.low)), LOOKED_AT + 1)[1:]
    inside = shape.contains(at + lengths[:, None] * along)
    if not inside.any():
        return None
    x, y = at + lengths[inside.argmax()] / 2 * along
    return float(x), float(y)


def _ends(shape: Shape) -> Iterator[_End]:
    for name, pieces in shape.pieces.items():
        for curve in pieces:
            if not isinstance(curve, Curve) or curve.closed:
                continue
            for s, way in ((curve.start, 1), (curve.end, -1)):
                along = way * curve.velocity(np.array([s]))[0]
                angle = math.atan2(along[1], along[0])
                at = curve.at(np.array([s]))[0]
                yield _End(name, at, angle, way * curve.sign > 0, not isinstance(curve, Segment))
