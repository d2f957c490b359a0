"""Quadrature inside shapes whose boundary is known: along lines, cut where they cross the boundary."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from kanpde.calculus.arrays import Array
from kanpde.geometry.curves import Curve
from kanpde.geometry.piece import gauss, tensor
from kanpde.geometry.surfaces import per_axis

_CROSSINGS = 48  # samples on a line, among which crossings of a surface are found

Index = npt.NDArray[np.int_]
# A part of a curve along which x only increases or only decreases: (curve, start, end, least x, largest x).
_Branch = tuple[Curve, float, float, float, float]


def planar(curves: Sequence[Curve], count: int) -> tuple[Array, Array]:
    """Return about `count` points (n, 2) inside closed curves, and weights (n,); exact up to round-off if smooth.

    The plane is cut into strips at the x of ends and vertical tangents of curves, so the ends of the lines x = const
    are analytic within a strip. They have square roots at its borders, which x = a + h sin(π u / 2) removes.
    """
    branches = [branch for curve in curves for branch in _branches(curve)]
    edges = _distinct(np.array([x for branch in branches for x in branch[3:]]))
    strips = list(zip(edges, edges[1:], strict=False))
    crossing = [[b for b in branches if b[3] <= (x0 + x1) / 2 <= b[4]] for x0, x1 in strips]
    each = per_axis(-(-count // max(1, sum(len(few) // 2 for few in crossing))), 2)
    found = [part for strip, few in zip(strips, crossing, strict=True) for part in _strip(*strip, few, each)]
    return np.concatenate([points for points, _ in found]), np.concatenate([weights for _, weights in found])


def _branches(curve: Curve) -> Iterator[_Branch]:
    cuts = np.concatenate([[curve.start], np.sort(curve.turns(0)), [curve.end]])
    xs = curve.at(cuts)[:, 0]
    for s0, s1, x0, x1 in zip(cuts, cuts[1:], xs, xs[1:], strict=False):
        yield curve, float(s0), float(s1), float(min(x0, x1)), float(max(x0, x1))


def _distinct(values: Array) -> Array:
    """Return the values in order, each of those that agree up to round-off once."""
    values = np.sort(values)
    return np.asarray(values[np.concatenate([[True], np.diff(values) > 1e-12 * (values[-1] - values[0])])])


def _strip(x0: float, x1: float, branches: Sequence[_Branch], count: int) -> Iterator[tuple[Array, Array]]:
    u, weights = gauss(count)
    x = (x0 + x1) / 2 + (x1 - x0) / 2 * np.sin(math.pi / 2 * u)
    weights = weights * (x1 - x0) * math.pi / 4 * np.cos(math.pi / 2 * u)
    heights = np.sort([_height(*branch[:3], x) for branch in branches], axis=0)
    nodes, across = gauss(count, 0.0, 1.0)
    for bottom, top in zip(heights[::2], heights[1::2], strict=False):
        y = bottom[:, None] + (top - bottom)[:, None] * nodes
        points = np.stack(np.broadcast_arrays(x[:, None], y), axis=-1).reshape(-1, 2)
        yield points, ((weights * (top - bottom))[:, None] * across).ravel()


def _height(curve: Curve, start: float, end: float, x: Array) -> Array:
    """Return the y at which a branch has each x, by bisection."""
    ends = curve.at(np.array([start, end]))[:, 0]
    low, high = (np.full(len(x), s) for s in ((start, end) if ends[0] < ends[1] else (end, start)))
    for _ in range(56):
        middle = (low + high) / 2
        left = curve.at(middle)[:, 0] < x
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    return np.asarray(curve.at((low + high) / 2)[:, 1])


def by_lines(level: Callable[[Array], Array], low: Array, high: Array, count: int) -> tuple[Array, Array]:
    """Return about `count` points (n, d) where level < 0 in a box, and weights (n,): Gauss' rule on lines, cut.

    The lines are parallel to the last axis. The rule is of a low order where the boundary touches them.
    """
    each = per_axis(count, len(low))
    feet, weights = tensor(*zip(*(gauss(each, a, b) for a, b in zip(low[:-1], high[:-1], strict=True)), strict=True))
    cuts = np.linspace(low[-1], high[-1], _CROSSINGS + 1)

    def heights(lines: Index, z: Array) -> Array:
        return level(np.concatenate([feet[lines], z[:, None]], axis=1))

    every = np.repeat(np.arange(len(feet)), len(cuts))
    negative = (heights(every, np.tile(cuts, len(feet))) < 0).reshape(len(feet), -1)
    line, place = np.nonzero(negative[:, 1:] != negative[:, :-1])
    a, b, sign = cuts[place], cuts[place + 1], negative[line, place]
    for _ in range(52 if len(line) else 0):
        middle = (a + b) / 2
        same = (heights(line, middle) < 0) == sign
        a, b = np.where(same, middle, a), np.where(same, b, middle)
    roots = (a + b) / 2
    first, last = np.flatnonzero(negative[:, 0]), np.flatnonzero(negative[:, -1])
    starts = _ordered([line[~sign], first], [roots[~sign], np.full(len(first), low[-1])])
    ends = _ordered([line[sign], last], [roots[sign], np.full(len(last), high[-1])])
    nodes, along = gauss(each, 0.0, 1.0)
    length = (ends[1] - starts[1])[:, None]
    z = starts[1][:, None] + length * nodes
    points = np.concatenate([np.repeat(feet[starts[0]], len(nodes), axis=0), z.reshape(-1, 1)], axis=1)
    return points, (weights[starts[0]][:, None] * length * along).ravel()


def _ordered(lines: Sequence[Index], places: Sequence[Array]) -> tuple[Index, Array]:
    line, place = np.concatenate(lines), np.concatenate(places)
    order = np.lexsort((place, line))
    return line[order], place[order]
