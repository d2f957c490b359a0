"""What an equation has beside its principal part, looked at by its derivatives by the partials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import product

import numpy as np
import torch

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.collocation.rows import Placed
from kanpde.marching.principal import ComplexArray, Slopes, determinant
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

SAME = 1e-9  # relative difference that is round-off
LOOKED_AT = 8  # points inside at which the equation is looked at


class Terms(Enum):
    """What an equation has beside its principal part and given functions: nothing, a multiple of u, or other terms."""

    NONE = "none"
    REACTION = "reaction"
    OTHER = "other"


def terms_of(problem: Problem, block: Block) -> tuple[Terms, ComplexArray] | None:
    """Return the terms of an equation or a system in the plane or in space, or in time too, beside its principal part,
    and the values that `determinant` returns for that.

    The principal part is a multiple of one with constant coefficients; else None is returned. The equation is looked at
    by its derivatives by the partials, at some points and for two sizes of the fields.
    """
    domain = problem.domain
    points = domain.interior(np.random.default_rng(0).random((LOOKED_AT, domain.dimension)))
    every = [[*slopes_at(problem, block, point, None, size)] for size, point in product((0.0, 1.0), points)]
    partials = [(p, slope) for rows in every for row in rows for each in row for p, slope in each.items()]
    if any(slope and 2 <= len(in_space(p, domain.time)) < len(p) for p, slope in partials):
        return None
    spatial = [[[without(domain.time, each) for each in row] for row in rows] for rows in every]
    found = [determinant(rows, len(domain.space)) for rows in spatial if rows]
    if len(found) < len(every) or found[0] is None:
        return None
    first, lower = found[0]
    if any(each is None or not same(each[0], first) for each in found):
        return None
    return _terms(every, lower, domain.time), first


def _terms(every: Sequence[Sequence[Sequence[Slopes]]], lower: bool, time: int | None) -> Terms:
    """Return the terms beside the principal part from the slopes of every row by every field at every point."""
    one = every[0]
    largest = max(abs(slope) for row in one for each in row for slope in each.values())
    for rows in every:
        for row, first in zip(rows, one, strict=True):
            if any(abs(f[p] - g[p]) > SAME * largest for f, g in zip(row, first, strict=True) for p in g):
                return Terms.OTHER
    if len(one) > 1:
        return Terms.OTHER if lower else Terms.NONE
    # Derivatives in time of a polynomial in time are such polynomials: multiples of u.
    orders = {len(in_space(partial, time)) for partial, slope in one[0][0].items() if slope}
    rest = orders - {max(orders)}
    return Terms.NONE if not rest else Terms.REACTION if rest == {0} else Terms.OTHER


def same(one: ComplexArray, other: ComplexArray) -> bool:
    """Return True if values (n,) are multiples of others, but for round-off."""
    largest = int(np.abs(one).argmax())
    return bool(np.abs(one * other[largest] - other * one[largest]).max() <= SAME * np.abs(one * other[largest]).max())


def in_space(partial: MultiIndex, time: int | None) -> MultiIndex:
    """Return the derivatives in space of a partial."""
    return tuple(axis for axis in partial if axis != time)


def without(time: int | None, slopes: Slopes) -> Slopes:
    """Return the slopes by derivatives in space alone."""
    return {partial: slope for partial, slope in slopes.items() if time not in partial}


def slopes_at(
    problem: Problem, block: Block, point: Array, index: int | None, size: float
) -> Iterator[tuple[Slopes, ...]]:
    """Yield ∂r/∂(∂^α u) of every row of a block at one point by every field, for random partials of a size.

    Nothing is yielded for a block that needs the fields at other points too.
    """
    where = None if index is None else torch.tensor([index])
    placed = Placed.at(block, problem.domain.names, torch.as_tensor(point[None]), where)
    if len(placed.images) != 1:
        return
    fields, draw = len(problem.fields), torch.Generator().manual_seed(0)
    random = torch.rand(1, len(placed.plan), fields, dtype=torch.float64, generator=draw)
    unknowns = {name: torch.tensor(float(value), dtype=torch.float64) for name, value in problem.constants.items()}
    for slope in placed.slopes([size * random], unknowns)[1]:
        by_fields = slope.by_jets[0][0].T.tolist()
        yield tuple(dict(zip(placed.plan.partials, each, strict=True)) for each in by_fields)
