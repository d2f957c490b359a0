"""Choose limits, logarithmic scales and colour maps."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LogNorm, Normalize

from kanpde.calculus.arrays import Array
from kanpde.plots.quantities import Quantity

DECADES = 4  # shown of an error, counted down from its largest value
SPIKE = 1e-3  # share of the points that may lie above the scale, where an error is singular
HIGH = 1e3  # ratio of the largest value to those at all other points from which it is a spike


def colours(quantity: Quantity, row: list[Quantity]) -> tuple[Normalize, str]:
    """Return the scale and colour map: logarithmic for errors, else the limits that solution and reference share."""
    if quantity.logarithmic:
        return log_scale([quantity]), "magma"
    finite = _finite([q for q in row if not q.logarithmic])
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1.0):
        low, high = low - 0.5, high + 0.5
    if min(-low, high) > 0.3 * max(-low, high):
        bound = max(-low, high)
        return Normalize(-bound, bound), "RdBu_r"
    return Normalize(low, high), "viridis"


def log_scale(group: list[Quantity]) -> LogNorm:
    """Return a scale from the smallest positive to the largest value, over at least one decade, at most DECADES.

    A few values far above all others are left out.
    """
    finite = _finite(group)
    positive = finite[finite > 0]
    if not positive.size:
        return LogNorm(1e-17, 1e-16, clip=True)
    high, low = float(positive.max()), float(positive.min())
    usual = float(np.quantile(positive, 1 - SPIKE))
    high = usual if high > HIGH * usual else high
    return LogNorm(min(max(low, high * 10.0**-DECADES), high / 10), high, clip=True)


def _finite(group: list[Quantity]) -> Array:
    values: Array = np.concatenate([v.ravel() for q in group for v in q.values])
    return values[np.isfinite(values)]
