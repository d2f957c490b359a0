"""Breakpoints that equidistribute a spline's error.

The error of the best spline of degree k on intervals h_i is about c h_i^{k+1} |u^{(k+1)}|, so breakpoints with equal
shares of ∫ |u^{(k+1)}|^{1/(k+1)} are nearly optimal (de Boor, "A Practical Guide to Splines", XII, NEWNOT).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from kanpde.calculus.arrays import Array
from kanpde.marching.axes import SplineAxis, norm
from kanpde.marching.slabs import Slab
from kanpde.marching.tolerances import MarchTolerances

KEPT = 3  # needs of axes that are kept
MIN_DENSITY = 0.2  # smallest density of breakpoints, as a share of the mean
MAX_END_FACTOR = 3.0  # largest ratio of the derivative's size at an end of an axis to its size at the next breakpoint
UNIFORM_GROWTH = 1.4  # ratio of the numbers of intervals of equidistant axes
FEW, HIGHER = 3, 2  # intervals of an axis whose degree grows first, and the steps in which it does
MOVED = 0.1  # movement of a breakpoint, as a share of the shorter interval beside it, that makes another space
FEWER = 0.8  # share of the intervals of a periodic axis to which they may shrink at once, if fewer are enough
MAX_DENSITY_RATIO = 4.0  # largest ratio of the densities of neighbouring intervals


def derivative_sizes(axis: SplineAxis, coefficients: Array) -> Array:
    """Return the size of u^{(k+1)} on each interval, (n,), as a root mean square over the other axes.

    `coefficients` are (size, c). The k-th derivative is constant on each interval; its difference quotients between
    neighbouring intervals approximate u^{(k+1)}.
    """
    b, k = axis.breakpoints, axis.degree
    middles = (b[:-1] + b[1:]) / 2
    columns, values = axis.local(torch.as_tensor(middles), k + 1)
    top = np.einsum("nm,nmc->nc", values[:, k].numpy(), coefficients[columns.numpy()])
    if axis.periodic:
        top, middles = np.concatenate([top[-1:], top, top[:1]]), np.concatenate([[b[0]], middles, [b[-1]]])
        span = b[-1] - b[0]
        middles[0], middles[-1] = middles[-2] - span, middles[1] + span
    if len(top) < 2:
        return np.zeros(len(b) - 1)
    steps = np.diff(top, axis=0)
    largest = float(np.abs(steps).max()) or 1.0
    slopes = largest * np.sqrt(np.square(steps / largest).mean(axis=1)) / np.diff(middles)
    if axis.periodic:
        return np.asarray(np.maximum(slopes[:-1], slopes[1:]))
    if len(slopes) > 2:  # at an end the highest derivative is constrained on one side only, so it is capped
        slopes[0] = min(slopes[0], MAX_END_FACTOR * slopes[1])
        slopes[-1] = min(slopes[-1], MAX_END_FACTOR * slopes[-2])
    return np.asarray(np.maximum(np.r_[slopes[:1], slopes], np.r_[slopes, slopes[-1:]]))


def error_constant(degree: int) -> float:
    """Return c, the root mean square of the Bernoulli polynomial B_{k+1}/(k+1)! on [0, 1], about √2/(2π)^{k+1}."""
    return math.sqrt(2) / (2 * math.pi) ** (degree + 1)


def errors(axis: SplineAxis, sizes: Array) -> Array:
    """Return estimates of the best spline's error on each interval, (n,), from the sizes of u^{(k+1)}, (n,)."""
    return error_constant(axis.degree) * np.diff(axis.breakpoints) ** (axis.degree + 1) * sizes


def place_knots(axis: SplineAxis, sizes: Array, tolerance: float, bounds: tuple[int, int]) -> SplineAxis:
    """Return an axis with an error of about `tolerance` on each interval, and a number of intervals within `bounds`."""
    density = required_density(axis, sizes, tolerance)
    if not np.isfinite(density).all():
        return axis  # an overflow says nothing about where knots are needed
    return equidistributed(axis.breakpoints, density, bounds, axis.degree, axis.periodic)


