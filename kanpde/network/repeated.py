"""A network at points whose coordinates repeat, as on a grid: its splines are evaluated once for each coordinate."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn

from kanpde.calculus.jets import JetPlan
from kanpde.network.kan import KAN

OFTEN = 4  # times that coordinates occur on average from which they are found first


def jets_of_repeated(network: nn.Module, points: Tensor, plan: JetPlan) -> Tensor | None:
    """Return a network's jets (n, S, fields) at points (n, d); None if coordinates are too many, or edges are fixed."""
    if not isinstance(network, KAN) or network.first.fixed is not None or not len(points):
        return None
    found = [torch.unique(x, return_inverse=True) for x in points.T.contiguous()]
    most = max(len(distinct) for distinct, _ in found)
    if OFTEN * most > len(points):
        return None
    distinct = torch.stack([torch.cat([x, x[-1:].expand(most - len(x))]) for x, _ in found])
    edges = network.first.curved(network.first.columns(distinct, plan.order + 1))
    places = [place for _, place in found]
    jet = [reduce(torch.add, (edge[:, place] for edge, place in zip(edges[0], places, strict=True)))]
    pure = {alpha: edges[order][axis][:, places[axis]] for alpha, axis, order in plan.pure}
    jet += [pure[alpha] if alpha in pure else torch.zeros_like(jet[0]) for alpha in range(1, len(plan))]
    jet = network.first.multiplied(jet, plan)
    for layer in network.hidden:
        jet, _ = layer.next_jet(jet, plan)
    return torch.stack(jet).permute(2, 0, 1)
