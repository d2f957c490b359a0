"""Causal weights of points: late times count once the residual at early times is small.

Wang, Sankaran and Perdikaris, CMAME 421 (2024) 116813 (arXiv 2203.07404), algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from kanpde.errors import ConfigurationError
from kanpde.geometry.domain import Domain
from kanpde.network.residuals import Residuals
from kanpde.training.weighting.measures import squared_residuals
from kanpde.training.weighting.rule import relative

PIECES = 16  # number of equal pieces of time
STRICTNESS = (1.0, 10.0, 100.0, 1000.0)  # the values of ε in order; the paper's 0.01 … 100 suit absolute losses
MIN_WEIGHT = 0.99  # ε is increased if all weights are above this


class Causal:
    """The causal rule for the equation's points; the points of conditions keep their weights.

    Its state is the index of the present ε. Raises ConfigurationError if the domain has no time.
    """

    orders_time = True

    def __init__(self, domain: Domain) -> None:
        if domain.time is None:
            raise ConfigurationError(
                f"expected a coordinate t for training.weighting=causal, got {', '.join(domain.names)}; "
                "choose another weighting"
            )
        self._axis = domain.time
        self._low, self._high = float(domain.low[domain.time]), float(domain.high[domain.time])
        self._stage = 0

    def apply(self, residuals: Residuals, iteration: int) -> None:
        """Set the `attention` of the equation's points."""
        part = residuals.parts[0]
        share = (part.points[:, self._axis] - self._low) / (self._high - self._low)
        weights = causal(share, squared_residuals(residuals, part), STRICTNESS[self._stage])
        self._stage = next_stage(self._stage, weights)
        part.attention = relative(weights)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the index of the present ε as JSON."""
        return {}, {"stage": self._stage}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore the index of ε; 0 if the state is that of another rule."""
        self._stage = int(numbers.get("stage", 0))


def causal(share: Tensor, squares: Tensor, strictness: float, pieces: int = PIECES) -> Tensor:
    """Return w_i = exp(−ε Σ_{k<i} L_k) of each point in piece i of time, (n,).

    `share` (n,) is a point's time as a share of all time, which is cut into equal pieces; L_k is the mean of `squares`
    (n,), the squared residual, in piece k, and zero if the piece has no points.
    """
    piece = (share * pieces).long().clamp(0, pieces - 1)
    sums = squares.new_zeros(pieces).index_add(0, piece, squares)
    counts = squares.new_zeros(pieces).index_add(0, piece, torch.ones_like(squares))
    losses = sums / counts.clamp_min(1)
    before = torch.cumsum(losses, dim=0) - losses
    return torch.exp(-strictness * before)[piece]


def next_stage(stage: int, weights: Tensor) -> int:
    """Return the index of the next ε if all weights (n,) are above `MIN_WEIGHT`, else of the present one."""
    return min(stage + 1, len(STRICTNESS) - 1) if bool((weights > MIN_WEIGHT).all()) else stage
