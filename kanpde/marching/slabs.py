"""Solved slabs of time, and passes over all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from kanpde.arrays import Array
from kanpde.marching.axes import Axis, design
from kanpde.marching.tensor_product import TensorProduct

FLAT = 0.3  # share of the two coefficients before that the last two in time exceed only if they are noise


@dataclass(frozen=True, eq=False)
class Slab:
    """A solved part of time, between two shares of it.

    `coefficients` (*shape, fields) of the product of `axes`, `constants` (U,), the equation's `residual` relative to
    its terms at points of their own, the last coefficients in time relative to all (`tail`), and whether these do not
    fall (`flat`). The arrays are copied, so that products with them round alike wherever they came from.
    """

    low: float
    high: float
    axes: tuple[Axis, ...]
    coefficients: Array
    constants: Array
    residual: float
    tail: float
    flat: bool = False

    def __post_init__(self) -> None:
        for name in ("coefficients", "constants"):
            # order="C" with a copy: contiguous, aligned and owned.
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64, order="C"))

    @cached_property
    def space(self) -> TensorProduct:
        """The product of the axes."""
        return TensorProduct(self.axes)

    def tensor(self, device: torch.device) -> Tensor:
        """Return the coefficients as (P, fields)."""
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


def extrapolated(last: Slab, space: TensorProduct, time: int) -> Array:
    """Return coefficients in `space` of the last slab's polynomials in time, continued beyond its end.

    Outside its interval P_j grows like ρ^j, so the series is cut before its smallest term.
    """
    old, new = last.axes[time].breakpoints, space.axes[time].breakpoints
    reach = 1 + 2 * (new[1] - new[0]) / (old[1] - old[0])
    growth = reach + math.sqrt(reach**2 - 1)
    sizes = sizes_in_time(last.space, time, last.coefficients)
    smallest = 1 + int(np.argmin(sizes[1:] * growth ** np.arange(1, len(sizes))))
    kept = last.coefficients.copy()
    np.moveaxis(kept, time, 0)[max(smallest, 2) :] = 0.0
    return space.transferred(last.space, kept)


def constant_in_time(last: Slab, space: TensorProduct, time: int) -> Array:
    """Return coefficients in `space`, which differs in time alone, of the last slab's end, held."""
    ends = design(last.axes[time], last.axes[time].breakpoints[-1:])[0]
    result = np.zeros((*space.shape, last.coefficients.shape[-1]))
    np.moveaxis(result, time, 0)[0] = np.tensordot(ends, last.coefficients, (0, time))
    return result


def tail_of(space: TensorProduct, time: int, coefficients: Array) -> tuple[float, bool]:
    """Return the larger of the last two coefficients in time relative to all, and whether it is noise.

    It is if the two coefficients before are hardly larger.
    """
    sizes = sizes_in_time(space, time, coefficients)
    tail = float(sizes[-2:].max())
    return tail / max(float(np.sqrt(np.square(sizes).sum())), 1e-300), bool(tail > FLAT * sizes[-4:-2].max())


def sizes_in_time(space: TensorProduct, time: int, coefficients: Array) -> Array:
    """Return the norm of the factor of each polynomial in time, (degree + 1,)."""
    return np.asarray(np.sqrt(np.square(space.values(time, coefficients)).sum(axis=1)))
