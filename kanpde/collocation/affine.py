"""Whether an equation is linear in its fields, found by trying it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kanpde.arrays import Array, MultiIndex
from kanpde.geometry.domain import face_points, interior_points
from kanpde.problem.block import Block, Side
from kanpde.problem.field import Field
from kanpde.problem.problem import Problem

TRIALS = 16
TOLERANCE = 1e-9  # of the rows themselves, whatever unit they are in


def is_affine(block: Block, problem: Problem) -> bool:
    """Whether r((a + b)/2) = (r(a) + r(b))/2 for random jets at random points: only affine rows do that.

    The jets have both signs, and are positive where the rows are not finite then: roots and logarithms are.
    """
    generator = np.random.default_rng(0)
    points, index = trial_points(block, problem, generator)

    def trial(low: float) -> tuple[Tensor, Tensor]:
        """Where the rows are finite, and where they are affine."""
        a, b = (jets(block, generator, low) for _ in range(2))
        middle = {key: (a[key] + b[key]) / 2 for key in a}
        at_a, at_b, between = (rows(block, problem, points, index, jet) for jet in (a, b, middle))
        size = at_a.abs() + at_b.abs() + between.abs()
        return size.isfinite(), ((at_a + at_b) / 2 - between).abs() <= TOLERANCE * size

    (finite, affine), (_, affine_above) = trial(-1.5), trial(0.5)
    return bool(torch.where(finite, affine, affine_above).all())


def jets(block: Block, generator: np.random.Generator, low: float) -> dict[tuple[int, MultiIndex], Tensor]:
    """Random values between `low` and 1.5 for every partial that the block needs."""
    keys = [(f, partial) for f, partials in sorted(block.partials.items()) for partial in sorted(partials)]
    return {key: torch.as_tensor(generator.uniform(low, 1.5, TRIALS)) for key in keys}


def trial_points(block: Block, problem: Problem, generator: np.random.Generator) -> tuple[Tensor, Tensor | None]:
    """Points where the block is to vanish, and their index."""
    domain = problem.domain
    if block.points is not None:
        index = generator.integers(len(block.points), size=TRIALS)
        return torch.as_tensor(block.points[index]), torch.as_tensor(index)

    def draw(count: int, dimension: int) -> Array:
        return generator.random((count, dimension))

    if not block.faces:
        return torch.as_tensor(interior_points(domain, TRIALS, draw)), None
    return torch.as_tensor(face_points(domain, block.faces[0], TRIALS, draw)), torch.zeros(TRIALS, dtype=torch.long)


def rows(
    block: Block, problem: Problem, points: Tensor, index: Tensor | None, jet: dict[tuple[int, MultiIndex], Tensor]
) -> Tensor:
    """The block's rows with these values of the partials at every image."""
    fields = tuple(
        Field(name, problem.domain.names, lambda partial, f=f: jet[f, partial])  # type: ignore[misc]
        for f, name in enumerate(problem.fields)
    )
    sides = tuple(Side(image, fields) for image in block.images(points))
    unknowns = {name: torch.tensor(float(value), dtype=torch.float64) for name, value in problem.unknowns.items()}
    with torch.no_grad():
        return block.evaluate(sides, index, unknowns)
