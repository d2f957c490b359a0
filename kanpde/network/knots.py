"""Finer knots for B-splines where a mass sits, and what coefficients become on them."""

from __future__ import annotations

import heapq

import numpy as np

from kanpde.arrays import Array
from kanpde.calculus import splines


def finer(breakpoints: Array, values: Array, mass: Array) -> Array:
    """Return breakpoints of twice the intervals, halving again and again the one with most of the mass at values."""
    return halved(breakpoints, shares(breakpoints, values, mass), 2 * (len(breakpoints) - 1))


def transfer(old: Array, new: Array, degree: int, periodic: bool) -> Array:
    """The refinement matrix; for a periodic input only the free coefficients, the rest zero."""
    matrix = splines.refinement_matrix(old, new, degree)
    if periodic:
        matrix[len(new) - 2 * degree - 1 :] = 0.0
    return matrix


def shares(breakpoints: Array, values: Array, mass: Array) -> Array:
    """The mass in every interval, with a tenth of it spread evenly, so that no part of the grid is forgotten."""
    found, _ = np.histogram(values, bins=breakpoints, weights=mass)
    total = found.sum() or 1.0
    return np.asarray(0.9 * found / total + 0.1 * np.diff(breakpoints) / (breakpoints[-1] - breakpoints[0]))


def halved(breakpoints: Array, mass: Array, count: int) -> Array:
    """Breakpoints of `count` intervals: the heaviest is halved, its mass falling eightfold, until there are enough."""
    heap = [(-m, a, b) for m, a, b in zip(mass, breakpoints[:-1], breakpoints[1:], strict=True)]
    heapq.heapify(heap)
    points = list(breakpoints)
    while len(points) < count + 1:
        weight, a, b = heapq.heappop(heap)
        middle = (a + b) / 2
        points.append(middle)
        for left, right in ((a, middle), (middle, b)):
            heapq.heappush(heap, (weight / 16, left, right))
    return np.sort(np.asarray(points))
