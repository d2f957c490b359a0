"""Let the grids of hidden layers follow the values of their nodes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kanpde.network.grids import refit
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer

MARGIN = 0.05  # of a new grid beyond the values, as a share of their range
BEYOND = 0.02  # share of the grid by which values may leave it
LEAST_USE = 0.6  # share of the grid that the values must span


@torch.no_grad()
def follow_values(network: KAN, points: Tensor) -> bool:
    """Replace the grids of hidden layers that the nodes' values at `points` (n, d) leave, or of which they use little.

    Edge functions are fitted on the new grids by least squares, so that the network's function hardly changes. Return
    whether a grid was replaced. Layers with edges that are atoms keep their grids.
    """
    values, moved = network.first(points), False
    for layer in network.hidden:
        low, high = (end.cpu().double().numpy() for end in (values.min(dim=0).values, values.max(dim=0).values))
        for i in range(layer.basis.inputs):
            if layer.fixed is None and misfits(layer, i, float(low[i]), float(high[i])):
                margin = MARGIN * float(high[i] - low[i])
                refit(layer, i, float(low[i]) - margin, float(high[i]) + margin, None)
                moved = True
        values = layer(values)
    return moved


def misfits(layer: KANLayer, i: int, low: float, high: float) -> bool:
    """Return whether the values in [low, high] of input i leave its grid or use little of it."""
    start, end = (float(bound[i]) for bound in layer.basis.range())
    width = end - start
    if not (np.isfinite(low) and np.isfinite(high) and high - low > 1e-6 * width):
        return False
    return low < start - BEYOND * width or high > end + BEYOND * width or high - low < LEAST_USE * width
