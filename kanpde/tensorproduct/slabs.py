"""Solved slabs of time, and passes over all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.ansatz import Ansatz
from kanpde.jets import JetPlan
from kanpde.problem import Problem
from kanpde.tensorproduct.axes import Array, design
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


def going_on(last: Slab, space: TensorProduct, time: int) -> Array:
    """Coefficients in `space` of u + (t − t₀) u_t with u and u_t as the last slab ends."""
    old, new = last.space.axes[time], space.axes[time]
    _, values = old.local(torch.as_tensor(old.breakpoints[-1:]), 2)
    value, slope = (np.tensordot(values[0, m].numpy(), last.coefficients, (0, time)) for m in (0, 1))
    half = (new.breakpoints[1] - new.breakpoints[0]) / 2
    kept = TensorProduct([new if a == time else axis for a, axis in enumerate(last.space.axes)])
    result = np.zeros((*kept.shape, last.coefficients.shape[-1]))
    in_time = np.moveaxis(result, time, 0)
    in_time[0], in_time[1] = value + half * slope, half * slope / math.sqrt(3)
    return space.transferred(kept, result)


def held(last: Slab, space: TensorProduct, time: int) -> Array:
    """Coefficients in `space`, alike in all but time, of what the last slab ends with."""
    ends = design(last.space.axes[time], last.space.axes[time].breakpoints[-1:])[0]
    result = np.zeros((*space.shape, last.coefficients.shape[-1]))
    np.moveaxis(result, time, 0)[0] = np.tensordot(ends, last.coefficients, (0, time))
    return result


def tail_of(space: TensorProduct, time: int, coefficients: Array) -> float:
    """The last two coefficients in time, relative to all of them."""
    sizes = np.sqrt(np.square(space.values(time, coefficients)).sum(axis=1))
    return float(sizes[-2:].max() / max(np.sqrt(np.square(sizes).sum()), 1e-300))
