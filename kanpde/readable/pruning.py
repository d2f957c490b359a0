"""Pruning: edges and nodes that do not matter go, and the rest is fitted again; what turns out to matter comes back."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.errors import ConfigurationError, number
from kanpde.network.kan import KAN
from kanpde.readable.edges import pruned_of
from kanpde.readable.refitting import FixedRows
from kanpde.readable.source import Source, copied, importances, layers_of, points_of, renewed
from kanpde.readable.surgery import Flags, Place, without
from kanpde.solution import Solution

STEPS = 60  # of the refit after a pruning


def prune(
    source: Source,
    threshold: float = 1e-2,
    factor: float = 10.0,
    tolerance: float = 1e-6,
    greedy: bool = False,
    budget_seconds: float = 60.0,
) -> Source:
    """The network without the edges whose importance is below `threshold`, and without the nodes that nothing needs.

    The importance of an edge is the relative change of the outputs when it is replaced by its mean. A solution is
    refitted by Gauss–Newton; as long as its loss is then more than `factor` times what a refit of the whole network
    gives, and more than `tolerance`² (the root of the loss estimates the relative error), half as many edges are
    pruned, in the end none.
    With `greedy` every node and then every edge is tried by itself, the least important first, for `budget_seconds`:
    a refit tells what the rest can take over. A network alone is not refitted, nor is it pruned greedily.

    No output is cut off from a coordinate that it depends on by more than `threshold`.

    Raises ConfigurationError for settings that are not positive numbers, and for a network alone with `greedy`.
    """
    settings = {"threshold": threshold, "factor": factor, "tolerance": tolerance, "budget_seconds": budget_seconds}
    for name, value in settings.items():
        if not (number(value) and value > 0):
            raise ConfigurationError(f"expected {name} to be a positive number, got {value!r}")
    if isinstance(source, Solution):
        return pruned(source, threshold, factor, tolerance, budget_seconds if greedy else None)  # type: ignore[return-value]
    if greedy:
        raise ConfigurationError("expected a solution to prune greedily, got a network alone; refits need a problem")
    return renewed(source, lightest(source, threshold))


def pruned(solution: Solution, threshold: float, factor: float, tolerance: float, seconds: float | None) -> Solution:
    """The solution without weak edges, and without all that can be done without if there are `seconds` for it."""
    points = points_of(solution)
    fixed_rows = FixedRows(solution)
    start = min(fixed_rows.start, fixed_rows.refitted(solution, STEPS)[1])
    needed = dependence(solution.network, points) > threshold
    trial = Trial(fixed_rows, points, needed, max(factor * start, tolerance**2))
    weakest = candidates(solution.network, points, threshold)
    while weakest:
        if (smaller := trial.without(solution, weakest)) is None:
            weakest = weakest[: len(weakest) // 2]
        else:
            solution = smaller
            weakest = candidates(solution.network, points, threshold)
    if seconds is not None:
        solution = greedily(trial, solution, seconds)
    return fixed_rows.refitted(solution, STEPS)[0]


def lightest(network: KAN, threshold: float) -> KAN:
    """The network without as many of the weakest edges as leave every output what it needs."""
    points = points_of(network)
    needed = dependence(network, points) > threshold
    weakest = candidates(network, points, threshold)
    while weakest:
        smaller = without(network, weakest, points)
        if smaller is not None and keeps(smaller, needed):
            return smaller
        weakest = weakest[: len(weakest) // 2]
    return copied(network)


@dataclass(frozen=True)
class Trial:
    """What a smaller network must stand: a refit to a loss of at most `limit`, and the `needed` paths (d, fields)."""

    fixed_rows: FixedRows
    points: Tensor
    needed: Flags
    limit: float

    def without(self, solution: Solution, places: Sequence[Place]) -> Solution | None:
        """The solution without these edges, refitted; None where it does not stand that."""
        smaller = without(solution.network, places, self.points)
        if smaller is None or not keeps(smaller, self.needed):
            return None
        refitted, loss = self.fixed_rows.refitted(renewed(solution, smaller), STEPS, enough=self.limit / 10)
        return refitted if loss <= self.limit else None


def greedily(trial: Trial, solution: Solution, seconds: float) -> Solution:
    """Without each node, and then each edge, that a refit shows to be dispensable."""
    until = time.monotonic() + seconds
    for pieces in (nodes, edges):
        failures = 0  # those tried in vain are the least important ones, whatever else has gone meanwhile
        while time.monotonic() < until:
            left = pieces(solution.network, trial.points)[failures:]
            if not left:
                break
            smaller = trial.without(solution, left[0])
            solution, failures = (solution, failures + 1) if smaller is None else (smaller, failures)
    return solution


def nodes(network: KAN, points: Tensor) -> list[list[Place]]:
    """The edges into each hidden node, the nodes that matter least first."""
    values = importances(network, points)
    found = []
    for position, layer in enumerate(layers_of(network)[:-1]):
        for node in range(layer.outputs):
            subnodes = [node] if node < layer.sums else [2 * node - layer.sums, 2 * node - layer.sums + 1]
            into = [(position, i, o) for i in range(layer.basis.inputs) for o in subnodes]
            found.append((float(values[position + 1][node].max()), into))
    return [into for _, into in sorted(found)]


def edges(network: KAN, points: Tensor) -> list[list[Place]]:
    """Every edge by itself, those that matter least first."""
    return [[place] for place in candidates(network, points, math.inf)]


def candidates(network: KAN, points: Tensor, threshold: float) -> list[Place]:
    """The edges below the threshold that have not been pruned before, the least important first."""
    before = [pruned_of(layer) for layer in layers_of(network)]
    found = [
        (float(value), (position, i, o))
        for position, layer in enumerate(importances(network, points))
        for i, row in enumerate(layer)
        for o, value in enumerate(row)
        if value < threshold and (i, o) not in before[position]
    ]
    return [place for _, place in sorted(found)]


@torch.no_grad()
def dependence(network: KAN, points: Tensor) -> Flags:
    """How much each output changes when a coordinate is replaced by its mean, relative to its spread: (d, fields)."""
    outputs = network(points)
    spread = outputs.std(dim=0, correction=0)
    rows = []
    for axis in range(points.shape[1]):
        moved = points.clone()
        moved[:, axis] = points[:, axis].mean()
        rows.append((network(moved) - outputs).square().mean(dim=0).sqrt() / spread.clamp_min(1e-300))
    return torch.stack(rows).cpu().numpy()


def keeps(network: KAN, needed: Flags) -> bool:
    """Whether every output is still connected to the coordinates it needs."""
    return bool((reaches(network) | ~needed).all())


def reaches(network: KAN) -> Flags:
    """Whether there is a path of edges from each coordinate to each output, (d, fields)."""
    paths = np.eye(network.first.basis.inputs, dtype=bool)
    for layer in layers_of(network):
        live = np.ones((layer.basis.inputs, layer.subnodes), dtype=bool)
        for i, o in pruned_of(layer):
            live[i, o] = False
        fed = paths @ live
        paths = np.concatenate([fed[:, : layer.sums], fed[:, layer.sums :: 2] | fed[:, layer.sums + 1 :: 2]], axis=1)
    return paths
