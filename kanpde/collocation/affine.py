"""Decide numerically whether an equation is linear in its fields."""

from __future__ import annotations

import math
from collections.abc import Sequence

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


def all_affine(problem: Problem) -> bool:
    """Return whether the rows of the equation and of all conditions but the hard ones are affine."""
    blocks = problem.blocks(hard=True)
    doubtful = [block for block in blocks if not (block.hard or block.affine)]
    size = data_size(problem, blocks) if doubtful else 1.0
    return all(is_affine(block, problem, size) for block in doubtful)


def is_affine(block: Block, problem: Problem, size: float | None = None) -> bool:
    """Return whether r((a + b)/2) = (r(a) + r(b))/2 for random jets at random points, which holds for affine rows only.

    The jets have both signs, and are positive where the rows are then not finite because of roots or logarithms. The
    units are the user's, so fields have the size 1 and the size of the data, divided by the box's widths in partials.
    `size` is the problem's `data_size`, if it is known; only its power of two counts.
    """
    if block.affine:
        return True
    size = data_size(problem, problem.blocks(hard=True)) if size is None else size
    sizes = {1.0, 2.0 ** min(round(math.log2(size)), 1023)}
    return all(affine_at(block, problem, each) for each in sizes)


def data_size(problem: Problem, blocks: Sequence[Block]) -> float:
    """Return the largest size of a field that a condition prescribes at random points; 1 if there is none.

    `blocks` are those of the problem, hard ones included.
    """
    generator = np.random.default_rng(0)
    unknowns = {name: torch.tensor(float(value), dtype=torch.float64) for name, value in problem.constants.items()}
    sizes = [1e-300]
    for block in blocks[1:]:
        placed = Placed.at(block, problem.domain.names, *trial_points(block, problem, generator))
        if () not in placed.plan.index:
            continue
        zero = torch.zeros(TRIALS, len(placed.plan), len(problem.fields), dtype=torch.float64)
        at_zero, slopes = placed.slopes([zero] * len(placed.images), unknowns)
        for rows, slope in zip(at_zero, slopes, strict=True):
            by_values = placed.collected(slope.by_jets[0][:, placed.plan.index[()]].abs().amax(dim=1))
            found = (rows / by_values).abs()
            sizes += found[found.isfinite()].tolist()
    return max(sizes) if max(sizes) > 1e-300 else 1.0


def affine_at(block: Block, problem: Problem, size: float) -> bool:
    """Return the same for fields of this size."""
    generator = np.random.default_rng(0)
    points, index = trial_points(block, problem, generator)
    # Three jets at every point in one call, because each one costs more calls than time.
    placed = Placed.at(block, problem.domain.names, points.repeat(3, 1), None if index is None else index.repeat(3))
    unknowns = {name: torch.tensor(float(value), dtype=torch.float64) for name, value in problem.constants.items()}
    fields = len(problem.fields)
    widths = problem.domain.high - problem.domain.low
    spans = torch.tensor([1 / math.prod(widths[list(partial)]) for partial in placed.plan.partials])[:, None]

    def trial(low: float) -> tuple[Tensor, Tensor]:
        """Return where the rows are finite, and where they are affine."""
        a, b = ([size * spans * random_jet(placed, fields, generator, low) for _ in placed.images] for _ in range(2))
        together = [torch.cat([one, other, (one + other) / 2]) for one, other in zip(a, b, strict=True)]
        at_a, at_b, between = torch.split(placed.rows(together, unknowns), TRIALS, dim=1)
        whole = at_a.abs() + at_b.abs() + between.abs()
        return whole.isfinite(), ((at_a + at_b) / 2 - between).abs() <= TOLERANCE * whole

    finite, affine = trial(-1.5)
    return bool((affine if finite.all() else torch.where(finite, affine, trial(0.5)[1])).all())


def random_jet(placed: Placed, fields: int, generator: np.random.Generator, low: float) -> Tensor:
    """Return random values between `low` and 1.5 of every partial that the block needs, (n, S, f)."""
    jet = torch.zeros(TRIALS, len(placed.plan), fields, dtype=torch.float64)
    for f, partials in sorted(placed.block.partials.items()):
        for partial in sorted(partials):
            jet[:, placed.plan.index[partial], f] = torch.as_tensor(generator.uniform(low, 1.5, TRIALS))
    return jet


def trial_points(block: Block, problem: Problem, generator: np.random.Generator) -> tuple[Tensor, Tensor | None]:
    """Return points where the block must vanish, and their index."""
    domain = block.within(problem.domain)
    if block.points is not None:
        index = generator.integers(len(block.points), size=TRIALS)
        return torch.as_tensor(block.points[index]), torch.as_tensor(index)

    def draw(count: int, dimension: int) -> Array:
        return generator.random((count, dimension))

    if not block.faces:
        return torch.as_tensor(interior_points(domain, TRIALS, draw)), None
    return torch.as_tensor(face_points(domain, block.faces[0], TRIALS, draw)), torch.zeros(TRIALS, dtype=torch.long)