def required_density(axis: SplineAxis, sizes: Array, tolerance: float) -> Array:
    """Return the number of intervals per length (n,) for an error of `tolerance` on each; `sizes` are of u^{(k+1)}."""
    return np.asarray((error_constant(axis.degree) * sizes / max(tolerance, 1e-300)) ** (1 / (axis.degree + 1)))


def equidistributed(b: Array, density: Array, bounds: tuple[int, int], degree: int, periodic: bool) -> SplineAxis:
    """Return an axis with a density of breakpoints that is given between `b`, and a number of intervals in `bounds`."""
    span = b[-1] - b[0]
    required = float(density @ np.diff(b))
    count = int(np.clip(math.ceil(required), max(4, bounds[0]), bounds[1]))
    density = grade(np.maximum(density, MIN_DENSITY * required / span) if required > 0 else np.ones_like(density))
    cumulative = np.concatenate([[0.0], np.cumsum(density * np.diff(b))])
    breakpoints = np.interp(np.linspace(0, cumulative[-1], count + 1), cumulative, b)
    breakpoints[0], breakpoints[-1] = b[0], b[-1]
    return SplineAxis(breakpoints, degree, periodic)


def grade(density: Array) -> Array:
    """Return the smallest density above `density` (n,) whose neighbours differ by at most `MAX_DENSITY_RATIO`."""
    result = density.copy()
    for i in range(1, len(result)):
        result[i] = max(result[i], result[i - 1] / MAX_DENSITY_RATIO)
    for i in range(len(result) - 2, -1, -1):
        result[i] = max(result[i], result[i + 1] / MAX_DENSITY_RATIO)
    return np.asarray(result)


def finer_axes(
    slab: Slab, along: Sequence[int], *, order: int, aim: float, most: float, stalls: int, limits: MarchTolerances
) -> tuple[tuple[SplineAxis, ...], bool]:
    """Return spline axes with knots placed for a residual of `aim`, and whether they differ.

    The residual of an equation of `order` in space is proportional to h^{degree + 1 − order}. The aim is doubled as
    long as the slab would have more than `most` unknowns.
    """
    needs = [need_of(slab, a) for a in along]
    allowed = [interval_bounds(need.axis, slab, stalls, limits) for need in needs]
    worst = max((need.error for need in needs), default=0.0)
    others = slab.coefficients.size // math.prod(need.axis.size for need in needs)
    for _ in range(limits.relaxations if needs else 0):
        shrink = aim / max(slab.residual, 1e-300)
        axes = tuple(need.place(worst, shrink, order, bounds) for need, bounds in zip(needs, allowed, strict=True))
        if others * math.prod(axis.size for axis in axes) <= most:
            return axes, any(differ(axis, need.axis) for axis, need in zip(axes, needs, strict=True))
        aim *= 2
    return tuple(need.axis for need in needs), False


def uniformly_finer_axes(
    slab: Slab, along: Sequence[int], most: int, smooth_degree: int
) -> tuple[tuple[SplineAxis, ...], bool]:
    """Return equidistant spline axes with more intervals, and whether they have at most `most` unknowns.

    On a shape the coefficients of a spline say nothing about the solution, because they also continue it outside. The
    degree of axes with few intervals grows to `smooth_degree` first: one interval more costs as much and helps less.
    """
    axes = [slab.axes[a] for a in along]
    finer = []
    for axis in axes:
        assert isinstance(axis, SplineAxis)
        low, high = axis.breakpoints[[0, -1]]
        higher = axis.intervals <= FEW and axis.degree < smooth_degree
        count = axis.intervals if higher else math.ceil(UNIFORM_GROWTH * axis.intervals)
        degree = min(axis.degree + HIGHER, smooth_degree) if higher else axis.degree
        finer.append(SplineAxis(np.linspace(low, high, count + 1), degree, axis.periodic))
    others = slab.coefficients.size // math.prod(axis.size for axis in axes)
    return tuple(finer), others * math.prod(axis.size for axis in finer) <= most


