"""Solved slabs of time, and passes over all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.arrays import Array
from kanpde.marching.axes import design
from kanpde.marching.tensor_product import TensorProduct

FLAT = 0.3  # of the two coefficients before, what the last two have where they are noise


@dataclass
class Slab:
    """A solved part of time, between two shares of it.

    `coefficients` (*shape, fields) of a tensor product, `constants`, the equation's `residual` relative to its terms at
    points of their own, the last coefficients in time relative to all (`tail`), and whether these do not fall (`flat`).
    """

    low: float
    high: float
    space: TensorProduct
    coefficients: Array
    constants: Array
    residual: float
    tail: float
    flat: bool = False

    def tensor(self, device: torch.device) -> Tensor:
        """The coefficients as (P, fields)."""
        return torch.as_tensor(self.coefficients, device=device).flatten(0, -2)


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
    """Coefficients in `space` of the polynomials in time that the last slab ends with, as if these held further on.

    Outside its interval P_j grows like ρ^j, so the series is cut before its smallest term.
    """
    old, new = (s.axes[time].breakpoints for s in (last.space, space))
    reach = 1 + 2 * (new[1] - new[0]) / (old[1] - old[0])
    growth = reach + math.sqrt(reach**2 - 1)
    sizes = sizes_in_time(last.space, time, last.coefficients)
    smallest = 1 + int(np.argmin(sizes[1:] * growth ** np.arange(1, len(sizes))))
    kept = last.coefficients.copy()
    np.moveaxis(kept, time, 0)[max(smallest, 2) :] = 0.0
    return space.transferred(last.space, kept)


def held(last: Slab, space: TensorProduct, time: int) -> Array:
    """Coefficients in `space`, alike in all but time, of what the last slab ends with."""
    ends = design(last.space.axes[time], last.space.axes[time].breakpoints[-1:])[0]
    result = np.zeros((*space.shape, last.coefficients.shape[-1]))
    np.moveaxis(result, time, 0)[0] = np.tensordot(ends, last.coefficients, (0, time))
    return result


def tail_of(space: TensorProduct, time: int, coefficients: Array) -> tuple[float, bool]:
    """The last two coefficients in time, relative to all of them, and whether the ones before are hardly larger."""
    sizes = sizes_in_time(space, time, coefficients)
    tail = float(sizes[-2:].max())
    return tail / max(float(np.sqrt(np.square(sizes).sum())), 1e-300), bool(tail > FLAT * sizes[-4:-2].max())


def sizes_in_time(space: TensorProduct, time: int, coefficients: Array) -> Array:
    """The norm of what multiplies each polynomial in time (degree + 1,)."""
    return np.asarray(np.sqrt(np.square(space.values(time, coefficients)).sum(axis=1)))
