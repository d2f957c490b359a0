"""The loss of a peer's module, from a problem's blocks at the points of a task.

Hard conditions are soft here, because only kanpde's ansatz makes them hold by construction.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from kanpde.bench.task import Evaluate, Task
from kanpde.calculus.arrays import Array
from kanpde.collocation.losses import Function, rows
from kanpde.collocation.rows import Placed
from kanpde.collocation.sampling import samples
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

# Weight of a condition against the equation, whose rows are larger, for peers that do not scale rows. It is 100 in
# pykan's example of Poisson's equation and in DeepXDE's example of Helmholtz's equation.
CONDITIONS = 100.0


def weight_of(block: Block) -> float:
    """Return the factor on the block's mean square."""
    return block.weight * (CONDITIONS if block.kind == "condition" else 1.0)


def placed(problem: Problem, task: Task) -> list[Placed]:
    """Return every block of the problem, hard conditions included, at points of the task's number and seed."""
    blocks, generator = problem.blocks(hard=True), np.random.default_rng(task.seed)
    drawn = samples(blocks, problem.domain, task.points_of, generator)
    like = torch.zeros((), dtype=torch.float64)
    return [
        Placed.at(block, problem.domain.names, *each.tensors(like)) for block, each in zip(blocks, drawn, strict=True)
    ]


def points_of(parts: Sequence[Placed]) -> int:
    """Return the number of points of all blocks."""
    return sum(part.count for part in parts)


def loss(parts: Sequence[Placed], function: Function, problem: Problem) -> Tensor:
    """Return Σ_b w_b mean_n r_bn²."""
    total = torch.zeros((), dtype=torch.float64)
    for part in parts:
        total = total + weight_of(part.block) * rows(part, function, problem).square().mean(dim=1).sum()
    return total


def evaluated(function: Function) -> Evaluate:
    """Return the function from NumPy arrays to NumPy arrays, without gradients."""

    def evaluate(points: Array) -> Array:
        with torch.no_grad():
            return function(torch.as_tensor(points)).double().numpy()

    return evaluate
