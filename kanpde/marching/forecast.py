"""What is known of a slab before it is solved: its length, its knots and a guess, from the pass before or the last slab.

A pass repeats the pass before it with a smaller tolerance, so that one's slabs show where knots will be needed, how long
a slab may be, and what its solution is. In the first pass the last slab, extrapolated in time, shows the first two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.linalg import solve_triangular

from kanpde.calculus.arrays import Array
from kanpde.marching import verdicts
from kanpde.marching.axes import SplineAxis, design, points_of, transfer_matrix
from kanpde.marching.knot_placement import Need, equidistributed
from kanpde.marching.slabs import Pass, Slab, extrapolated
from kanpde.marching.task import MarchTask
from kanpde.marching.tensor_product import TensorProduct
from kanpde.marching.verdicts import Aim, Axes

ENOUGH = 1.1  # axes are kept if no interval is longer than this times the length that it should have
TOO_MANY = 0.7  # axes are made coarser if this share of their intervals is enough


def overlapping(found: Pass, low: float, high: float) -> list[Slab]:
    """Return the slabs of a pass that have a part of time in common with that between two shares of time."""
    return [slab for slab in found.slabs if slab.low < high and slab.high > low]


def length_after(found: Pass, low: float, aim: Aim, task: MarchTask) -> float:
    """Return the length of a slab from `low` that the tails of a pass's slabs there allow."""
    length = math.inf
    for slab in found.slabs:
        if slab.high <= low or slab.low >= low + length:
            continue
        longest = verdicts.next_length(slab, aim, task.tolerances)
        length = min(length, max(longest, slab.low - low))
    return length


def axes_for(task: MarchTask, known: Sequence[Slab], aim: float, now: Axes | None) -> Axes:
    """Return spline axes with knots placed for a residual of `aim`, where the solution is like these slabs.

    They are the axes `now` if these are about as good.
    """
    found = []
    for number, a in enumerate(task.along):
        pieces = []
        for slab in known:
            need = Need.of(slab, a)
            pieces.append((need.axis, need.density(need.error, aim / max(slab.residual, 1e-300), task.order)))
        found.append(fitting(pieces, None if now is None else now[number], task))
    size = math.prod(axis.size for axis in found) * ((task.degree_in_time or 0) + 1) * len(task.problem.fields)
    return tuple(found) if size <= task.largest or now is None else now


def fitting(pieces: Sequence[tuple[SplineAxis, Array]], now: SplineAxis | None, task: MarchTask) -> SplineAxis:
    """Return an axis with at least these densities of breakpoints; `now` if that is about as good."""
    axis = max((axis for axis, _ in pieces), key=lambda each: each.intervals)
    edges = np.unique(np.concatenate([each.breakpoints for each, _ in pieces]))
    middles = (edges[:-1] + edges[1:]) / 2
    density = np.max([each[np.searchsorted(axis.breakpoints, middles) - 1] for axis, each in pieces], axis=0)
    if not np.isfinite(density).all():
        return axis
    default = task.tolerances.first_intervals[task.problem.domain.dimension - 1]
    new = equidistributed(
        edges, density, (default, math.ceil(task.tolerances.growth * axis.intervals)), axis.degree, axis.periodic
    )
    if now is None:
        return new
    here = np.interp(now.breakpoints, new.breakpoints, np.arange(len(new.breakpoints)))
    kept = np.diff(here).max() <= ENOUGH and new.intervals >= TOO_MANY * now.intervals
    return now if kept else new


def guess_from(found: Pass, space: TensorProduct, time: int | None, low: float, high: float) -> Array:
    """Return coefficients (*shape, fields) in `space`, between two shares of time, of the solution of a pass.

    `time` is the axis of time, None if the pass is not in slabs.
    """
    if time is None:
        return space.transferred(found.slabs[0].space, found.slabs[0].coefficients)
    axis = space.axes[time]
    places = points_of(axis)
    values, start = [], 0
    slabs = overlapping(found, low, high)
    for slab in slabs:
        end = len(places) if slab is slabs[-1] else int(np.searchsorted(places, slab.axes[time].breakpoints[1]))
        if end == start:
            continue
        part = np.tensordot(design(slab.axes[time], places[start:end]), slab.coefficients, (1, time))
        others = [(a, one) for a, one in enumerate(slab.axes) if a != time]
        for place, (a, one) in enumerate(others):
            if one is not space.axes[a]:
                matrix = transfer_matrix(one, space.axes[a])
                part = np.moveaxis(np.tensordot(matrix, part, (1, place + 1)), 0, place + 1)
        values.append(part)
        start = end
    orthonormal, triangle = np.linalg.qr(design(axis, places))
    every = np.concatenate(values)
    fitted = solve_triangular(triangle, orthonormal.T @ every.reshape(len(every), -1))
    return np.moveaxis(fitted.reshape(-1, *every.shape[1:]), 0, time)


def continued(last: Slab, task: MarchTask, low: float, high: float) -> Slab:
    """Return the last slab, extrapolated to the part between two shares of time, on the same axes in space."""
    axes = tuple(axis for axis in last.axes if isinstance(axis, SplineAxis))
    space = task.space(axes, low, high)
    return Slab(low, high, space.axes, extrapolated(last, space, task.time), last.constants, last.residual, last.tail)
