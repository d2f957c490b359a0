"""Compute the coefficients of linear rows r = offset + Σ c_α ∂^α u by differentiating the rows once.

At given points these numbers represent conditions, and equations linear in their fields, for any representation of u.
"""

from __future__ import annotations

from dataclasses import dataclass

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.collocation.rows import Placed

Key = tuple[int, int, MultiIndex]


@dataclass(frozen=True)
class Affine:
    """One component of a block: `offset` (n,), and coefficients (n,) by image, field and partial."""

    offset: Array
    coefficients: dict[Key, Array]


def affine(placed: Placed, fields: int) -> list[Affine]:
    """Return every component of a block whose rows are linear in its fields."""
    plan, partials = placed.plan, placed.block.partials.items()
    zeros = [points.new_zeros(len(points), len(plan), fields) for points in placed.images]
    rows, slopes = placed.slopes(zeros, {})
    result = []
    for row, slope in zip(rows, slopes, strict=True):
        columns = {
            (image, f, partial): by_jet[:, plan.index[partial], f]
            for image, by_jet in enumerate(slope.by_jets)
            for f, wanted in partials
            for partial in sorted(wanted)
        }
        result.append(Affine(row.numpy(), {key: each.numpy() for key, each in columns.items() if each.any()}))
    return result
