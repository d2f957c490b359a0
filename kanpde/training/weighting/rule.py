"""A weighting rule: what a training asks of it, and the rule that changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from kanpde.network.residuals import Residuals


class Rule(Protocol):
    """A rule by which blocks and points are weighed beyond the size of their terms, as a training goes on.

    It sets the `emphasis` of blocks or the `attention` of points, both of mean 1, so that the loss stays comparable to
    the one without.
    """

    orders_time: bool  # whether early times come first: a window of time is then not needed

    def apply(self, residuals: Residuals, iteration: int) -> None:
        """Set the weights of this iteration, at the model's parameters."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON that `restore` takes up; the weights themselves belong to the residuals."""

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take up a state."""


class Stateless:
    """A rule that remembers nothing beside the weights."""

    orders_time = False

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return nothing."""
        return {}, {}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take up nothing."""


class Unweighted(Stateless):
    """Every block and every point counts alike."""

    def apply(self, residuals: Residuals, iteration: int) -> None:
        """Leave the weights as they are."""


def relative(weights: Tensor) -> Tensor:
    """Return the weights over their mean; 1 if that is not a positive number."""
    mean = weights.mean()
    return weights / mean if bool(torch.isfinite(mean) & (mean > 0)) else torch.ones_like(weights)
