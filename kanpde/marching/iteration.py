"""An attempt of a march that is solved by iteration, where a factor of JᵀJ would take too long or too much memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from kanpde.geometry.box import as_box
from kanpde.marching.axes import Axis, SplineAxis
from kanpde.marching.separable.along_axis import placed
from kanpde.marching.separable.iterated import Measures, Rows, Scales, Spline, correction, measure, projected
from kanpde.marching.separable.solver import Solved, Space
from kanpde.marching.slabs import Slab, sizes_in_time, tail_of
from kanpde.marching.state import Attempt, MarchState
from kanpde.marching.task import MarchTask
from kanpde.optim.least_squares import Step

WORTH = 2e10  # operations of a factorisation from which the iteration is used
WORTH_ONCE = 1e9  # the same where it is used once, so that no later step has the factor for nothing


def operations(task: MarchTask, axes: Sequence[SplineAxis]) -> float:
    """Return an estimate of the operations of a factorisation of JᵀJ: P b² for P unknowns in a band of width b."""
    in_time = [] if task.degree_in_time is None else [task.degree_in_time + 1]
    sizes = [*(axis.size for axis in axes), *in_time]
    unknowns = task.unknowns_of(axes)
    degree = max((axis.degree for axis in axes), default=0)
    band = unknowns / max(sizes) * min(max(sizes), degree + 1)
    return unknowns * band**2


def iterated(task: MarchTask, axes: Sequence[SplineAxis], *, once: bool = False) -> bool:
    """Return True if an attempt with these spline axes, or a single step with them, is solved by iteration."""
    worth = WORTH_ONCE if once else WORTH
    large = operations(task, axes) > worth or not task.factorable(axes)
    return task.most_iterated > 0 and large and task.structure is not None


@dataclass(frozen=True, eq=False)
class Iterated:
    """An attempt's space, with axes restricted to its conditions, and its rows."""

    task: MarchTask
    attempt: Attempt
    rows: Rows
    space: Space

    @classmethod
    def of(cls, task: MarchTask, state: MarchState) -> Iterated:
        """Return those of the present attempt of a task that is solved by iteration."""
        attempt, last, structure = state.attempt, state.last, task.structure
        assert structure is not None
        part = as_box(task.part(attempt.low, attempt.high))
        assert part is not None
        joined = tuple(block.name for block in task.joins) if last else ()
        before = Spline(last.axes, placed(last.coefficients[..., 0], task.iterates_on)) if last else None
        space = Space.of(structure, task.space(attempt.axes, attempt.low, attempt.high).axes, task.iterates_on)
        assert space is not None  # the conditions are independent, as in the space in which the iteration was tried
        return cls(task, attempt, Rows(structure, part, task.iterates_on, before, joined), space)

    def step(self, vector: Tensor) -> tuple[Tensor, Solved]:
        """Return the vector (P,) after a step, and the correction."""
        about = vector.reshape(self.space.shape)
        found = correction(self.rows, self.space, None, Spline(self._axes, about) if about.any() else None)
        return (about + found.coefficients).reshape(-1), found

    @cached_property
    def _axes(self) -> tuple[Axis, ...]:
        return tuple(each.axis for each in self.space.axes)

    def measure(self, vector: Tensor) -> tuple[Slab, Measures]:
        """Return the slab of a vector with its measures."""
        task, function = self.task, Spline(self._axes, vector.reshape(self.space.shape))
        scales = Scales.of(self.rows, self.space, function)
        found = measure(self.rows, self.space, function, scales, task.tolerances.checked)
        product = task.space(self.attempt.axes, self.attempt.low, self.attempt.high)
        coefficients = function.coefficients.cpu().numpy()[..., None]
        tail, flat = 0.0, False
        if task.slabbed:
            tail, flat = tail_of(sizes_in_time(product, task.time, coefficients), expensive=len(task.along) > 1)
        low, high = self.attempt.low, self.attempt.high
        return Slab(low, high, product.axes, coefficients, np.zeros(0), found.residual, tail, flat), found


def start_from(task: MarchTask, attempt: Attempt, failed: Slab) -> Tensor:
    """Return the vector (P,) of the function of a failed attempt in the space of another one, the best fit."""
    assert task.structure is not None
    axes = task.space(attempt.axes, attempt.low, attempt.high).axes
    space = Space.of(task.structure, axes, task.iterates_on)
    assert space is not None
    function = Spline(failed.axes, placed(failed.coefficients[..., 0], task.iterates_on))
    return projected(function, space).coefficients.reshape(-1)


@dataclass(frozen=True, eq=False)
class Taken:
    """A step of relative size `moved`, the slab of its vector, its measures, and the number of points of its rows."""

    step: Step
    moved: float
    slab: Slab
    measures: Measures
    points: int


def take_step(task: MarchTask, state: MarchState) -> Taken:
    """Return a Gauss–Newton step from a state's vector; it is not accepted if the iteration did not converge."""
    before = state.iterate.vector
    here = Iterated.of(task, state)
    after, found = here.step(before)
    slab, measures = here.measure(after)
    moved = float((after - before).norm() / after.norm().clamp_min(1e-300))
    step = Step(after, slab.residual**2, found.converged, before=math.nan)
    return Taken(step, moved, slab, measures, here.space.roots.numel())
