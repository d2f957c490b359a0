"""Weights of whole blocks, as running means of measurements."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from kanpde.network.residuals import Residuals
from kanpde.training.weighting.rule import Stateless

MEASURE_EVERY = 5  # number of iterations between two measurements of the weights
MEMORY = 0.9  # share of the previous weight in the running mean, as in arXiv 2308.08468


class BlockWeights(Stateless):
    """A rule by which each block's weight is a running mean of the weights that `measure` returns, (blocks,)."""

    def __init__(self, measure: Callable[[Residuals], Tensor]) -> None:
        self._measure = measure

    def apply(self, residuals: Residuals, iteration: int) -> None:
        """Set the blocks' `emphasis`."""
        if iteration % MEASURE_EVERY:
            return
        found = self._measure(residuals)
        memory = 0.0 if iteration == 0 else MEMORY
        for part, weight in zip(residuals.parts, (found / found.mean()).tolist(), strict=True):
            part.emphasis = memory * part.emphasis + (1 - memory) * weight
