"""Fields made of known functions, for tests of what a problem does with a network's output."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from kanpde.calculus.arrays import MultiIndex
from kanpde.problem.block import Block, Side
from kanpde.problem.field import Field
from kanpde.problem.problem import Problem

Function = Callable[..., Tensor]


def partial_by_autograd(function: Function, points: Tensor, partial: MultiIndex) -> Tensor:
    inputs = points.detach().clone().requires_grad_()
    result = function(*inputs.unbind(-1))
    for axis in partial:
        (gradient,) = torch.autograd.grad(result.sum(), inputs, create_graph=True, materialize_grads=True)
        result = gradient[:, axis]
        if not result.requires_grad:
            result = result + 0 * inputs[:, 0]
    return result.detach()


def side(problem: Problem, points: Tensor, *functions: Function) -> Side:
    """The functions, one a field and each of all coordinates, as fields at points."""

    def field(name: str, function: Function) -> Field:
        return Field(name, problem.domain.names, lambda partial: partial_by_autograd(function, points, partial))

    return Side(points, tuple(field(n, f) for n, f in zip(problem.fields, functions, strict=True)))


def sample(problem: Problem, block: Block, count: int = 6, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Points of a block, count on each face, and the face each lies on."""
    generator = torch.Generator().manual_seed(0)
    domain = problem.domain

    def unit(dimension: int) -> Tensor:
        return torch.rand(count, dimension, generator=generator, dtype=torch.float64)

    if not block.faces:
        return torch.from_numpy(domain.interior(unit(domain.dimension).numpy())).to(dtype), torch.zeros(count).long()
    parts = [torch.from_numpy(domain.on_face(face, unit(domain.dimension - 1).numpy())) for face in block.faces]
    return torch.cat(parts).to(dtype), torch.arange(len(parts)).repeat_interleave(count)


def rows(
    problem: Problem, block: Block, *functions: Function, dtype: torch.dtype = torch.float64, **unknowns: float
) -> tuple[Tensor, Tensor]:
    """A block's rows for known functions, and the points they stand for."""
    points, index = sample(problem, block, dtype=dtype)
    sides = tuple(side(problem, image, *functions) for image in block.images(points))
    given = {name: torch.tensor(value, dtype=dtype) for name, value in unknowns.items()}
    return block.evaluate(sides, index, given), points