def spectral_axes(
    slab: Slab, along: Sequence[int], *, aim: float, stalls: int, limits: MarchTolerances
) -> tuple[tuple[SplineAxis, ...], bool]:
    """Return equidistant periodic axes for a residual of `aim`, and whether they differ.

    The amplitudes of waves are assumed to fall beyond the shortest wave of the slab at the rate at which they fall
    before it, and the residual with them.
    """
    found = []
    for a in along:
        axis = slab.axes[a]
        assert isinstance(axis, SplineAxis)
        sizes = np.linalg.norm(np.fft.rfft(np.moveaxis(slab.coefficients, a, 0).reshape(axis.size, -1), axis=0), axis=1)
        # The coefficients of short waves are larger than the waves, by what a B-spline does to them.
        sizes = sizes * np.sinc(np.arange(len(sizes)) / axis.size) ** (axis.degree + 1)
        middle, last = len(sizes) // 2, sizes[-max(1, len(sizes) // 4) :].max()
        rate = math.log(max(sizes[middle:].max() / last, 1.0)) / (0.25 * axis.size)
        count = axis.intervals + math.log(slab.residual / aim) / max(rate, 1e-3)
        least, most = interval_bounds(axis, slab, stalls, limits)
        count = min(max(math.ceil(count), least if slab.residual > aim else math.ceil(FEWER * axis.intervals)), most)
        low, high = axis.breakpoints[[0, -1]]
        more = replace(axis, breakpoints=np.linspace(low, high, count + 1))
        found.append(axis if FEWER * axis.intervals <= count <= axis.intervals else more)
    return tuple(found), any(one is not slab.axes[a] for a, one in zip(along, found, strict=True))


def differ(axis: SplineAxis, before: SplineAxis) -> bool:
    """Return whether two axes have different numbers of intervals, or breakpoints at different places."""
    if axis.intervals != before.intervals:
        return True
    widths = np.diff(before.breakpoints)
    moved = np.abs(axis.breakpoints - before.breakpoints)[1:-1]
    return bool((moved > MOVED * np.minimum(widths[1:], widths[:-1])).any())


@dataclass(frozen=True)
class Need:
    """An axis, the relative sizes (n,) of the solution's derivatives along it, and the largest error on an interval."""

    axis: SplineAxis
    sizes: Array
    error: float

    @classmethod
    def of(cls, slab: Slab, a: int) -> Need:
        """Return the need of axis `a` of a solved slab."""
        axis, along = slab.axes[a], slab.space.values(a, slab.coefficients)
        assert isinstance(axis, SplineAxis)
        sizes = derivative_sizes(axis, along) / max(norm(axis, along), 1e-300)
        return cls(axis, sizes, float(errors(axis, sizes).max()))

    def place(self, worst: float, shrink: float, order: int, bounds: tuple[int, int]) -> SplineAxis:
        """Return the axis for a residual multiplied by `shrink`; `worst` is the present largest error of all axes."""
        return place_knots(self.axis, self.sizes, self.tolerance(worst, shrink, order), bounds)

    def tolerance(self, worst: float, shrink: float, order: int) -> float:
        """Return the error of an interval for a residual multiplied by `shrink`, if `worst` is the largest one now."""
        k = self.axis.degree
        return worst * math.pow(shrink, (k + 1) / (k + 1 - order))


@lru_cache(maxsize=KEPT)
def need_of(slab: Slab, a: int) -> Need:
    """Return the need of an axis, kept because the knots of one slab are placed for several numbers of unknowns."""
    return Need.of(slab, a)


def interval_bounds(axis: SplineAxis, slab: Slab, stalls: int, limits: MarchTolerances) -> tuple[int, int]:
    """Return the smallest and largest number of intervals of the next axis.

    The smallest exceeds the present number if the attempt stalled or the solution is too inaccurate for estimates.
    """
    least = limits.denser if slab.residual > limits.unresolved or stalls else 1.0
    return math.ceil(least * axis.intervals), math.ceil(limits.growth * axis.intervals)
