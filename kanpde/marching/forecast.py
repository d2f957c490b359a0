"""What is known of a slab before it is solved: its length, its knots and a guess.

A pass repeats the pass before it with a smaller tolerance, so that one's slabs show how long a slab may be, where knots
will be needed, and what the solution is. In the first pass the last slab, continued in time, shows the knots.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.marching import verdicts
from kanpde.marching.axes import SplineAxis, norm, transfer_matrix
from kanpde.marching.knot_placement import Need, derivative_sizes, equidistributed, required_density
from kanpde.marching.slabs import Pass, Slab, extrapolated
from kanpde.marching.task import MarchTask
from kanpde.marching.tensor_product import TensorProduct
from kanpde.marching.verdicts import Aim, Axes

ENOUGH = 1.1  # axes are kept if no interval is longer than this times the length that it should have
MAX_GROWTH = 1e6  # largest factor by which derivatives of the splines' order are expected to grow
NEGLIGIBLE = 1e-6  # errors of splines below this share of the wanted residual do not cause the present one
FEWEST = 4  # number of intervals that is not made smaller
LARGEST_SHRINK = 1e6  # largest ratio of the wanted residual to the present one
TOO_MANY = 0.7  # axes are made coarser if this share of their intervals is enough
COARSEST = 0.6  # smallest share of the intervals that is left, because estimates from a far smaller residual are rough


def overlapping(found: Pass, low: float, high: float) -> list[Slab]:
    """Return the slabs of a pass that have a part of time in common with that between two shares of time."""
    return [slab for slab in found.slabs if slab.low < high and slab.high > low]


def length_after(found: Pass, low: float, aim: Aim, task: MarchTask) -> float:
    """Return the length of a slab from `low` that the tails of a pass's slabs there allow."""
    length = math.inf
    for slab in found.slabs:
        if slab.high <= low or slab.low >= low + length:
            continue
        longest = verdicts.next_length(slab, aim, task.tolerances, known=True)
        length = min(length, max(longest, slab.low - low))
    return max(length, task.tolerances.shortest)


def axes_for(task: MarchTask, known: Sequence[Slab], aim: float, now: Axes, after: Slab | None, length: float) -> Axes:
    """Return spline axes with knots placed for a residual of `aim`, where the solution is like these slabs.

    If it also follows the slab `after`, and lasts for a `length`, its derivatives are expected to go on growing. The
    axes are those of `now` if these are about as good.
    """
    pieces: list[list[tuple[SplineAxis, Array]]] = [[] for _ in task.along]
    # Derivatives of splines of a lower degree say little about those that count here.
    same = [
        slab
        for slab in known
        if all(slab.axes[a].degree == axis.degree for a, axis in zip(task.along, now, strict=True))
    ]
    known = same or known
    for slab in known if after is None else (*known, after):
        needs = [Need.of(slab, a) for a in task.along]
        worst = max(need.error for need in needs)
        for a, need, found in zip(task.along, needs, pieces, strict=True):
            tolerance = max(need.tolerance(worst, shrink(slab, aim), task.order), NEGLIGIBLE * aim)
            tolerance = max(tolerance, worst) if of_time(slab) else tolerance
            sizes = grown_sizes(slab, a, task.time, length) if slab is after else need.sizes
            found.append((need.axis, required_density(need.axis, sizes, tolerance)))
    axes = tuple(fitting(found, axis, task) for found, axis in zip(pieces, now, strict=True))
    size = math.prod(axis.size for axis in axes) * ((task.degree_in_time or 0) + 1) * len(task.problem.fields)
    return axes if task.allows(size) else now


def of_time(slab: Slab) -> bool:
    """Return True if a slab's residual is that of its polynomials in time, so that it shows no need of knots.

    That counts along two axes and more in space only; along one axis knots cost less than another attempt.
    """
    return len(slab.axes) > 2 and slab.residual < slab.tail and not slab.flat


