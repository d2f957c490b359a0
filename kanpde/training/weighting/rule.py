"""The interface of a weighting rule, and the rule that changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from kanpde.network.residuals import Residuals


class Rule(Protocol):
    """A rule that weights blocks and points, in addition to the size of their terms, in each iteration.

    It sets the `emphasis` of blocks or the `attention` of points; both have mean 1, so the loss remains comparable to
    the unweighted one.
    """

    orders_time: bool  # True if the rule prefers early times; a window of time is then not necessary

    def apply(self, residuals: Residuals, iteration: int) -> None:
        """Set the weights of this iteration from the residuals at the model's parameters."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for `restore`, without the weights, which belong to the residuals."""

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""


class Stateless:
    """The base of rules without a state of their own."""

    orders_time = False

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return an empty state."""
        return {}, {}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Ignore the state of another rule."""


class Unweighted(Stateless):
    """The rule that gives all blocks and points the weight 1."""

    def apply(self, residuals: Residuals, iteration: int) -> None:
        """Leave the weights as they are."""


def relative(weights: Tensor) -> Tensor:
    """Return the weights (n,) divided by their mean; 1 if the mean is not positive and finite."""
    mean = weights.mean()
    return weights / mean if bool(torch.isfinite(mean) & (mean > 0)) else torch.ones_like(weights)
