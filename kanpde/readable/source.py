"""Accept a network or a solution with its network, and evaluate the network's edges at points."""

from __future__ import annotations

import copy
from typing import TypeVar, overload

import numpy as np
import torch
from torch import Tensor

from kanpde.collocation.sampling import unit_points
from kanpde.errors import ConfigurationError
from kanpde.network.kan import KAN
from kanpde.network.layer import KANLayer
from kanpde.network.penalties import POINTS, spread_over
from kanpde.network.trial_function import Model
from kanpde.solution import Solution

Source = TypeVar("Source", KAN, Solution)


def network_of(source: KAN | Solution) -> KAN:
    """Return the network itself; raise ConfigurationError if there is no built network."""
    network = source.network if isinstance(source, Solution) else source
    if not isinstance(network, KAN) or not network.built:
        raise ConfigurationError(
            f"expected a solution or a built network, got {type(source).__name__}; solve a problem first"
        )
    return network


def check_solution(source: object) -> None:
    """Raise ConfigurationError if there is no solution of a problem, which says what the network should do."""
    if not isinstance(source, Solution):
        raise ConfigurationError(
            f"expected a solution, got {type(source).__name__}; a network alone has no problem or data to refit it on: "
            "take the result of solve() or fit()"
        )


@overload
def renewed(source: KAN, network: KAN) -> KAN: ...


@overload
def renewed(source: Solution, network: KAN) -> Solution: ...


def renewed(source: KAN | Solution, network: KAN) -> KAN | Solution:
    """Return the source with another network; a solution keeps its problem, its constants and its record."""
    if isinstance(source, KAN):
        return network
    model = Model(network, source.model.ansatz, source.problem.constants).to(network.first.coefficients.device)
    with torch.no_grad():
        model.constants.copy_(source.model.constants)
    return Solution(source.problem, model, source.history, source.record)


def copied(source: KAN | Solution) -> KAN:
    """Return a deep copy of the network, which may be changed."""
    return copy.deepcopy(network_of(source))


def points_of(source: KAN | Solution, count: int = POINTS) -> Tensor:
    """Return points spread over the domain, or over the grid of a network's inputs, (count, d)."""
    network = network_of(source)
    if not isinstance(source, Solution):
        return spread_over(network, count)
    unit = unit_points(count, network.first.basis.inputs, "sobol", np.random.default_rng(0))
    return torch.as_tensor(source.problem.domain.interior(unit)).to(network.first.coefficients)


def layers_of(network: KAN) -> list[KANLayer]:
    """Return all layers, the first to the last."""
    return [network.first, *network.hidden]


def edge_values(network: KAN, points: Tensor) -> list[Tensor]:
    """Return the values (n, i, o) of every layer's edges at points (n, d), with the layer's inputs detached."""
    with torch.no_grad():
        inputs = network.node_values(points)
    return [layer.edges(layer.features(h, 1))[0] for layer, h in zip(layers_of(network), inputs, strict=True)]


@torch.no_grad()
def importances(network: KAN, points: Tensor) -> list[Tensor]:
    """Return the outputs' change when an edge is replaced by its mean, (i, o) for every layer.

    This is the root mean square of the change, divided by the output's spread, and the largest over the outputs.
    """
    outputs = network(points)
    spread = outputs.std(dim=0, correction=0)
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))
    layers, result = layers_of(network), []
    for position, (layer, edges) in enumerate(zip(layers, edge_values(network, points), strict=True)):
        changes = torch.diag_embed(edges.mean(dim=0) - edges)  # (n, i, o, o): one subnode at a time
        values = layer.combined((edges.sum(dim=1)[:, None, None] + changes).flatten(0, 2).T).T
        for above in layers[position + 1 :]:
            values = above(values)
        change = values.reshape(*edges.shape, -1) - outputs[:, None, None]
        result.append((change.square().mean(dim=0).sqrt() / spread).amax(dim=-1))
    return result


def check_edge(network: KAN, layer: int, i: int, o: int) -> KANLayer:
    """Return the layer of an edge; raise ConfigurationError if the edge does not exist."""
    layers = layers_of(network)
    if 0 <= layer < len(layers) and 0 <= i < layers[layer].basis.inputs and 0 <= o < layers[layer].subnodes:
        return layers[layer]
    sizes = ", ".join(f"{one.basis.inputs} x {one.subnodes}" for one in layers)
    raise ConfigurationError(f"expected an edge (layer, i, o) of layers with {sizes} edges, got ({layer}, {i}, {o})")
