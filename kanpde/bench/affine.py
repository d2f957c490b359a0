"""Compute the coefficients of linear rows r = offset + Σ c_α ∂^α u by differentiating the rows once.

At given points these numbers represent conditions, and equations linear in their fields, for any representation of u.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kanpde.arrays import Array, MultiIndex
from kanpde.problem.block import Block, Side
from kanpde.problem.field import Field
from kanpde.problem.problem import Problem

Key = tuple[int, int, MultiIndex]


@dataclass(frozen=True)
class Affine:
    """One component of a block: `offset` (n,), and coefficients (n,) by image, field and partial."""

    offset: Array
    coefficients: dict[Key, Array]


def affine(block: Block, images: tuple[Tensor, ...], index: Tensor | None, problem: Problem) -> list[Affine]:
    """Return the coefficients of every component of a block whose rows are linear in its fields."""
    leaves = {
        (image, field, partial): torch.zeros(len(points), dtype=points.dtype, requires_grad=True)
        for image, points in enumerate(images)
        for field, partials in block.partials.items()
        for partial in sorted(partials)
    }

    def side(image: int) -> Side:
        fields = tuple(
            Field(name, problem.domain.names, lambda partial, f=f: leaves[image, f, partial])  # type: ignore[misc]
            for f, name in enumerate(problem.fields)
        )
        return Side(images[image], fields)

    rows = block.evaluate(tuple(map(side, range(len(images)))), index, {})
    result = []
    for row in rows:
        slopes = torch.autograd.grad(row.sum(), list(leaves.values()), retain_graph=True, allow_unused=True)
        found = {key: slope.numpy() for key, slope in zip(leaves, slopes, strict=True) if slope is not None}
        result.append(Affine(row.detach().numpy(), found))
    return result
