"""What an equation has beside its principal part, looked at by its derivatives by the partials."""

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
DEFINITE = 1e-6  # least ratio of the eigenvalues of a principal part
LOOKED_AT = 8  # points inside at which the equation is looked at

Slopes = Mapping[MultiIndex, float]


class Terms(Enum):
    """What an equation has beside its principal part and given functions: nothing, a multiple of u, or other terms."""

    NONE = "none"
    REACTION = "reaction"
    OTHER = "other"


def terms_of(problem: Problem, block: Block) -> tuple[Terms, Array] | None:
    """Return the terms of an equation for one field of (x, y), or of (x, y, t), beside its principal part in space, and
    that, as a matrix (2, 2).

    The principal part Σ a_ij u_ij is a multiple of one with constant coefficients and a definite matrix, that of Δu
    being the identity; else None is returned. The equation is looked at by its derivatives by the partials, at some
    points and for two fields.
    """
    domain = problem.domain
    points = domain.interior(np.random.default_rng(0).random((LOOKED_AT, domain.dimension)))
    pairs = product((0.0, 1.0), points)
    every = [slopes for size, point in pairs for slopes in slopes_at(problem, block, point, None, size)]
    if any(slope and 2 <= len(in_space(p, domain.time)) < len(p) for each in every for p, slope in each.items()):
        return None
    matrices = [principal_part(without(domain.time, slopes)) for slopes in every]
    if len(block.components) > 1 or not every or matrices[0] is None:
        return None
    matrix = matrices[0]
    if any(each is None or np.abs(each - matrix).max() > SAME * np.abs(matrix).max() for each in matrices):
        return None
    one = every[0]
    if any(abs(each[p] - one[p]) > SAME * abs(each[0, 0]) for each in every for p in one):
        return Terms.OTHER, matrix
    # Derivatives in time of a polynomial in time are such polynomials: multiples of u.
    lower = {len(in_space(partial, domain.time)) for partial, slope in one.items() if slope} - {2}
    return (Terms.NONE if not lower else Terms.REACTION if lower == {0} else Terms.OTHER), matrix


def in_space(partial: MultiIndex, time: int | None) -> MultiIndex:
    """Return the derivatives in space of a partial."""
    return tuple(axis for axis in partial if axis != time)


def without(time: int | None, slopes: Slopes) -> Slopes:
    """Return the slopes by derivatives in space alone."""
    return {partial: slope for partial, slope in slopes.items() if time not in partial}


def principal_part(slopes: Slopes) -> Array | None:
    """Return the matrix of the terms of second order, divided by the coefficient of u_xx; None if it is not definite.

    There is none either if there are terms of higher order.
    """
    xx, yy, xy = (slopes.get(partial, 0.0) for partial in ((0, 0), (1, 1), (0, 1)))
    higher = any(slope for partial, slope in slopes.items() if len(partial) > 2)
    if higher or not all(map(math.isfinite, (xx, yy, xy))) or xx == 0:
        return None
    matrix = np.array([[1.0, xy / (2 * xx)], [xy / (2 * xx), yy / xx]])
    least, largest = np.linalg.eigvalsh(matrix)
    return matrix if least > DEFINITE * largest else None


def is_laplacian(matrix: Array) -> bool:
    """Return True if a principal part is a multiple of Δu."""
    return bool(np.abs(matrix - np.eye(2)).max() <= SAME)


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
