"""Let the grids of hidden layers follow the values of their nodes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.network.bspline import BSpline
from kanpde.network.grids import refit
from kanpde.network.kan import KAN
from kanpde.network.knots import halve_heaviest
from kanpde.network.layer import KANLayer

MARGIN = 0.05  # of a new grid beyond the values, as a share of their range
BEYOND = 0.02  # share of the grid by which values may leave it
LEAST_USE = 0.6  # share of the grid that the values must span
LONGEST_END = 4.0  # longest interval at the end of a moved grid, relative to the mean one
CLOSEST = 1e-2  # least length of such an interval, relative to the mean one
HALF = 4  # power of an interval's length that halving divides by 16, as `halve_heaviest` assumes


@torch.no_grad()
def follow_values(network: KAN, points: Tensor) -> bool:
    """Move the grids of hidden layers that the nodes' values at `points` (n, d) leave, or of which they use little.

    Splines keep their knots among the values, so that they do not change there; those that go on as polynomials beyond
    their grid go on into a longer one. All others, and those whose grid becomes much longer, are fitted on an even grid
    by least squares. Return whether a grid was moved. Layers with edges that are atoms keep their grids.
    """
    values, moved = network.first(points), False
    for layer in network.hidden:
        low, high = (end.cpu().double().numpy() for end in (values.min(dim=0).values, values.max(dim=0).values))
        for i in range(layer.basis.inputs):
            if layer.fixed is None and misfits(layer, i, float(low[i]), float(high[i])):
                margin = MARGIN * float(high[i] - low[i])
                move(layer, i, float(low[i]) - margin, float(high[i]) + margin)
                moved = True
        values = layer(values)
    return moved


def move(layer: KANLayer, i: int, low: float, high: float) -> None:
    """Move the grid of input i to [low, high], with the knots that it has there if possible."""
    basis = layer.basis
    breakpoints = kept_breakpoints(basis.breakpoints()[i], low, high)
    lengths, (start, end) = np.diff(breakpoints), (float(bound[i]) for bound in basis.range())
    long = max(lengths[0], lengths[-1]) > LONGEST_END * lengths.mean()
    if not isinstance(basis, BSpline) or basis.base or long or (basis.straight and (low < start or high > end)):
        refit(layer, i, low, high, None)
    else:
        held = layer.coefficients[i, : basis.functions]
        held.copy_(basis.move(i, breakpoints, held))


def kept_breakpoints(breakpoints: Array, low: float, high: float) -> Array:
    """Return as many breakpoints over [low, high], the old inner ones there among them, by halving the longest."""
    apart = CLOSEST * (high - low) / len(breakpoints)
    inside = [b for b in breakpoints[1:-1] if low + apart < b < high - apart]
    kept = np.array([low, *inside, high])
    return halve_heaviest(kept, np.diff(kept) ** HALF, len(breakpoints) - 1)


def misfits(layer: KANLayer, i: int, low: float, high: float) -> bool:
    """Return whether the values in [low, high] of input i leave its grid or use little of it."""
    start, end = (float(bound[i]) for bound in layer.basis.range())
    width = end - start
    if not (np.isfinite(low) and np.isfinite(high) and high - low > 1e-6 * width):
        return False
    return low < start - BEYOND * width or high > end + BEYOND * width or high - low < LEAST_USE * width
