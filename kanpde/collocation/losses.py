"""The losses of a problem for any function of torch tensors, with partial derivatives by automatic differentiation.

The user's own equation is called with fields whose lookups differentiate the function's values, so no equation is
written twice.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import MultiIndex
from kanpde.collocation.rows import Placed
from kanpde.collocation.sampling import samples
from kanpde.errors import ProblemError, nearest, short
from kanpde.problem.block import Side
from kanpde.problem.field import Field
from kanpde.problem.problem import Problem

Function = Callable[[Tensor], Tensor]


def losses(
    problem: Problem,
    function: Function,
    *,
    interior: int = 1024,
    boundary: int = 256,
    seed: int = 0,
    unknowns: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Return the mean squares of the residual and of each condition by name, for a training loop of your own.

    ``function(points (n, d)) -> (n, fields)`` is any module, a `KAN` or another one. `interior` and `boundary` are the
    numbers of quasi-random points of the equation and of each condition; another `seed` gives other points. They have
    the precision and the device of the module's parameters. `unknowns` are the constants of an inverse problem by name,
    scalars; by default they have the values to start from. Hard conditions are losses like others. Autograd
    differentiates the losses by the module's parameters.

    Raises ProblemError if the function's values have another shape, or if an unknown constant has another name.
    """
    if not isinstance(problem, Problem):
        raise ProblemError(f"expected a problem such as load_problem('heat'), got {short(problem)}")
    parameters = function.parameters() if isinstance(function, torch.nn.Module) else iter(())
    like = next(parameters, torch.zeros((), dtype=torch.get_default_dtype()))
    values = {name: torch.tensor(start).to(like) for name, start in problem.constants.items()}
    for name, value in (unknowns or {}).items():
        if name not in values:
            raise ProblemError(f"unknown constant {name!r} of {problem.name}; {nearest(name, values)}")
        values[name] = value
    blocks, generator = problem.blocks(hard=True), np.random.default_rng(seed)
    drawn = samples(blocks, problem.domain, lambda block: boundary if block.faces else interior, generator)
    placed = [Placed.at(b, problem.domain.names, *s.tensors(like)) for b, s in zip(blocks, drawn, strict=True)]
    return {p.block.name: rows(p, function, problem, values).square().mean(dim=1).sum() for p in placed}


def side(function: Function, points: Tensor, problem: Problem) -> Side:
    """Return the fields ``function(points (n, d)) -> (n, fields)`` at points; partials are computed on demand."""
    points = points.detach().requires_grad_()
    values, expected = function(points), (len(points), len(problem.fields))
    if tuple(values.shape) != expected:
        raise ProblemError(
            f"expected values of the shape {expected} at {len(points)} points, got {tuple(values.shape)}"
        )

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


def rows(part: Placed, function: Function, problem: Problem, unknowns: Mapping[str, Tensor] | None = None) -> Tensor:
    """Return the block's rows (components, n)."""
    return part.evaluate([side(function, image, problem) for image in part.images], unknowns or {})
