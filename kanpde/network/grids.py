"""Grids that are extended to the values that arrive at a layer.

Beyond its grid an edge is a line, without curvature. A training whose methods take only steps that reduce the loss lets
the outermost polynomials go on instead; at its end the grids are extended to the values, which changes no edge there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kanpde.network.kan import KAN, MARGIN
from kanpde.network.layer import KANLayer


@torch.no_grad()
def extend(network: KAN, points: Tensor, *, coordinates: bool = False) -> bool:
    """Extend the grids of the hidden layers that points (n, d) leave; return whether there were such grids.

    The grid of an input then spans its old range and its values, with a margin. Parameters keep their number and stay
    the same objects. `coordinates` extends the grids of the coordinates as well.
    """
    changed, values = False, points
    for layer in [network.first, *network.hidden]:
        if layer is not network.first or coordinates:
            changed |= extend_layer(layer, values)
        values = layer(values)
    return changed


def straighten(network: KAN, points: Tensor) -> None:
    """Extend the hidden grids to the values at points (n, d), and let edges go on as lines beyond them."""
    extend(network, points)
    network.straight = True


def extend_layer(layer: KANLayer, values: Tensor) -> bool:
    """Extend the grids of a layer's inputs that `values` (n, i) leave; return whether there were such grids."""
    low, high = layer.basis.range()
    least, most = values.amin(dim=0), values.amax(dim=0)
    leaving = ((least < low) | (most > high)) & ~layer.basis.periodic_mask(values)
    if not (leaving.any() and least.isfinite().all() and most.isfinite().all()):
        return False
    margin = MARGIN * (most - least)
    ends = (
        torch.where(leaving & (least < low), least - margin, low),
        torch.where(leaving & (most > high), most + margin, high),
    )
    functions = layer.basis.functions
    held = layer.coefficients[:, :functions]
    moved = layer.basis.extend(*(end.double().cpu().numpy() for end in ends), held)
    held.copy_(moved.to(held))
    return True
