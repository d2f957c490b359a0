"""Decide numerically whether an equation is linear in its fields."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.collocation.rows import Placed
from kanpde.geometry.domain import face_points, interior_points
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

TRIALS = 16  # random points
TOLERANCE = 1e-9  # the largest deviation of an affine row, relative to the rows' own size


def is_affine(block: Block, problem: Problem) -> bool:
    """Return whether r((a + b)/2) = (r(a) + r(b))/2 for random jets at random points, which holds for affine rows only.

    The jets have both signs, and are positive where the rows are then not finite because of roots or logarithms.
    """
    generator = np.random.default_rng(0)
    placed = Placed.at(block, problem.domain.names, *trial_points(block, problem, generator))
    unknowns = {name: torch.tensor(float(value), dtype=torch.float64) for name, value in problem.unknowns.items()}
    fields = len(problem.fields)

    def trial(low: float) -> tuple[Tensor, Tensor]:
        """Return where the rows are finite, and where they are affine."""
        a, b = (random_jet(placed, fields, generator, low) for _ in range(2))
        at_a, at_b, between = (placed.rows([jet] * len(placed.images), unknowns) for jet in (a, b, (a + b) / 2))
        size = at_a.abs() + at_b.abs() + between.abs()
        return size.isfinite(), ((at_a + at_b) / 2 - between).abs() <= TOLERANCE * size

    (finite, affine), (_, affine_above) = trial(-1.5), trial(0.5)
    return bool(torch.where(finite, affine, affine_above).all())


def random_jet(placed: Placed, fields: int, generator: np.random.Generator, low: float) -> Tensor:
    """Return random values between `low` and 1.5 of every partial that the block needs, (n, S, f)."""
    jet = torch.zeros(TRIALS, len(placed.plan), fields, dtype=torch.float64)
    for f, partials in sorted(placed.block.partials.items()):
        for partial in sorted(partials):
            jet[:, placed.plan.index[partial], f] = torch.as_tensor(generator.uniform(low, 1.5, TRIALS))
    return jet


def trial_points(block: Block, problem: Problem, generator: np.random.Generator) -> tuple[Tensor, Tensor | None]:
    """Return points where the block must vanish, and their index."""
    domain = problem.domain
    if block.points is not None:
        index = generator.integers(len(block.points), size=TRIALS)
        return torch.as_tensor(block.points[index]), torch.as_tensor(index)

    def draw(count: int, dimension: int) -> Array:
        return generator.random((count, dimension))

    if not block.faces:
        return torch.as_tensor(interior_points(domain, TRIALS, draw)), None
    return torch.as_tensor(face_points(domain, block.faces[0], TRIALS, draw)), torch.zeros(TRIALS, dtype=torch.long)
