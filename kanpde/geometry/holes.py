"""The holes of a plane shape, which are closed loops of its boundary around what is outside, and its round notches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.geometry.curves import TURN, Arc, Curve
from kanpde.geometry.domain import Domain
from kanpde.geometry.shape import Shape

SAME = 1e-9  # largest distance of two ends that meet, relative to the shape's size
ROUND = 0.3  # focus of a hole, relative to its least radius, up to which it is a circle about its centroid
SHRINKING, SHRINKINGS = 0.8, 8  # factor on a focus as long as the slit is not all in the hole, and its largest power
NEAREST = 0.9  # distance of a notch's middle from the boundary, relative to the notch's radius
PLACES = 33  # points of a slit that are looked at
SAMPLES = 256  # points of a curve from which centres and distances are found


@dataclass(frozen=True)
class Hole:
    """A hole about its centroid `at`: its boundary lies between two radii, all other boundaries beyond `reach`.

    In a mapped plane, or about a long hole, these are sizes |w| of `slits`; `slit` has ζ₁, ζ₂ and the focus.
    """

    at: tuple[float, float]
    radii: tuple[float, float]
    reach: float
    slit: tuple[complex, complex, float] | None = None


def holes_of(domain: Domain, mapped: Array | None = None) -> list[Hole]:
    """Return the holes of a shape in the plane around whose centroid they lie; none of other domains.

    They are looked at in the plane to which a linear map (2, 2) takes it, if one is given.
    """
    if not isinstance(domain, Shape) or domain.dimension != 2:
        return []
    loops = list(_loops(_curves(domain), SAME * float(np.max(domain.high - domain.low))))
    found = []
    for number, loop in enumerate(loops):
        area, centroid = _area_and_centroid(loop)
        if area >= 0:  # the shape lies to the left, so around a hole the way is clockwise
            continue
        slit = _slit_about(loop - centroid, mapped, centroid, domain)
        own, *others = (_sizes(each - centroid, slit) for each in (loop, *loops[:number], *loops[number + 1 :]))
        reach = min((float(each.min()) for each in others), default=math.inf)
        if not bool(domain.contains(centroid[None])[0]) and reach > own.min():
            x, y = centroid.tolist()
            found.append(Hole((x, y), (float(own.min()), float(own.max())), reach, slit))
    return found


def notches_of(domain: Domain, mapped: Array | None = None) -> list[Hole]:
    """Return the ellipses and disks that are cut out at the edge of a shape in the plane, as if they were holes.

    Their middles lie outside, and no boundary lies nearer to these than theirs.
    """
    if not isinstance(domain, Shape) or domain.dimension != 2:
        return []
    curves, found = _curves(domain), {}
    every = np.concatenate([curve.at(np.linspace(curve.start, curve.end, SAMPLES + 1)) for curve in curves])
    for arc in curves:
        if not isinstance(arc, Arc) or arc.closed or arc.sign > 0 or domain.contains(np.array([arc.center]))[0]:
            continue
        centre = np.array(arc.center)
        around = arc.at(np.linspace(0, TURN, SAMPLES, endpoint=False)) - centre
        slit = _slit_about(around, mapped, centre, domain)
        own = _sizes(around, slit)
        if float(_sizes(every - centre, slit).min()) > NEAREST * float(own.min()):
            found[arc.center] = Hole(arc.center, (float(own.min()), float(own.max())), float(own.min()), slit)
    return list(found.values())


def _curves(domain: Shape) -> list[Curve]:
    """Return the curves of a plane shape's boundary."""
    return [piece for pieces in domain.pieces.values() for piece in pieces if isinstance(piece, Curve)]


def _slit_about(
    loop: Array, mapped: Array | None, centroid: Array, domain: Shape
) -> tuple[complex, complex, float] | None:
    """Return the slit of a loop about 0; None if the plane is not mapped and the loop is nearly round."""
    about = _slit(loop, np.eye(2) if mapped is None else mapped, centroid, domain)
    return None if mapped is None and about[2] == 0 else about


def _sizes(points: Array, slit: tuple[complex, complex, float] | None) -> Array:
    """Return the distances |w| (n,) of points (n, 2) from a hole's centroid."""
    if slit is None:
        return np.asarray(np.linalg.norm(points, axis=1))
    zeta = points[:, 0] * slit[0] + points[:, 1] * slit[1]
    return np.asarray(np.abs(zeta + np.sqrt(zeta - slit[2]) * np.sqrt(zeta + slit[2])) / 2)


def _slit(loop: Array, mapped: Array, centroid: Array, domain: Shape) -> tuple[complex, complex, float]:
    """Return ζ₁, ζ₂ and the focus of the ellipse that has the second moments of a mapped loop about 0.

    The focus is 0 if the loop is nearly round, and smaller if the slit would leave the hole.
    """
    moments, turned = np.linalg.eigh(_second_moments(loop @ mapped.T))
    mapped = turned[:, ::-1].T @ mapped  # along the longer axis first
    axes = complex(*mapped[:, 0]), complex(*mapped[:, 1])
    focus = 2 * math.sqrt(max(float(moments[1] - moments[0]), 0.0))
    if focus <= ROUND * float(np.linalg.norm(loop @ mapped.T, axis=1).min()):
        return *axes, 0.0
    direction = np.linalg.solve(mapped, [1.0, 0.0])
    for _ in range(SHRINKINGS):
        slit = centroid + focus * np.linspace(-1, 1, PLACES)[:, None] * direction
        if not domain.contains(slit).any():
            return *axes, focus
        focus *= SHRINKING
    return *axes, 0.0


def _second_moments(loop: Array) -> Array:
    """Return the mean (2, 2) of x xᵀ over the polygon (n, 2) about 0, which is a² / 4 along an ellipse's axis a."""
    after = np.roll(loop, -1, axis=0)
    cross = loop[:, 0] * after[:, 1] - after[:, 0] * loop[:, 1]
    both = loop + after
    pairs = [each[:, :, None] * each[:, None, :] for each in (loop, after, both)]
    return np.asarray((sum(pairs) * cross[:, None, None]).sum(axis=0) / (12 * cross.sum()))


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
