"""Solved slabs of time, and passes over all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.ansatz import Ansatz
from kanpde.jets import JetPlan
from kanpde.problem import Problem
from kanpde.tensorproduct.axes import Array
from kanpde.tensorproduct.space import TensorProduct
from kanpde.tensorproduct.system import Image


@dataclass
class Slab:
    """A solved part of time, between two shares of it.

    `coefficients` (*shape, fields) of a tensor product, `constants`, the equation's `residual` relative to its terms at
    points of their own, and the last coefficients in time relative to all (`tail`).
    """

    low: float
    high: float
    space: TensorProduct
    coefficients: Array
    constants: Array
    residual: float
    tail: float

    def tensor(self, device: torch.device) -> Tensor:
        """The coefficients as (P, fields)."""
        return torch.as_tensor(self.coefficients, device=device).flatten(0, -2)

    def image(self, problem: Problem, ansatz: Ansatz | None, points: Tensor, plan: JetPlan) -> Image:
        """Points (n, d) made ready for this slab's space."""
        lift, factor = (None, None) if ansatz is None else ansatz.jets(points, plan)
        return Image(points, self.space.local(points, plan), lift, factor)


@dataclass(frozen=True)
class Pass:
    """A complete solution: its slabs in order."""

    slabs: tuple[Slab, ...]

    @property
    def residual(self) -> float:
        """The root mean square over time of the slabs' relative residuals."""
        spans = np.array([slab.high - slab.low for slab in self.slabs])
        return float(np.sqrt(spans @ np.square([slab.residual for slab in self.slabs]) / spans.sum()))
