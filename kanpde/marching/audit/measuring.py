"""The estimates of an error: a corrected solution and the computed one, compared on a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from kanpde.calculus.arrays import Array
from kanpde.calculus.jets import JetPlan
from kanpde.collocation.comparison import grid
from kanpde.geometry.box import as_box
from kanpde.geometry.domain import Domain
from kanpde.marching.audit.correction import Corrected
from kanpde.marching.audit.course import Course
from kanpde.marching.audit.first_time import with_start
from kanpde.marching.audit.parts import Part, values_at
from kanpde.marching.split import Split
from kanpde.marching.task import MarchTask
from kanpde.network.trial_function import Model

# The relative L2 error, the largest error, the solution's root mean square, the error's course over time.
Estimates = tuple[float, float, float, Course | None]

RESOLUTION = {1: 2001, 2: 129, 3: 25, 4: 9}  # points along each axis at which the estimate is measured
CLOSER = 0.5  # distance of knots, relative to that of the points, from which more points are taken
RECENT = 0.75  # share of the time that is known from which its last quarter begins
UNSOLVED = 0.03  # share of the rows that a correction leaves where training did not come, so that it says nothing


def estimates(task: MarchTask, model: Model, parts: Sequence[Part], found: Sequence[Corrected]) -> Estimates:
    """Return the estimates of the relative L2 error and of the largest error, the solution's root mean square, and the
    course of the error over the time that was solved, if the problem is an evolution.

    They are measured against the corrected solution.
    """
    problem = task.problem
    domain = problem.whole.domain if isinstance(problem, Split) else problem.domain
    points, weights, plain = measuring_grid(task, parts, domain)
    shares = np.zeros(len(points))
    if task.slabbed:
        time = task.time
        shares = (points[:, time] - domain.low[time]) / (domain.high[time] - domain.low[time])
    functions = [each.function for each in found]

    def corrected_at(points: Array, shares: Array) -> Array:
        return values_at(parts, functions, shares, points)

    corrected = (
        problem.assembled(corrected_at, points, shares) if isinstance(problem, Split) else corrected_at(points, shares)
    )
    if task.slabbed and not isinstance(problem, Split) and len(points):
        corrected = with_start(task, points, corrected)
    values = model.jets_on_grid(torch.as_tensor(points), JetPlan(domain.dimension, [()]))[:, 0]
    network = values.double().cpu().numpy()
    end = lost_after(parts, found)
    lost = shares > end
    corrected = np.where(lost[:, None], network, corrected)
    weights, plain = weights / weights.sum(), plain / plain.sum()
    # Where nothing is known, a state that is held may be as wrong as the solution is large, there or shortly before.
    recent = weights * (~lost & (shares >= RECENT * end))
    size_before = np.sqrt(recent @ np.square(corrected) / max(float(recent.sum()), 1e-300))
    wrong = np.where(lost[:, None], np.maximum(np.abs(network), size_before), network - corrected)
    error, size = max(
        (
            tuple(math.sqrt(float(each @ np.square(v).sum(axis=1))) for v in (wrong, corrected))
            for each in (weights, plain)
        ),
        key=lambda pair: pair[0] / max(pair[1], 1e-300),
    )
    course = None
    if task.slabbed:
        low, high = domain.low[task.time], domain.high[task.time]
        reached = next((part.low for part in parts if part.held), 1.0)
        bounds = float(low), float(low + reached * (high - low)), float(high)
        course = Course.of(points[:, task.time], wrong, corrected, weights, bounds)
    return (error / size if size > 0 else error), float(np.abs(wrong).max()), size, course


def measuring_grid(task: MarchTask, parts: Sequence[Part], domain: Domain) -> tuple[Array, Array, Array]:
    """Return the points (n, d) at which errors are estimated, their weights (n,), and those of an even grid among them.

    On boxes with one or two coordinates they have more lines where the knots or the slabs are closer than the grid,
    because that is where the solution changes fast. A solution's errors are measured on an even grid.
    """
    count = RESOLUTION[domain.dimension]
    if as_box(domain) is None or domain.dimension > 2 or isinstance(task.problem, Split):
        points, weights = grid(domain, count)
        return points, weights, weights
    lines = []
    for axis, (low, high) in enumerate(zip(domain.low, domain.high, strict=True)):
        if task.slabbed and axis == task.time:
            ends = low + (high - low) * np.unique([part.high for part in parts])
        else:
            number = task.along.index(axis)
            ends = np.unique(np.concatenate([part.axes[number].breakpoints for part in parts]))
        within = np.sort(np.concatenate([ends, (ends[1:] + ends[:-1]) / 2]))
        line = np.linspace(low, high, count)
        if len(ends) > 1 and np.diff(ends).min() < CLOSER * (line[1] - line[0]):
            chosen = np.unique(np.linspace(0, len(within) - 1, min(len(within), count // 2)).astype(int))
            line = np.unique(np.clip(np.concatenate([line, within[chosen]]), low, high))
        lines.append(line)
    points = np.stack([column.ravel() for column in np.meshgrid(*lines, indexing="ij")], axis=-1)
    weights, plain = np.ones(1), np.ones(1)
    for line, low, high in zip(lines, domain.low, domain.high, strict=True):
        weights = np.multiply.outer(weights, trapezoidal(line)).ravel()
        even = np.linspace(low, high, count)
        own = np.zeros(len(line))
        own[np.searchsorted(line, even)] = trapezoidal(even)
        plain = np.multiply.outer(plain, own).ravel()
    return points, weights, plain


def trapezoidal(line: Array) -> Array:
    """Return the weights of the trapezoidal rule at increasing points (n,)."""
    around = np.concatenate([line[:1], line, line[-1:]])
    return np.asarray((around[2:] - around[:-2]) / 2)


def lost_after(parts: Sequence[Part], found: Sequence[Corrected]) -> float:
    """Return the share of time from which nothing is known: training did not reach it, and no correction solves it."""
    held = ((part.low, each.after) for part, each in zip(parts, found, strict=True) if part.held)
    return next((low for low, after in held if not max(after.values(), default=0.0) < UNSOLVED), 1.0)
