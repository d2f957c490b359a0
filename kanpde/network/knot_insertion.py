"""Finer edge functions where the residual sits, without changing the network: B-splines by exact knot insertion."""

from __future__ import annotations

import torch
from torch import Tensor

from kanpde.arrays import Array
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer


def refine(network: KAN, points: Tensor, residual: Tensor, *, first_only: bool = True) -> None:
    """Insert as many knots as there are intervals, each where the squared residual, seen along that input, is largest.

    `points` (n, d) with `residual` (n,) there. The network stays the same function.
    """
    with torch.no_grad():
        inputs = network.node_values(points)
    for layer, values in zip(chosen(network, first_only), inputs, strict=False):
        insert(layer, values.cpu().double().numpy(), residual.square().cpu().double().numpy())


def growth(network: KAN, *, first_only: bool) -> int:
    """How many parameters `refine` would add."""
    layers = chosen(network, first_only)
    return sum(layer.basis.growth * layer.basis.inputs * layer.subnodes for layer in layers)


def chosen(network: KAN, first_only: bool) -> list[KANLayer]:
    """The layers that get finer functions."""
    return [network.first] if first_only else [network.first, *network.hidden]


def insert(layer: KANLayer, values: Array, mass: Array) -> None:
    """Refine a layer where most of the `mass` (n,) at `values` (n, i) is."""
    functions = layer.basis.functions
    coefficients, rest = layer.coefficients.detach()[:, :functions], layer.coefficients.detach()[:, functions:]
    finer = layer.basis.refine(values, mass, coefficients)
    layer.coefficients = torch.nn.Parameter(torch.cat([finer.to(rest), rest], dim=1))
