"""Refine edge functions where the residual is large, without changing the network, by exact knot insertion."""

from __future__ import annotations

import torch
from torch import Tensor

from kanpde.network.grids import refine_layer
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer


def refine(network: KAN, points: Tensor, residual: Tensor, *, first_only: bool = True) -> None:
    """Double the number of intervals of each input, with new knots where the squared residual along it is largest.

    `points` (n, d) have the `residual` (n,). The function that the network represents does not change.
    """
    with torch.no_grad():
        inputs = network.node_values(points)
    for layer, values in zip(layers_to_refine(network, first_only), inputs, strict=False):
        refine_layer(layer, values.cpu().double().numpy(), residual.square().cpu().double().numpy())


def growth(network: KAN, *, first_only: bool) -> int:
    """Return the number of parameters that `refine` would add."""
    layers = layers_to_refine(network, first_only)
    return sum(layer.basis.growth * layer.basis.inputs * layer.subnodes for layer in layers)


def layers_to_refine(network: KAN, first_only: bool) -> list[KANLayer]:
    """Return the first layer, or all layers."""
    return [network.first] if first_only else [network.first, *network.hidden]
