"""The holes of a plane shape: closed loops of its boundary around what is outside."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.geometry.curves import Curve
from kanpde.geometry.domain import Domain
from kanpde.geometry.shape import Shape

SAME = 1e-9  # largest distance of two ends that meet, relative to the shape's size
SAMPLES = 256  # points of a curve from which centres and distances are found


@dataclass(frozen=True)
class Hole:
    """A hole about its centroid `at`: its boundary lies between two radii, all other boundaries beyond `reach`."""

    at: tuple[float, float]
    radii: tuple[float, float]
    reach: float


def holes_of(domain: Domain) -> list[Hole]:
    """Return the holes of a shape in the plane around whose centroid they lie; none of other domains."""
    if not isinstance(domain, Shape) or domain.dimension != 2:
        return []
    curves = [piece for pieces in domain.pieces.values() for piece in pieces if isinstance(piece, Curve)]
    loops = list(_loops(curves, SAME * float(np.max(domain.high - domain.low))))
    found = []
    for number, loop in enumerate(loops):
        area, centroid = _area_and_centroid(loop)
        if area >= 0:  # the shape lies to the left, so around a hole the way is clockwise
            continue
        away = np.linalg.norm(loop - centroid, axis=1)
        others = [points for other, points in enumerate(loops) if other != number]
        reach = min((float(np.linalg.norm(each - centroid, axis=1).min()) for each in others), default=math.inf)
        if not bool(domain.contains(centroid[None])[0]) and reach > away.min():
            x, y = centroid.tolist()
            found.append(Hole((x, y), (float(away.min()), float(away.max())), reach))
    return found


def _loops(curves: list[Curve], near: float) -> Iterator[Array]:
    """Yield the points (n, 2) of every closed loop of curves, with the shape to the left of the way."""
    left = []
    for curve in curves:
        points = curve.at(np.linspace(curve.start, curve.end, SAMPLES + 1))
        left.append(points if curve.sign > 0 else points[::-1])
    while left:
        loop = left.pop()
        while np.abs(loop[-1] - loop[0]).max() > near:
            following = [n for n, points in enumerate(left) if np.abs(points[0] - loop[-1]).max() <= near]
            if len(following) != 1:
                break
            loop = np.concatenate([loop, left.pop(following[0])[1:]])
        else:
            yield loop[:-1]


def _area_and_centroid(loop: Array) -> tuple[float, Array]:
    """Return the area of a polygon (n, 2), negative if its vertices are clockwise, and its centroid."""
    first = loop - loop[0]
    second = np.roll(first, -1, axis=0)
    cross = first[:, 0] * second[:, 1] - second[:, 0] * first[:, 1]
    area = float(cross.sum()) / 2
    return area, loop[0] + ((first + second) * cross[:, None]).sum(axis=0) / (6 * area or math.inf)
