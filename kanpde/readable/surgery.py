"""Remove edges from a network, and the nodes that become constant or lead to no other node.

The mean of a removed edge is added to its node; a constant node is absorbed by the nodes after it; and a product with a
constant factor becomes a sum node.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde.network.atom_edges import Edge
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer
from kanpde.readable.edges import Atoms, atoms_of, constant_output, hold, narrowed, pruned_of, shift_edge
from kanpde.readable.source import copied, edge_values, layers_of

Flags = npt.NDArray[np.bool_]
Place = tuple[int, int, int]  # layer, input, subnode


@dataclass
class Draft:
    """A layer during surgery: `live` flags (i, o) of its edges, and the constant `offsets` (o,) of its subnodes."""

    layer: KANLayer
    live: Flags
    offsets: list[float]

    def constant(self, subnode: int) -> bool:
        return not self.live[:, subnode].any()

    def subnodes(self, node: int) -> tuple[int, ...]:
        """Return the one subnode of a sum node, or the two of a product."""
        sums = self.layer.sums
        return (node,) if node < sums else (sums + 2 * (node - sums), sums + 2 * (node - sums) + 1)


def without(network: KAN, places: Iterable[Place], points: Tensor) -> KAN | None:
    """Return a smaller network with these edges replaced by their means, None if an output would be constant."""
    gone, network, drafts = set(places), copied(network), []
    for position, (layer, edges) in enumerate(zip(layers_of(network), edge_values(network, points), strict=True)):
        means = edges.detach().mean(dim=0)
        live = np.ones(means.shape, dtype=bool)
        offsets = [0.0] * layer.subnodes
        for i, o in pruned_of(layer):
            live[i, o] = False
        for _, i, o in (place for place in gone if place[0] == position):
            if live[i, o]:
                live[i, o], offsets[o] = False, offsets[o] + float(means[i, o])
        drafts.append(Draft(layer, live, offsets))
    hand_up(drafts)
    hand_down(drafts)
    if any(drafts[-1].constant(o) for o in range(drafts[-1].layer.subnodes)):
        return None
    return rebuilt(network, drafts)


def hand_up(drafts: list[Draft]) -> None:
    """Replace the edges from constant nodes by their values, which are added to the next subnodes."""
    for below, above in zip(drafts, drafts[1:], strict=False):
        for node in range(below.layer.outputs):
            subnodes = below.subnodes(node)
            if not all(map(below.constant, subnodes)):
                continue
            value = math.prod(below.offsets[s] for s in subnodes)
            for o in np.flatnonzero(above.live[node]):
                above.offsets[o] += constant_output(above.layer, node, int(o), value)
            above.live[node] = False


def hand_down(drafts: list[Draft]) -> None:
    """Remove the edges into nodes without outgoing edges."""
    for below, above in zip(drafts[-2::-1], drafts[:0:-1], strict=True):
        for node in range(below.layer.outputs):
            if not above.live[node].any():
                below.live[:, list(below.subnodes(node))] = False


def rebuilt(network: KAN, drafts: list[Draft]) -> KAN:
    """Return the network of the drafts, its nodes renumbered: sums, with former products among them, then products."""
    inputs = list(range(network.first.basis.inputs))
    layers = []
    for draft in drafts:
        nodes = [node for node in range(draft.layer.outputs) if not all(map(draft.constant, draft.subnodes(node)))]
        products = [node for node in nodes if not any(map(draft.constant, draft.subnodes(node)))]
        products = [node for node in products if node >= draft.layer.sums]
        order = [node for node in nodes if node not in products] + products
        kept = {node: [s for s in draft.subnodes(node) if not draft.constant(s)] for node in order}
        scales = {
            kept[node][0]: math.prod(draft.offsets[s] for s in draft.subnodes(node) if s not in kept[node])
            for node in order
            if len(kept[node]) == 1
        }
        sums = [kept[node][0] for node in order if node not in products]
        cut(draft)
        layers.append(narrowed(draft.layer, inputs, sums, [s for node in products for s in kept[node]], scales))
        inputs = order
    result = KAN(
        [(layer.sums, layer.products) for layer in layers[:-1]],
        network.degree,
        [layer.basis.intervals for layer in layers],
        network.base,
        network.family,
    )
    result.layers = torch.nn.ModuleList(layers)
    return result


def cut(draft: Draft) -> None:
    """Prune the layer's removed edges, and add every offset to a remaining edge of its subnode."""
    dead: set[Edge] = {(int(i), int(o)) for i, o in np.argwhere(~draft.live)}
    atoms: Atoms = {edge: atom for edge, atom in atoms_of(draft.layer).items() if edge not in dead}
    hold(draft.layer, atoms, dead)
    for o, offset in enumerate(draft.offsets):
        if not draft.constant(o) and offset:
            shift_edge(draft.layer, (int(np.argmax(draft.live[:, o])), o), offset)
