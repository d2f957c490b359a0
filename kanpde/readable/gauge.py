"""Fix the gauge of hidden nodes with one incoming edge: the edge becomes the identity, the next edges absorb it.

The composition φ_o(ψ(x)) does not determine ψ and φ_o separately; with ψ(x) = x the edge φ_o shows the composition.
"""

from __future__ import annotations

import numpy as np
import torch

from kanpde.calculus.arrays import Array
from kanpde.network.grids import MARGIN
from kanpde.network.initialisation import stations
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer
from kanpde.readable.edges import atoms_of, name_edge, pruned_of
from kanpde.readable.source import Source, copied, layers_of, network_of, points_of, renewed


def passing(network: KAN) -> list[tuple[int, int]]:
    """Return the hidden sum nodes (layer, node) with one incoming spline edge and only spline edges outgoing."""
    layers = layers_of(network)
    return [
        (position, node)
        for position, (below, above) in enumerate(zip(layers, layers[1:], strict=False))
        for node in range(below.sums)
        if (into := only_edge(below, node)) is not None
        and (into, node) not in atoms_of(below)
        and not below.basis.periodic[into]
        and not any(i == node for i, _ in atoms_of(above))
    ]


def only_edge(layer: KANLayer, subnode: int) -> int | None:
    """Return the input of the only edge that is not pruned, None if the number of these edges is not one."""
    live = [i for i in range(layer.basis.inputs) if (i, subnode) not in pruned_of(layer)]
    return live[0] if len(live) == 1 else None


def straightened(source: Source, layer: int, node: int) -> Source:
    """Return a copy with the identity on the only edge into a hidden sum node, whose next edges absorb the change."""
    network = copied(source)
    below, above = layers_of(network)[layer : layer + 2]
    into = only_edge(below, node)
    assert into is not None
    with torch.no_grad():
        met = network_of(source).node_values(points_of(source))[layer][:, into]
    old = layers_of(copied(source))[layer : layer + 2]
    regrid(above, node, float(met.min()), float(met.max()))
    x, _ = stations(above.basis, node)
    inner = edge_column(old[0], into, x)[:, node]
    outer = edge_column(old[1], node, inner)
    name_edge(below, (into, node), "x", (1.0, 0.0, 1.0, 0.0))
    with torch.no_grad():
        above.coefficients[node] = 0
        columns = above.basis.fit(node, x, outer)
        above.coefficients[node, : above.basis.functions] = torch.as_tensor(columns).to(above.coefficients)
        if above.fixed is not None:
            above.coefficients.mul_(above.fixed.mask)
    return renewed(source, network)


def edge_column(layer: KANLayer, i: int, x: Array) -> Array:
    """Return the values (n, o) of the edges from input i at x (n,)."""
    columns = torch.zeros(len(x), layer.basis.inputs).to(layer.coefficients)
    columns[:, i] = torch.as_tensor(x)
    with torch.no_grad():
        return np.asarray(layer.edges(layer.features(columns, 1))[0, :, i].cpu().double())


def regrid(layer: KANLayer, i: int, low: float, high: float) -> None:
    """Move the grid of one input to [low, high], with a margin."""
    layer.basis.regrid(i, low, high, MARGIN * (high - low) + 1e-6)
