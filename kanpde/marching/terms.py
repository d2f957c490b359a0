"""What an equation has beside a multiple of Δu, looked at by its derivatives by the partials."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import product

import numpy as np
import torch

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.collocation.rows import Placed
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

SAME = 1e-9  # relative difference that is round-off
LOOKED_AT = 8  # points inside at which the equation is looked at

Slopes = Mapping[MultiIndex, float]


class Terms(Enum):
    """What an equation has beside a multiple of Δu and given functions: nothing, a multiple of u, or other terms."""

    NONE = "none"
    REACTION = "reaction"
    OTHER = "other"


def terms_of(problem: Problem, block: Block) -> Terms | None:
    """Return the terms of an equation beside a multiple of Δu; None if that is not its principal part.

    It is looked at by its derivatives by the partials, at some points and for two fields.
    """
    points = problem.domain.interior(np.random.default_rng(0).random((LOOKED_AT, 2)))
    pairs = product((0.0, 1.0), points)
    every = [slopes for size, point in pairs for slopes in slopes_at(problem, block, point, None, size)]
    if len(block.components) > 1 or not every or not all(map(is_laplacian, every)):
        return None
    one = every[0]
    if any(abs(each[p] - one[p]) > SAME * abs(each[0, 0]) for each in every for p in one):
        return Terms.OTHER
    lower = {len(partial) for partial, slope in one.items() if slope and len(partial) < 2}
    return Terms.NONE if not lower else Terms.REACTION if lower == {0} else Terms.OTHER


def is_laplacian(slopes: Slopes) -> bool:
    """Return True if the terms of highest order are a multiple of Δu, for one field of (x, y)."""
    xx, yy, xy = (slopes.get(partial, 0.0) for partial in ((0, 0), (1, 1), (0, 1)))
    higher = any(slope for partial, slope in slopes.items() if len(partial) > 2)
    return math.isfinite(xx) and xx != 0 and abs(xx - yy) <= SAME * abs(xx) and abs(xy) <= SAME * abs(xx) and not higher


def slopes_at(problem: Problem, block: Block, point: Array, index: int | None, size: float) -> Iterator[Slopes]:
    """Yield ∂r/∂(∂^α u) of every row of a block at one point, for random partials of a size.

    Nothing is yielded for a block that needs the field at other points too.
    """
    where = None if index is None else torch.tensor([index])
    placed = Placed.at(block, problem.domain.names, torch.as_tensor(point[None]), where)
    if len(placed.images) != 1:
        return
    random = torch.rand(1, len(placed.plan), 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    unknowns = {name: torch.tensor(float(value), dtype=torch.float64) for name, value in problem.constants.items()}
    for slope in placed.slopes([size * random], unknowns)[1]:
        yield dict(zip(placed.plan.partials, slope.by_jets[0][0, :, 0].tolist(), strict=True))
