"""Weights of whole blocks: measured every few iterations, and averaged."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from kanpde.network.residuals import Residuals
from kanpde.training.weighting.rule import Stateless

EVERY = 5  # iterations between two measurements of the blocks
MEMORY = 0.9  # of a block's weight at each, as in arXiv 2308.08468


class BlockWeights(Stateless):
    """Each block's weight is a running mean of those found by `measure`, (blocks,)."""

    def __init__(self, measure: Callable[[Residuals], Tensor]) -> None:
        self._measure = measure

    def apply(self, residuals: Residuals, iteration: int) -> None:
        """Set the blocks' `emphasis`."""
        if iteration % EVERY:
            return
        found = self._measure(residuals)
        memory = 0.0 if iteration == 0 else MEMORY
        for part, weight in zip(residuals.parts, (found / found.mean()).tolist(), strict=True):
            part.emphasis = memory * part.emphasis + (1 - memory) * weight
