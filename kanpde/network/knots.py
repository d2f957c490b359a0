"""Breakpoints refined where a mass is, and the matrix that transfers B-spline coefficients to them."""

from __future__ import annotations

import heapq

import numpy as np
from scipy import optimize

from kanpde.calculus import splines
from kanpde.calculus.arrays import Array


def refine_breakpoints(breakpoints: Array, values: Array, mass: Array) -> Array:
    """Return breakpoints (2n + 1,) of twice as many intervals, by halving those with the most `mass` at `values`."""
    return halve_heaviest(breakpoints, interval_masses(breakpoints, values, mass), 2 * (len(breakpoints) - 1))


def transfer_matrix(old: Array, new: Array, degree: int, periodic: bool) -> Array:
    """Return the refinement matrix (new size, old size); of a periodic input only the free coefficients' rows."""
    matrix = splines.refinement_matrix(old, new, degree)
    if periodic:
        matrix[len(new) - 2 * degree - 1 :] = 0.0
    return matrix


def interval_masses(breakpoints: Array, values: Array, mass: Array) -> Array:
    """Return each interval's share of the mass, (n,); a tenth is spread evenly so that each interval may be refined."""
    found, _ = np.histogram(values, bins=breakpoints, weights=mass)
    total = found.sum() or 1.0
    return np.asarray(0.9 * found / total + 0.1 * np.diff(breakpoints) / (breakpoints[-1] - breakpoints[0]))


def halve_heaviest(breakpoints: Array, mass: Array, count: int) -> Array:
    """Return breakpoints (count + 1,): halve the interval of largest mass until there are `count`.

    Halving is taken to reduce the mass of an interval by a factor of eight, so each half gets one sixteenth.
    """
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


def growing_steps(first: float, total: float, count: int) -> Array:
    """Return `count` steps from `first` on, which grow geometrically if need be, with a sum of at least `total`."""
    if first * count >= total:
        return np.full(count, first)
    if count == 1:
        return np.array([total])
    powers = np.arange(count)
    most = 1.001 * (total / first) ** (1 / (count - 1))
    ratio = optimize.brentq(lambda r: first * np.sum(r**powers) - total, 1.0, most)
    return np.asarray(first * ratio**powers)
