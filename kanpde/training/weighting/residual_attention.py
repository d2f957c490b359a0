"""Weights of points that follow the residual there.

Residual-based attention: Anagnostopoulos, Toscano, Stergiopulos and Karniadakis, CMAME 421 (2024) 116805 (arXiv
2307.00379). A row is multiplied by its λ, so the loss by λ².
"""

from __future__ import annotations

import torch
from torch import Tensor

DECAY = 0.99  # γ
RATE = 0.01  # η: λ stays at most η/(1 − γ) = 1, where it starts


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
