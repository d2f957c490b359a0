"""Evaluate a problem's blocks for any torch module, with partial derivatives by automatic differentiation.

The user's own equation is called with fields whose lookups differentiate the module's output, so no equation is
rewritten for a peer. Hard conditions are soft here, because only kanpde's ansatz makes them hold by construction.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from kanpde.bench.task import Evaluate, Task
from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.collocation.rows import Placed
from kanpde.collocation.sampling import samples
from kanpde.problem.block import Block, Side
from kanpde.problem.field import Field
from kanpde.problem.problem import Problem

Function = Callable[[Tensor], Tensor]

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


def side(function: Function, points: Tensor, problem: Problem) -> Side:
    """Return the fields ``function(points (n, d)) -> (n, fields)`` at points; partials are computed on demand."""
    points = points.detach().requires_grad_()
    values = function(points)

    def field(number: int, name: str) -> Field:
        @functools.cache
        def gradient(partial: MultiIndex) -> Tensor:
            """Return all first derivatives (n, d) of a partial."""
            below = lookup(partial)
            if not below.requires_grad:
                return torch.zeros_like(points)
            (slopes,) = torch.autograd.grad(below.sum(), points, create_graph=True, materialize_grads=True)
            return slopes

        def lookup(partial: MultiIndex) -> Tensor:
            return gradient(partial[:-1])[:, partial[-1]] if partial else values[:, number]

        return Field(name, problem.domain.names, lookup)

    return Side(points, tuple(field(number, name) for number, name in enumerate(problem.fields)))


def rows(part: Placed, function: Function, problem: Problem) -> Tensor:
    """Return the block's rows (components, n)."""
    return part.evaluate([side(function, image, problem) for image in part.images], {})


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