def of_higher_degree(task: MarchTask, wanted: Axes, now: Axes) -> Axes:
    """Return the axes `now` with a higher degree in place of more knots that are `wanted`, if few were enough so far.

    A solution that few intervals resolve is smooth, and polynomials of high degree need the fewest functions. Along one
    axis in space knots cost little, because JᵀJ is a narrow band.
    """
    few = all(axis.intervals <= FEWEST for axis in now)
    more = any(one.intervals > axis.intervals for one, axis in zip(wanted, now, strict=True))
    degree = task.smooth_degree
    if len(now) < 2 or not (task.slabbed and few and more) or any(axis.degree >= degree for axis in now):
        return wanted
    return tuple(SplineAxis(axis.breakpoints, degree, axis.periodic) for axis in now)


def shrink(slab: Slab, aim: float) -> float:
    """Return the factor from a slab's residual to `aim`, of which a large value says little."""
    return min(aim / max(slab.residual, 1e-300), LARGEST_SHRINK)


def grown_sizes(slab: Slab, a: int, time: int, length: float) -> Array:
    """Return the relative sizes (n,) of the derivatives along an axis at a `length` of time after a slab.

    They are assumed to grow by the same factor in equal times, which steepening fronts exceed.
    """
    axis = slab.axes[a]
    assert isinstance(axis, SplineAxis)
    sizes = []
    for end in slab.axes[time].breakpoints:
        at_end = np.tensordot(slab.axes[time].design(np.array([end])), slab.coefficients, (1, time))
        along = slab.space.values(a, np.moveaxis(at_end, 0, time), without=time)
        sizes.append(derivative_sizes(axis, along) / max(norm(axis, along), 1e-300))
    growth = np.clip(sizes[1] / np.maximum(sizes[0], sizes[1] / MAX_GROWTH + 1e-300), 1.0, MAX_GROWTH)
    return np.asarray(
        sizes[1] * np.exp(np.minimum(np.log(growth) * length / (slab.high - slab.low), math.log(MAX_GROWTH)))
    )


def fitting(pieces: Sequence[tuple[SplineAxis, Array]], now: SplineAxis, task: MarchTask) -> SplineAxis:
    """Return an axis with at least these densities of breakpoints; `now` if that is about as good."""
    axis = max((axis for axis, _ in pieces), key=lambda each: each.intervals)
    edges = np.unique(np.concatenate([each.breakpoints for each, _ in pieces]))
    middles = (edges[:-1] + edges[1:]) / 2
    density = np.max([each[np.searchsorted(axis.breakpoints, middles) - 1] for axis, each in pieces], axis=0)
    if not np.isfinite(density).all():
        return axis
    if float(density @ np.diff(edges)) <= now.intervals <= FEWEST:
        return now
    default = task.tolerances.first_intervals[task.problem.domain.dimension - 1]
    least, most = math.ceil(COARSEST * now.intervals), math.ceil(task.tolerances.growth * axis.intervals)
    new = equidistributed(edges, density, (max(default, least), most), axis.degree, axis.periodic)
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
    places = axis.points
    values, start = [], 0
    slabs = overlapping(found, low, high)
    for slab in slabs:
        end = len(places) if slab is slabs[-1] else int(np.searchsorted(places, slab.axes[time].breakpoints[1]))
        if end == start:
            continue
        part = np.tensordot(slab.axes[time].design(places[start:end]), slab.coefficients, (1, time))
        others = [(a, one) for a, one in enumerate(slab.axes) if a != time]
        for place, (a, one) in enumerate(others):
            if one is not space.axes[a]:
                matrix = transfer_matrix(one, space.axes[a])
                part = np.moveaxis(np.tensordot(matrix, part, (1, place + 1)), 0, place + 1)
        values.append(part)
        start = end
    every = np.concatenate(values)
    fitted = axis.fit(every.reshape(len(every), -1))
    return np.moveaxis(fitted.reshape(-1, *every.shape[1:]), 0, time)


def continued(last: Slab, task: MarchTask, low: float, high: float) -> Slab:
    """Return the last slab, extrapolated to the part between two shares of time, on the same axes in space."""
    axes = tuple(axis for axis in last.axes if isinstance(axis, SplineAxis))
    space = task.space(axes, low, high)
    coefficients, amounts = extrapolated(last, space, task.time)
    return Slab(
        low,
        high,
        space.axes,
        coefficients,
        last.constants,
        last.residual,
        last.tail,
        functions=last.functions,
        amounts=amounts,
    )
