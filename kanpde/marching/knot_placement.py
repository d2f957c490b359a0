"""Breakpoints that spread a spline's error evenly.

The best spline of degree k on intervals h_i misses u by about c h_i^{k+1} |u^{(k+1)}|, so breakpoints with equal shares
of ∫ |u^{(k+1)}|^{1/(k+1)} are nearly the best there are (de Boor, "A Practical Guide to Splines", XII, NEWNOT).
"""

from __future__ import annotations

import math

import numpy as np
import torch

from kanpde.arrays import Array
from kanpde.marching.axes import SplineAxis

LEAST = 0.2  # the least density of breakpoints, as a share of the mean
END = 3.0  # times its neighbour's, the most that the last difference of an axis counts
SLOPE = 4.0  # the most that the density changes from one interval to the next


def derivative_sizes(axis: SplineAxis, coefficients: Array) -> Array:
    """|u^{(k+1)}| on every interval, its root mean square over the other axes: coefficients (size, c) -> (n,).

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
    if len(slopes) > 2:  # at an end the highest derivative is that of a fit which nothing holds beyond it
        slopes[0], slopes[-1] = min(slopes[0], END * slopes[1]), min(slopes[-1], END * slopes[-2])
    return np.asarray(np.maximum(np.r_[slopes[:1], slopes], np.r_[slopes, slopes[-1:]]))


def error_constant(degree: int) -> float:
    """c: the root mean square over an interval of Bernoulli's polynomial B_{k+1}/(k+1)!, about √2/(2π)^{k+1}."""
    return math.sqrt(2) / (2 * math.pi) ** (degree + 1)


def errors(axis: SplineAxis, sizes: Array) -> Array:
    """About how much a spline on this axis' intervals misses, on each of them (n,)."""
    return error_constant(axis.degree) * np.diff(axis.breakpoints) ** (axis.degree + 1) * sizes


def respaced(axis: SplineAxis, sizes: Array, tolerance: float, bounds: tuple[int, int]) -> SplineAxis:
    """An axis that misses by about `tolerance` everywhere, as far as the bounds on its number of intervals allow."""
    b, order = axis.breakpoints, axis.degree + 1
    span = b[-1] - b[0]
    density = (error_constant(axis.degree) * sizes / tolerance) ** (1 / order)  # wanted intervals per length
    wanted = float(density @ np.diff(b))
    count = int(np.clip(math.ceil(wanted), max(4, bounds[0]), bounds[1]))
    density = graded(np.maximum(density, LEAST * wanted / span) if wanted > 0 else np.ones_like(density))
    cumulative = np.concatenate([[0.0], np.cumsum(density * np.diff(b))])
    breakpoints = np.interp(np.linspace(0, cumulative[-1], count + 1), cumulative, b)
    breakpoints[0], breakpoints[-1] = b[0], b[-1]
    return SplineAxis(breakpoints, axis.degree, axis.periodic)


def graded(density: Array) -> Array:
    """The least density above this one that changes by at most a factor `SLOPE` between neighbours."""
    result = density.copy()
    for i in range(1, len(result)):
        result[i] = max(result[i], result[i - 1] / SLOPE)
    for i in range(len(result) - 2, -1, -1):
        result[i] = max(result[i], result[i + 1] / SLOPE)
    return np.asarray(result)
