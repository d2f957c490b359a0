"""Weights of points that follow the residual there.

Residual-based attention: Anagnostopoulos, Toscano, Stergiopulos and Karniadakis, CMAME 421 (2024) 116805 (arXiv
2307.00379). A row is multiplied by its λ, so the loss by λ².
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from kanpde.network.residuals import BlockPoints, Residuals
from kanpde.training.weighting.measures import squared_residuals
from kanpde.training.weighting.rule import relative

DECAY = 0.99  # γ
RATE = 0.01  # η: λ stays at most η/(1 − γ) = 1, where it starts


class ResidualAttention:
    """The rule for all points; its state are the λ and their points, because new points inherit from the nearest."""

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
        """Return the λ of the block's points before; 1 at the very first."""
        if number not in self._seen:
            return torch.ones_like(part.shares)
        points, values = self._seen[number]
        points, values = points.to(part.points), values.to(part.points)
        return values if torch.equal(points, part.points) else inherited(part.points, points, values)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return points and λ of every block."""
        tensors: dict[str, Tensor] = {}
        for number, (points, values) in self._seen.items():
            tensors |= {f"points.{number}": points, f"values.{number}": values}
        return tensors, {}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take up points and λ."""
        names = [name.removeprefix("values.") for name in tensors if name.startswith("values.")]
        self._seen = {int(name): (tensors[f"points.{name}"], tensors[f"values.{name}"]) for name in names}


def residual_attention(previous: Tensor, residual: Tensor, decay: float = DECAY, rate: float = RATE) -> Tensor:
    """λ ← γ λ + η |r| / max |r|, (n,), the update of the paper's §2.3; λ stays where no residual is above zero."""
    magnitude = residual.abs()
    largest = magnitude.max()
    if not (torch.isfinite(largest) and largest > 0):
        return previous
    return decay * previous + rate * magnitude / largest


def inherited(points: Tensor, before: Tensor, values: Tensor) -> Tensor:
    """The values (m,) at the points `before` (m, d) that lie nearest to every one of `points` (n, d)."""
    from scipy.spatial import cKDTree  # here: it takes its time to import, and few trainings need it

    _, nearest = cKDTree(before.cpu().numpy()).query(points.cpu().numpy())
    return values[torch.as_tensor(nearest, device=values.device)]
