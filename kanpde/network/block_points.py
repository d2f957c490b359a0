"""A block of rows at the points of a training, in chunks that pass through a network together."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from kanpde.calculus.jets import JetPlan
from kanpde.collocation.rows import Placed, Sums, plan_of
from kanpde.problem.block import Block


@dataclass(frozen=True)
class Chunk:
    """Some rows of a block, from number `start` on, and the network's data at each image of their points.

    If another process evaluates them, they are not `here`, and there are no data.
    """

    placed: Placed
    prepared: tuple[Any, ...]
    start: int
    here: bool = True

    @property
    def count(self) -> int:
        return self.placed.count


@dataclass
class BlockPoints:
    """A block with its points, prepared for evaluation, and the scales and weights of its rows.

    `shares` (n,) are weights of the rows given from outside, and `weights` these weights after balancing. `scale`
    (components,) is the size of the terms, and `level` (components,) the mean size of the equation's terms, NaN before
    its measurement. `emphasis` of the block and `attention` (n,) of its points multiply these weights; their means are
    1. If rows are integrals, `sums` has them.
    """

    block: Block
    plan: JetPlan
    points: Tensor
    index: Tensor | None
    shares: Tensor
    weights: Tensor
    scale: Tensor
    level: Tensor
    attention: Tensor
    emphasis: float = 1.0
    sums: Sums | None = None
    chunks: list[Chunk] = field(default_factory=list)

    @classmethod
    def of(cls, block: Block, dimension: int, like: Tensor) -> BlockPoints:
        """Return the block without points."""
        none, each = like.new_zeros(0), like.new_ones(len(block.components))
        points = like.new_zeros(0, dimension)
        return cls(block, plan_of(block, dimension), points, None, none, none, each, torch.nan * each, none)

    def row_factors(self, chunk: Chunk) -> Tensor:
        """Return the factor of every row of a chunk, (components, n)."""
        common = math.sqrt(self.block.weight * self.emphasis / len(self.shares)) / self.scale
        there = slice(chunk.start, chunk.start + chunk.count)
        return common[:, None] * (self.weights[there] * self.attention[there]).sqrt()
