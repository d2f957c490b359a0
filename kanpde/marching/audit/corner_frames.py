"""Corners with exact angles: the functions singular there, moved by rounding errors, vanish exactly on its sides.

A stored function Im or Re of z^a (log z) has a rounded power and rounded angles, so that its normal derivative on an
insulated side is about 1e-16 r^{a−1}, which is not bounded near a corner. The function with a = nπ / (2ω), where ω is
the exact angle between the exact sides, differs from it by a few roundings, and its phase e^{iaθ} on them is exactly
i^n or 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import mpmath

from kanpde.calculus.corner_functions import Corner, CornerFunction
from kanpde.calculus.taylor_models import NotEnclosed
from kanpde.geometry.curves import Arc, Curve, Segment
from kanpde.geometry.shape import Shape

NEAR = 1e-9  # distance, relative to the shape, and angle that are round-off
DIGITS = 30
APART = 1e-6  # least distance of a hole's point from the boundary, relative to the shape

Direction = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Frame:
    """A corner between two exact rays from `at`, or a point of a hole, which has none; all angles are rounded once."""

    corner: Corner
    first: float
    opening: float
    rays: tuple[Direction, ...] = ()

    @property
    def is_square(self) -> bool:
        """Whether the rays are exactly perpendicular or opposite, so that whole powers are exact."""
        (a, b), (c, d) = self.rays
        return a * c + b * d == 0 or a * d == b * c

    def ray(self, direction: Direction) -> int | None:
        """Return which of the rays has this direction, None if neither has."""
        found = (number for number, own in enumerate(self.rays) if is_same(own, direction))
        return next(found, None)

    def quarters(self, function: CornerFunction) -> int | None:
        """Return n with a = nπ / (2ω), None if the power is no such number."""
        number = function.power * self.opening * 2 / math.pi
        nearest = round(number)
        return nearest if self.rays and abs(number - nearest) <= NEAR else None

    def power(self, function: CornerFunction) -> float:
        """Return the exact power, rounded once."""
        number = self.quarters(function)
        return function.power if number is None else number * math.pi / (2 * self.opening)


def frame_of(corner: Corner, shape: Shape) -> Frame:
    """Return the frame of a corner whose sides pass through it exactly; raise NotEnclosed for others."""
    size = max(abs(float(end)) for ends in (shape.low, shape.high) for end in ends)
    found = [ray for curve in curves(shape) for ray in rays_at(curve, corner.at, NEAR * size)]
    rays = []
    for angle in (corner.first, corner.first + corner.opening):
        nearest = [ray for ray in found if abs(math.remainder(angle_of(ray) - angle, math.tau)) <= NEAR]
        if not nearest:
            raise NotEnclosed("the sides of a corner do not meet exactly at the point of its singular functions")
        rays.append(nearest[0])
    if is_same(*rays):
        raise NotEnclosed("singular functions at the tip of a slit are not enclosed")
    with mpmath.workdps(DIGITS):
        first, last = (mpmath.atan2(number(y), number(x)) for x, y in rays)
        turn = mpmath.nint((first - mpmath.mpf(corner.first)) / (2 * mpmath.pi))
        first -= 2 * mpmath.pi * turn
        opening = last - first
        opening -= 2 * mpmath.pi * mpmath.nint((opening - mpmath.mpf(corner.opening)) / (2 * mpmath.pi))
        return Frame(corner, float(first), float(opening), (rays[0], rays[1]))


def hole_of(corner: Corner, shape: Shape) -> Frame:
    """Return the frame of a point outside a shape; raise NotEnclosed if it is not known to be outside."""
    size = max(abs(float(end)) for ends in (shape.low, shape.high) for end in ends)
    point = shape.low[None] * 0 + corner.at
    if shape.contains(point)[0] or any(float(c.distance(point)[0]) < APART * size for c in curves(shape)):
        raise NotEnclosed("the point of a hole's singular functions is not known to lie in the hole")
    return Frame(corner, 0.0, math.tau)


def curves(shape: Shape) -> Iterator[Curve]:
    """Yield the curves of a shape's boundary."""
    yield from (piece for pieces in shape.pieces.values() for piece in pieces if isinstance(piece, Curve))


def rays_at(curve: Curve, at: tuple[float, float], near: float) -> Iterator[Direction]:
    """Yield the exact direction of a segment or a circle at an end that is exactly `at`."""
    if curve.closed:
        return
    point = tuple(map(Fraction, at))
    for number, end in enumerate(curve.ends):
        if max(abs(float(e) - a) for e, a in zip(end, at, strict=True)) > near or not is_on(curve, at):
            continue
        sign = -1 if number else 1
        if isinstance(curve, Segment):
            x, y = along(curve)
        else:
            assert isinstance(curve, Arc)
            x, y = (p - Fraction(c) for p, c in zip(point, curve.center, strict=True))
            x, y = -y, x
        yield sign * x, sign * y


def is_on(curve: Curve, at: tuple[float, float]) -> bool:
    """Return whether a point is exactly on the line of a segment or on the circle of an arc."""
    x, y = map(Fraction, at)
    if isinstance(curve, Segment):
        (a, b), (p, q) = map(Fraction, curve.first), along(curve)
        return (x - a) * q == (y - b) * p
    if isinstance(curve, Arc) and curve.radii[0] == curve.radii[1]:
        a, b = map(Fraction, curve.center)
        return (x - a) ** 2 + (y - b) ** 2 == Fraction(curve.radii[0]) ** 2
    return False


def along(segment: Segment) -> Direction:
    """Return the exact difference of the points of a segment."""
    x, y = (Fraction(b) - Fraction(a) for a, b in zip(segment.first, segment.second, strict=True))
    return x, y


def is_same(first: Direction, second: Direction) -> bool:
    """Return whether two directions are the same."""
    (a, b), (c, d) = first, second
    return a * d == b * c and a * c + b * d > 0


def angle_of(direction: Direction) -> float:
    """Return the angle of a direction, nearly."""
    return math.atan2(direction[1], direction[0])


def number(value: Fraction) -> mpmath.mpf:
    """Return a fraction in the working precision."""
    return mpmath.mpf(value.numerator) / value.denominator
