"""One rule applied as a training goes on: it measures what the rule asks for and sets the loss's weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from kanpde.errors import ConfigurationError
from kanpde.geometry.domain import Domain
from kanpde.network.residuals import BlockPoints, Residuals
from kanpde.training.weighting.causal import STRICTNESS, causal, tightened
from kanpde.training.weighting.gradient_norm import gradient_norm
from kanpde.training.weighting.measures import gradient_norms, squared_residuals, traces
from kanpde.training.weighting.ntk import ntk
from kanpde.training.weighting.residual_attention import inherited, residual_attention

EVERY = 5  # iterations between two measurements of the blocks
MEMORY = 0.9  # of a block's weight at each, as in arXiv 2308.08468


class Balance:
    """The weights named by `training.weighting`; its state are the weights, and the ε of causal ones.

    Weights of blocks and of points are divided by their means, so that the loss stays comparable to the one without.
    Points that are new take the attention of the nearest old one.
    """

    def __init__(self, name: str, domain: Domain) -> None:
        if name == "causal" and domain.time is None:
            raise ConfigurationError(
                f"expected a coordinate t for training.weighting=causal, got {', '.join(domain.names)}; "
                "choose another weighting"
            )
        self._name, self._domain = name, domain
        self._stage = 0
        self._seen: dict[int, tuple[Tensor, Tensor]] = {}

    def apply(self, residuals: Residuals, vector: Tensor, iteration: int) -> None:
        """Set the weights for this iteration."""
        if self._name == "none":
            return
        residuals.model.assign(vector)
        if self._name == "causal":
            self._follow_time(residuals)
        elif self._name == "residual_attention":
            self._follow_residual(residuals)
        elif iteration % EVERY == 0:
            found = gradient_norm(gradient_norms(residuals)) if self._name == "gradient_norm" else None
            self._emphasise(residuals, ntk(traces(residuals, vector)) if found is None else found, iteration == 0)

    def state(self, residuals: Residuals) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What `restore` takes up."""
        tensors: dict[str, Tensor] = {}
        for number, part in enumerate(residuals.parts):
            tensors[f"attention.{number}"] = part.attention
        for number, (points, values) in self._seen.items():
            tensors |= {f"points.{number}": points, f"values.{number}": values}
        return tensors, {"stage": self._stage, "emphasis": [part.emphasis for part in residuals.parts]}

    def restore(self, residuals: Residuals, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take up a state, once the points are in place."""
        self._stage = int(numbers["stage"])
        for number, part in enumerate(residuals.parts):
            part.emphasis = float(numbers["emphasis"][number])
            part.attention = tensors[f"attention.{number}"].to(part.points)
            if f"values.{number}" in tensors:
                kept = (tensors[f"points.{number}"], tensors[f"values.{number}"])
                self._seen[number] = (kept[0].to(part.points), kept[1].to(part.points))

    def _emphasise(self, residuals: Residuals, found: Tensor, first: bool) -> None:
        """The blocks' weights, a running mean of those found."""
        memory = 0.0 if first else MEMORY
        for part, weight in zip(residuals.parts, (found / found.mean()).tolist(), strict=True):
            part.emphasis = memory * part.emphasis + (1 - memory) * weight

    def _follow_residual(self, residuals: Residuals) -> None:
        for number, part in enumerate(residuals.parts):
            residual = squared_residuals(residuals, part).sqrt()
            values = residual_attention(self._previous(number, part), residual)
            self._seen[number] = (part.points, values)
            part.attention = relative(values.square())

    def _previous(self, number: int, part: BlockPoints) -> Tensor:
        """The λ of the block's points before: 1 at the very first."""
        if number not in self._seen:
            return torch.ones_like(part.shares)
        points, values = self._seen[number]
        return values if torch.equal(points, part.points) else inherited(part.points, points, values)

    def _follow_time(self, residuals: Residuals) -> None:
        """Of the equation's points; conditions hold at all times alike."""
        part, axis = residuals.parts[0], self._domain.time
        assert axis is not None
        low, high = float(self._domain.low[axis]), float(self._domain.high[axis])
        share = (part.points[:, axis] - low) / (high - low)
        weights = causal(share, squared_residuals(residuals, part), STRICTNESS[self._stage])
        self._stage = tightened(self._stage, weights)
        part.attention = relative(weights)


def relative(weights: Tensor) -> Tensor:
    """The weights over their mean; 1 where that is not a positive number."""
    mean = weights.mean()
    return weights / mean if bool(torch.isfinite(mean) & (mean > 0)) else torch.ones_like(weights)
