"""Breakpoints that spread a spline's error evenly.

The best spline of degree k on intervals h_i misses u by about c h_i^{k+1} |u^{(k+1)}|, so breakpoints with equal shares
of ∫ |u^{(k+1)}|^{1/(k+1)} are nearly the best there are (de Boor, "A Practical Guide to Splines", XII, NEWNOT).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from kanpde.arrays import Array
from kanpde.marching.axes import SplineAxis, norm
from kanpde.marching.slabs import Slab
from kanpde.marching.tolerances import MarchTolerances

LEAST = 0.2  # least density of breakpoints, as a share of the mean
END = 3.0  # largest factor of an axis's last difference over its neighbour
SLOPE = 4.0  # largest factor of the density from one interval to the next


def derivative_sizes(axis: SplineAxis, coefficients: Array) -> Array:
    """Return |u^{(k+1)}| on every interval, its root mean square over the other axes: coefficients (size, c) -> (n,).

    The k-th derivative is constant on intervals; its differences from one to the next are those of order k + 1.
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
    slopes = np.sqrt(np.square(np.diff(top, axis=0)).mean(axis=1)) / np.diff(middles)
    if axis.periodic:
        return np.asarray(np.maximum(slopes[:-1], slopes[1:]))
    if len(slopes) > 2:  # at an end the highest derivative is constrained on one side only, so it is capped
        slopes[0], slopes[-1] = min(slopes[0], END * slopes[1]), min(slopes[-1], END * slopes[-2])
    return np.asarray(np.maximum(np.r_[slopes[:1], slopes], np.r_[slopes, slopes[-1:]]))


def error_constant(degree: int) -> float:
    """Return c, the root mean square over an interval of Bernoulli's polynomial B_{k+1}/(k+1)!, about √2/(2π)^{k+1}."""
    return math.sqrt(2) / (2 * math.pi) ** (degree + 1)


def errors(axis: SplineAxis, sizes: Array) -> Array:
    """Return about the error of the best spline on each of the axis's intervals (n,)."""
    return error_constant(axis.degree) * np.diff(axis.breakpoints) ** (axis.degree + 1) * sizes


def place_knots(axis: SplineAxis, sizes: Array, tolerance: float, bounds: tuple[int, int]) -> SplineAxis:
    """Return an axis with errors of about `tolerance` everywhere, within bounds on its number of intervals."""
    b, order = axis.breakpoints, axis.degree + 1
    span = b[-1] - b[0]
    density = (error_constant(axis.degree) * sizes / tolerance) ** (1 / order)  # wanted intervals per length
    wanted = float(density @ np.diff(b))
    count = int(np.clip(math.ceil(wanted), max(4, bounds[0]), bounds[1]))
    density = grade(np.maximum(density, LEAST * wanted / span) if wanted > 0 else np.ones_like(density))
    cumulative = np.concatenate([[0.0], np.cumsum(density * np.diff(b))])
    breakpoints = np.interp(np.linspace(0, cumulative[-1], count + 1), cumulative, b)
    breakpoints[0], breakpoints[-1] = b[0], b[-1]
    return SplineAxis(breakpoints, axis.degree, axis.periodic)


def grade(density: Array) -> Array:
    """Return the least density above this one that changes by at most a factor `SLOPE` between neighbours."""
    result = density.copy()
    for i in range(1, len(result)):
        result[i] = max(result[i], result[i - 1] / SLOPE)
    for i in range(len(result) - 2, -1, -1):
        result[i] = max(result[i], result[i + 1] / SLOPE)
    return np.asarray(result)


def finer_axes(
    slab: Slab, along: Sequence[int], *, order: int, aim: float, most: int, stalls: int, limits: MarchTolerances
) -> tuple[tuple[SplineAxis, ...], bool]:
    """Return a slab's axes with splines, their knots placed for a residual of `aim`, and whether they have more.

    The residual of an equation of that order in space falls with h to the power of degree + 1 − order. The aim is
    doubled while there would be more than `most` unknowns.
    """
    needs = [Need.of(slab, a) for a in along]
    allowed = [interval_bounds(need.axis, slab, stalls, limits) for need in needs]
    worst = max((need.error for need in needs), default=0.0)
    others = slab.coefficients.size // math.prod(need.axis.size for need in needs)
    for _ in range(limits.relaxations if needs else 0):
        shrink = aim / max(slab.residual, 1e-300)
        axes = tuple(need.place(worst, shrink, order, bounds) for need, bounds in zip(needs, allowed, strict=True))
        if others * math.prod(axis.size for axis in axes) <= most:
            return axes, any(axis.intervals != need.axis.intervals for axis, need in zip(axes, needs, strict=True))
        aim *= 2
    return tuple(need.axis for need in needs), False


@dataclass(frozen=True)
class Need:
    """An axis, the relative sizes of the solution's derivatives along it, and the largest error of an interval."""

    axis: SplineAxis
    sizes: Array
    error: float

    @classmethod
    def of(cls, slab: Slab, a: int) -> Need:
        """Measure a solved slab along its axis number `a`."""
        axis, along = slab.axes[a], slab.space.values(a, slab.coefficients)
        assert isinstance(axis, SplineAxis)
        sizes = derivative_sizes(axis, along) / max(norm(axis, along), 1e-300)
        return cls(axis, sizes, float(errors(axis, sizes).max()))

    def place(self, worst: float, shrink: float, order: int, bounds: tuple[int, int]) -> SplineAxis:
        """Return the axis on which the residual falls by `shrink` if the errors of all axes fall from `worst`."""
        k = self.axis.degree
        return place_knots(self.axis, self.sizes, worst * shrink ** ((k + 1) / (k + 1 - order)), bounds)


def interval_bounds(axis: SplineAxis, slab: Slab, stalls: int, limits: MarchTolerances) -> tuple[int, int]:
    """Return the least and most intervals of the next axis: more than now if estimates failed or are not trusted."""
    least = limits.denser if slab.residual > limits.unresolved or stalls else 1.0
    return math.ceil(least * axis.intervals), math.ceil(limits.growth * axis.intervals)
