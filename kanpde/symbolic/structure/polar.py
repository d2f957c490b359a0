"""A solution in polar coordinates about a point of a plane shape, or about one of its corners.

About a corner the angle is counted from the first side; about any other point it goes once around.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.geometry.corners import corners_of
from kanpde.geometry.curves import Arc
from kanpde.geometry.domain import Domain
from kanpde.geometry.holes import holes_of
from kanpde.geometry.shape import Shape
from kanpde.symbolic.constants.recognition import exact_number
from kanpde.symbolic.structure.sampled import Sampled, Surrogate, estimated_error

NAMES = ("polar_r", "polar_angle")
# Nodes along the radius, the angle and any other coordinate.
RADII, ANGLES, OTHERS = 48, 64, 12
# Radii and angles at which it is looked how far the domain reaches, and the share of the size that a ring must have.
LOOKED_AT, WIDE = 200, 0.05
# The least radius relative to the largest one: functions may be singular at the pole.
LEAST = 0.02
# The least opening of a corner at which solutions may be singular.
BLUNT = math.pi / 2 + 1e-6
# The largest number of poles, and the distance relative to the size at which two are the same.
MOST, SAME = 5, 1e-6


@dataclass(frozen=True)
class Pole:
    """A ring or a sector in a domain: angles from `first` to `first` + `opening`, radii between two `radii`."""

    centre: tuple[float, float]
    first: float
    opening: float
    radii: tuple[float, float] = (0.0, 0.0)

    @property
    def around(self) -> bool:
        """True if the angle goes once around."""
        return self.opening == 2 * math.pi

    def away(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Return x and y from the centre, exactly."""
        return x - exact_number(self.centre[0]), y - exact_number(self.centre[1])

    def angle(self, x: Any, y: Any) -> Any:
        """Return the angle from the first side, which jumps in the middle of what is outside."""
        middle = _turns(self.first + self.opening / 2)
        dx, dy = self.away(x, y)
        cos, sin = sp.cos(middle), sp.sin(middle)
        size = abs(cos) if abs(cos) == abs(sin) else sp.S.One
        return sp.atan2((dy * cos - dx * sin) / size, (dx * cos + dy * sin) / size) + _turns(self.opening) / 2


def _turns(angle: float) -> Any:
    """Return an angle as a multiple of π, exact if the multiple is a simple fraction."""
    share = Fraction(angle / math.pi).limit_denominator(720)
    simple = abs(float(share) * math.pi - angle) < 1e-12
    return sp.pi * sp.Rational(share.numerator, share.denominator) if simple else exact_number(angle)


def plane_of(domain: Domain) -> Shape | None:
    """Return the plane shape that a domain is, or whose product with a box it is; None if there is none but a box."""
    shape = domain if isinstance(domain, Shape) else None
    if shape is not None and shape.factor is not None:
        shape = shape.divided(shape.factor)
    return shape if shape is not None and shape.dimension == 2 and not shape.is_box else None


def poles(domain: Domain) -> list[Pole]:
    """Return the poles of a domain: its sharpest corners, the centres of its holes and of its arcs, its own centre."""
    shape = plane_of(domain)
    if shape is None:
        return []
    size = float(np.max(shape.high - shape.low))
    corners = sorted((meeting.corner for meeting in corners_of(shape)), key=lambda corner: -corner.opening)
    wanted = [Pole(c.at, c.first, c.opening) for c in corners[:2] if c.opening > BLUNT]
    curves = [piece for pieces in shape.pieces.values() for piece in pieces if isinstance(piece, Arc)]
    digits = 12 - math.ceil(math.log10(max(size, 1e-300)))
    centres = [hole.at for hole in holes_of(shape)] + [curve.center for curve in curves] + [_centroid(shape, size)]
    wanted += [Pole((round(x, digits), round(y, digits)), -math.pi, 2 * math.pi) for x, y in centres]
    found: list[Pole] = []
    for pole in wanted:
        known = any(math.dist(pole.centre, other.centre) <= SAME * size for other in found)
        ring = None if known else _ring(shape, pole, size)
        found += [ring] if ring is not None else []
    return found[:MOST]


def _centroid(shape: Shape, size: float) -> tuple[float, float]:
    points, weights = shape.quadrature(4096)
    x, y = (weights @ points / weights.sum()).tolist()
    # A centre next to the origin is the origin.
    return (0.0 if abs(x) < 1e-3 * size else x), (0.0 if abs(y) < 1e-3 * size else y)


def _ring(shape: Shape, pole: Pole, size: float) -> Pole | None:
    """Return the pole with the widest range of radii whose circles lie in the shape, None if all are narrow."""
    radii = np.linspace(0, 2 * size, LOOKED_AT + 1)[1:]
    angles = pole.first + pole.opening * (np.arange(LOOKED_AT) + 0.5) / LOOKED_AT
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    inside = np.array([shape.contains(np.array(pole.centre) + r * circle).all() for r in radii])
    ends = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(int)))
    runs = [(float(radii[a]), float(radii[b - 1])) for a, b in zip(ends[::2], ends[1::2], strict=True)]
    if not runs:
        return None
    low, high = max(runs, key=lambda run: run[1] - run[0])
    low = LEAST * high if low == radii[0] else low
    return Pole(pole.centre, pole.first, pole.opening, (low, high)) if high - low > WIDE * size else None


def polar(solution: Surrogate, place: int, pole: Pole) -> Sampled:
    """Return a field of the solution on a grid of radii, angles and the other coordinates of its domain."""
    domain = solution.problem.domain
    low = np.array([pole.radii[0], pole.first, *domain.low[2:]])
    high = np.array([pole.radii[1], pole.first + pole.opening, *domain.high[2:]])
    counts = (RADII, ANGLES) if domain.dimension == 2 else (RADII // 2, ANGLES // 2, OTHERS)
    unit = [np.polynomial.legendre.leggauss(count) for count in counts]
    nodes = tuple((a + b + (b - a) * u) / 2 for a, b, (u, _) in zip(low, high, unit, strict=True))
    r, angle, *others = np.meshgrid(*nodes, indexing="ij")
    c, s = np.cos(angle), np.sin(angle)
    columns = [pole.centre[0] + r * c, pole.centre[1] + r * s, *others]
    points = np.stack([column.ravel() for column in columns], axis=1)

    def partial(axes: MultiIndex) -> Array:
        found: Array = np.asarray(solution.evaluate(points, axes)[:, place], dtype=np.float64)
        return np.asarray(found.reshape(r.shape))

    u_x, u_y, u_xx, u_xy, u_yy = (partial(axes) for axes in ((0,), (1,), (0, 0), (0, 1), (1, 1)))
    u_r = c * u_x + s * u_y
    first = [u_r, r * (c * u_y - s * u_x)]
    second = [
        c**2 * u_xx + 2 * c * s * u_xy + s**2 * u_yy,
        r**2 * (s**2 * u_xx - 2 * s * c * u_xy + c**2 * u_yy) - r * u_r,
    ]
    for axis in range(2, domain.dimension):
        first.append(partial((axis,)))
        second.append(partial((axis, axis)))
    nodes = (nodes[0], nodes[1] - pole.first - (math.pi if pole.around else 0.0), *nodes[2:])
    names = (*NAMES, *domain.names[2:])
    weights = tuple(w / 2 for _, w in unit)
    return Sampled(names, nodes, weights, partial(()), tuple(first), tuple(second), estimated_error(solution))
