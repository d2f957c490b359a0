"""Weights of points that let late times count once the early ones are found.

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

PIECES = 16  # of time
STRICTNESS = (1.0, 10.0, 100.0, 1000.0)  # ε in turn; the paper's 0.01 … 100 are for losses that are not relative
OPEN = 0.99  # the least weight at which the next ε is taken


class Causal:
    """The rule for the equation's points; its state is the number of the present ε. Conditions hold at all times alike.

    Raises ConfigurationError for a domain without time.
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
        self._stage = tightened(self._stage, weights)
        part.attention = relative(weights)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the number of the present ε."""
        return {}, {"stage": self._stage}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take up the number of an ε; the first after another rule."""
        self._stage = int(numbers.get("stage", 0))


def causal(share: Tensor, squares: Tensor, strictness: float, pieces: int = PIECES) -> Tensor:
    """w_i = exp(−ε Σ_{k<i} L_k) at every point, (n,).

    `share` (n,) is the time of a point as a share of all of it, 0 to 1, which is cut into equal pieces; L_k is the mean
    of `squares` (n,), the squared residual, in piece k. A piece without points adds nothing.
    """
    piece = (share * pieces).long().clamp(0, pieces - 1)
    sums = squares.new_zeros(pieces).index_add(0, piece, squares)
    counts = squares.new_zeros(pieces).index_add(0, piece, torch.ones_like(squares))
    losses = sums / counts.clamp_min(1)
    before = torch.cumsum(losses, dim=0) - losses
    return torch.exp(-strictness * before)[piece]


def tightened(stage: int, weights: Tensor) -> int:
    """The number of the next ε where all weights are open, else the present one."""
    return min(stage + 1, len(STRICTNESS) - 1) if bool((weights > OPEN).all()) else stage
