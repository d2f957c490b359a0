"""Solved slabs of time, complete passes, and initial guesses of later slabs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.calculus.singular import SingularFunction
from kanpde.marching.axes import Axis, LegendreAxis, transfer_matrix
from kanpde.marching.enriched_product import product_of
from kanpde.marching.tensor_product import TensorProduct

NOISE_RATIO = 0.3  # the last two coefficients in time are noise if they exceed this share of the two before them
ABOVE_NOISE = 3.0  # a coefficient in time is no noise above this multiple of those that are


@dataclass(frozen=True, eq=False)
class Slab:
    """A solved slab of time, between the shares `low` and `high` of all time.

    The solution has `coefficients` (*shape, fields) in the product of `axes`, and `constants` (U,). `residual` is that
    of the equation relative to its terms, at points that the solver did not use. `tail` is the size of the last
    coefficients in time relative to all; `flat` is True if they are noise. `misfit` is that of the measurements,
    relative to them. `start` is the distance from the initial values, or from the slab before, relative to the
    solution. The singular `functions` at corners and of holes have the coefficients `amounts` (K, fields), or (K T,
    fields) with T polynomials in time. The arrays are copied to
    one layout, because the rounding of products depends on it.
    """

    low: float
    high: float
    axes: tuple[Axis, ...]
    coefficients: Array
    constants: Array
    residual: float
    tail: float
    flat: bool = False
    misfit: float = 0.0
    functions: tuple[SingularFunction, ...] = ()
    amounts: Array = field(default_factory=lambda: np.zeros((0, 1)))
    start: float = 0.0

    def __post_init__(self) -> None:
        for name in ("coefficients", "constants", "amounts"):
            # A copy with order="C" is contiguous, aligned and owned.
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64, order="C"))

    @cached_property
    def space(self) -> TensorProduct:
        """The tensor product of the axes, with the singular functions."""
        return product_of(self.axes, self.functions)

    @property
    def amounts_in_time(self) -> Array:
        """The coefficients of every singular function and every polynomial in time, (K, T, fields)."""
        times = next((axis.size for axis in self.axes if isinstance(axis, LegendreAxis)), 1)
        return self.amounts.reshape(len(self.functions), times, self.amounts.shape[-1])

    def tensor(self, device: torch.device) -> Tensor:
        """Return all coefficients as (P, fields)."""
        splines = torch.as_tensor(self.coefficients, device=device).flatten(0, -2)
        return torch.cat([splines, torch.as_tensor(self.amounts, device=device)]) if self.functions else splines


@dataclass(frozen=True)
class Pass:
    """A complete solution: all slabs in order of time."""

    slabs: tuple[Slab, ...]

    @property
    def residual(self) -> float:
        """The root mean square over time of the slabs' relative residuals."""
        spans = np.array([slab.high - slab.low for slab in self.slabs])
        return float(np.sqrt(spans @ np.square([slab.residual for slab in self.slabs]) / spans.sum()))

    @property
    def misfit(self) -> float:
        """The largest misfit of measurements in a slab."""
        return max(slab.misfit for slab in self.slabs)


def extrapolated(last: Slab, space: TensorProduct, time: int) -> tuple[Array, Array]:
    """Return coefficients (*shape, fields) in `space` of the last slab, extrapolated as polynomials in time, and the
    amounts of its singular functions.

    Outside its interval P_j grows like ρ^j, so the series is truncated before its smallest term.
    """
    old, new = last.axes[time].breakpoints, space.axes[time].breakpoints
    reach = 1 + 2 * (new[1] - new[0]) / (old[1] - old[0])
    growth = reach + math.sqrt(reach**2 - 1)
    sizes = sizes_in_time(last.space, time, last.coefficients)
    smallest = 1 + int(np.argmin(sizes[1:] * growth ** np.arange(1, len(sizes))))
    truncated, amounts = last.coefficients.copy(), last.amounts_in_time.copy()
    np.moveaxis(truncated, time, 0)[max(smallest, 2) :] = 0.0
    amounts[:, max(smallest, 2) :] = 0.0
    if amounts.size:
        amounts = np.einsum("ts,ksf->ktf", transfer_matrix(last.axes[time], space.axes[time]), amounts)
    return space.transferred(last.space, truncated), amounts.reshape(-1, amounts.shape[-1])


def constant_in_time(last: Slab, space: TensorProduct, time: int) -> tuple[Array, Array]:
    """Return coefficients (*shape, fields) in `space` of the last slab's final values, continued as constant in time,
    and the amounts of its singular functions.

    `space` must have the last slab's axes in space.
    """
    ends = last.axes[time].design(last.axes[time].breakpoints[-1:])[0]
    result = np.zeros((*space.shape, last.coefficients.shape[-1]))
    np.moveaxis(result, time, 0)[0] = np.tensordot(ends, last.coefficients, (0, time))
    amounts = np.zeros_like(last.amounts_in_time)
    amounts[:, :1] = np.einsum("t,ktf->kf", ends, last.amounts_in_time)[:, None]
    return result, amounts.reshape(-1, amounts.shape[-1])


def tail_of(sizes: Array, *, expensive: bool) -> tuple[float, bool]:
    """Return the larger of the last two `sizes` of coefficients in time relative to all, and whether it is noise.

    It is noise if the two coefficients before them are hardly larger. If knots that lower the noise are `expensive`, as
    along two axes and more, the coefficients above it are then continued.
    """
    whole, tail = max(float(np.sqrt(np.square(sizes).sum())), 1e-300), float(sizes[-2:].max())
    flat = bool(tail > NOISE_RATIO * sizes[-4:-2].max())
    return (min(tail, continued_decay(sizes)) if flat and expensive else tail) / whole, flat


def continued_decay(sizes: Array) -> float:
    """Return the last coefficient but one, if all decay like those before the noise, which is as large as the last."""
    noise = ABOVE_NOISE * float(sizes[-4:].max())
    first = int(np.argmax(sizes <= noise))
    if first == 0 or not sizes[0] > 0:
        return math.inf
    # The first one in the noise is taken for what it is at most.
    rate = math.pow(float(sizes[first]) / float(sizes[0]), 1 / first)
    return float(sizes[0]) * math.pow(rate, len(sizes) - 2)


def sizes_in_time(space: TensorProduct, time: int, coefficients: Array) -> Array:
    """Return the norm in space of the coefficient of each polynomial in time, (degree + 1,)."""
    return np.asarray(np.sqrt(np.square(space.values(time, coefficients)).sum(axis=1)))
