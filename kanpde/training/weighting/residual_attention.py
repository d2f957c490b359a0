"""Weights of points by their residuals.

Residual-based attention: Anagnostopoulos, Toscano, Stergiopulos and Karniadakis, CMAME 421 (2024) 116805 (arXiv
2307.00379). Each row is multiplied by its λ, so its share of the loss is multiplied by λ².
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from kanpde.network.block_points import BlockPoints
from kanpde.network.residuals import Residuals
from kanpde.training.weighting.measures import squared_residuals
from kanpde.training.weighting.rule import relative

DECAY = 0.99  # γ, the factor on λ in each iteration
RATE = 0.01  # η, the learning rate of λ; λ is at most η/(1 − γ) = 1, its initial value


class ResidualAttention:
    """The rule of residual-based attention for all points.

    Its state is the points and their λ, because a new point starts with the λ of the nearest earlier one.
    """

    orders_time = False

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Tensor, Tensor]] = {}

    def apply(self, residuals: Residuals, iteration: int) -> None:
        """Set the `attention` of all points."""
        for number, part in enumerate(residuals.parts):
            residual = squared_residuals(residuals, part).sqrt()
            values = residual_attention(self._previous(number, part), residual)
            self._seen[number] = (part.points, values)
            part.attention = relative(values.square())

    def _previous(self, number: int, part: BlockPoints) -> Tensor:
        """Return the present λ of the block's points, (n,); 1 in the first iteration."""
        if number not in self._seen:
            return torch.ones_like(part.shares)
        points, values = self._seen[number]
        points, values = points.to(part.points), values.to(part.points)
        return values if torch.equal(points, part.points) else nearest_values(part.points, points, values)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the points and λ of each block as tensors."""
        tensors: dict[str, Tensor] = {}
        for number, (points, values) in self._seen.items():
            tensors |= {f"points.{number}": points, f"values.{number}": values}
        return tensors, {}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore the points and λ."""
        names = [name.removeprefix("values.") for name in tensors if name.startswith("values.")]
        self._seen = {int(name): (tensors[f"points.{name}"], tensors[f"values.{name}"]) for name in names}


def residual_attention(previous: Tensor, residual: Tensor, decay: float = DECAY, rate: float = RATE) -> Tensor:
    """Return γ λ + η |r| / max |r|, (n,), from λ (`previous`) and r, the update of the paper's §2.3.

    Return λ unchanged if max |r| is zero or not finite.
    """
    magnitude = residual.abs()
    largest = magnitude.max()
    if not (torch.isfinite(largest) and largest > 0):
        return previous
    return decay * previous + rate * magnitude / largest


def nearest_values(points: Tensor, before: Tensor, values: Tensor) -> Tensor:
    """Return for each of `points` (n, d) the value at the nearest of the points `before` (m, d), from `values` (m,)."""
    from scipy.spatial import cKDTree  # imported here because it is slow to import and few trainings need it

    _, nearest = cKDTree(before.cpu().numpy()).query(points.cpu().numpy())
    return values[torch.as_tensor(nearest, device=values.device)]
