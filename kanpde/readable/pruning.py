"""Prune unimportant edges and nodes, and refit the rest; undo a pruning that the refit does not repair."""

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

STEPS = 60  # Gauss–Newton steps of the refit after a pruning


def prune(
    source: Source,
    threshold: float = 1e-2,
    factor: float = 10.0,
    tolerance: float = 1e-6,
    greedy: bool = False,
    budget_seconds: float = 60.0,
) -> Source:
    """Return the network without edges of importance below `threshold`, and without unneeded nodes.

    The importance of an edge is the relative change of the outputs when it is replaced by its mean. A solution is
    refitted by Gauss–Newton; while its loss exceeds both `factor` times the loss of the refitted whole network and
    `tolerance`² (the root of the loss estimates the relative error), half as many edges are pruned, down to zero.
    With `greedy` every node and then every edge is tried by itself, the least important first, for `budget_seconds`,
    and pruned if the rest can replace it after a refit. A network without a solution is neither refitted nor pruned
    greedily.

    Every output stays connected to the coordinates on which it depends by more than `threshold`.

    Raises ConfigurationError if a setting is not a positive number, or if a network without a solution is given with
    `greedy`.
    """
    settings = {"threshold": threshold, "factor": factor, "tolerance": tolerance, "budget_seconds": budget_seconds}
    for name, value in settings.items():
        if not (number(value) and value > 0):
            raise ConfigurationError(f"expected {name} to be a positive number, got {value!r}")
    if isinstance(source, Solution):
        return pruned(source, threshold, factor, tolerance, budget_seconds if greedy else None)
    if greedy:
        raise ConfigurationError("expected a solution to prune greedily, got a network alone; refits need a problem")
    return renewed(source, lightest(source, threshold))


def pruned(solution: Solution, threshold: float, factor: float, tolerance: float, seconds: float | None) -> Solution:
    """Return the solution without weak edges and, if `seconds` is a number, pruned greedily for this time."""
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
    """Return the network without weak edges, as many as leave every output connected to its coordinates."""
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
    """The demands on a smaller network: a loss of at most `limit` after a refit, and the `needed` paths (d, fields)."""

    fixed_rows: FixedRows
    points: Tensor
    needed: Flags
    limit: float

    def without(self, solution: Solution, places: Sequence[Place]) -> Solution | None:
        """Return the solution without these edges, refitted, or None if it does not meet the demands."""
        smaller = without(solution.network, places, self.points)
        if smaller is None or not keeps(smaller, self.needed):
            return None
        refitted, loss = self.fixed_rows.refitted(renewed(solution, smaller), STEPS, enough=self.limit / 10)
        return refitted if loss <= self.limit else None


def greedily(trial: Trial, solution: Solution, seconds: float) -> Solution:
    """Return the solution without each node, and then each edge, that a refit shows to be dispensable."""
    until = time.monotonic() + seconds
    for pieces in (nodes, edges):
        failures = 0  # the pieces that could not be pruned stay the least important ones
        while time.monotonic() < until:
            left = pieces(solution.network, trial.points)[failures:]
            if not left:
                break
            smaller = trial.without(solution, left[0])
            solution, failures = (solution, failures + 1) if smaller is None else (smaller, failures)
    return solution


def nodes(network: KAN, points: Tensor) -> list[list[Place]]:
    """Return the edges into each hidden node, the least important nodes first."""
    values = importances(network, points)
    found = []
    for position, layer in enumerate(layers_of(network)[:-1]):
        for node in range(layer.outputs):
            subnodes = [node] if node < layer.sums else [2 * node - layer.sums, 2 * node - layer.sums + 1]
            into = [(position, i, o) for i in range(layer.basis.inputs) for o in subnodes]
            found.append((float(values[position + 1][node].max()), into))
    return [into for _, into in sorted(found)]


def edges(network: KAN, points: Tensor) -> list[list[Place]]:
    """Return every edge by itself, the least important first."""
    return [[place] for place in candidates(network, points, math.inf)]


def candidates(network: KAN, points: Tensor, threshold: float) -> list[Place]:
    """Return the edges below the threshold that are not pruned yet, the least important first."""
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
    """Return each output's change when a coordinate is replaced by its mean, relative to its spread: (d, fields)."""
    outputs = network(points)
    spread = outputs.std(dim=0, correction=0)
    rows = []
    for axis in range(points.shape[1]):
        moved = points.clone()
        moved[:, axis] = points[:, axis].mean()
        rows.append((network(moved) - outputs).square().mean(dim=0).sqrt() / spread.clamp_min(1e-300))
    return torch.stack(rows).cpu().numpy()


def keeps(network: KAN, needed: Flags) -> bool:
    """Return whether every output is still connected to the coordinates it needs."""
    return bool((reaches(network) | ~needed).all())


def reaches(network: KAN) -> Flags:
    """Return whether there is a path of edges from each coordinate to each output, (d, fields)."""
    paths = np.eye(network.first.basis.inputs, dtype=bool)
    for layer in layers_of(network):
        live = np.ones((layer.basis.inputs, layer.subnodes), dtype=bool)
        for i, o in pruned_of(layer):
            live[i, o] = False
        fed = paths @ live
        paths = np.concatenate([fed[:, : layer.sums], fed[:, layer.sums :: 2] | fed[:, layer.sums + 1 :: 2]], axis=1)
    return paths
