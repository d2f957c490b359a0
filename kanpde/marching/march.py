"""The march: solve a problem in a tensor product, slab by slab in time, in passes of decreasing tolerance.

An evolution is solved in slabs of time. Each slab is a boundary value problem whose initial values are the final values
of the previous slab, so the initial guess is close to the solution and the number of unknowns is small. In time a slab
has Legendre polynomials, whose last coefficients show whether the slab is short enough. In space it has splines; if the
residual is too large, the slab is solved again with more knots where they are necessary. All other problems are one
slab with splines along every axis. A pass over all slabs gives a complete solution; each pass has a smaller tolerance.

A `MarchState` is the complete state; `attempts` computes states by the decisions of `verdicts`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kanpde.calculus.devices import keep_freed_memory
from kanpde.errors import Ending
from kanpde.marching import circulant, verdicts
from kanpde.marching.attempts import conclude, opened
from kanpde.marching.eigenfunction import eigenfunction
from kanpde.marching.iteration import Iterated, iterated, operations, take_step
from kanpde.marching.slab_system import (
    complete_pass,
    guessed,
    measure_slab,
)
from kanpde.marching.slabs import Pass, Slab
from kanpde.marching.smoothing import tune, weigh_alike
from kanpde.marching.state import Anchor, Iterate, MarchState
from kanpde.marching.system import System
from kanpde.marching.task import MarchTask
from kanpde.marching.work import Work, prepare
from kanpde.optim.lagged_gauss_newton import LaggedGaussNewton
from kanpde.optim.least_squares import Step

FLEXIBLE_STEPS = 8  # first steps in which unknown functions are hardly smoothed


@dataclass(frozen=True)
class Seen:
    """Measures of the last step's rows: their root mean square by block, the numbers of points and of unknowns."""

    rms: dict[str, float]
    points: int
    unknowns: int


class March:
    """A march in progress: its state, `present` as the last step left it, and the cached results that `step` reuses."""

    def __init__(self, task: MarchTask, state: MarchState) -> None:
        keep_freed_memory()  # the matrices of one attempt are as large as those of the next one
        self.task, self.present = task, state
        self.seen = Seen({}, 0, 0)
        self._work: Work | None = None
        self._operations = 0.0

    @property
    def state(self) -> MarchState:
        """The `present` state, opened: at the next attempt, or at the end."""
        self.present = opened(self.task, self.present)
        return self.present

    @state.setter
    def state(self, state: MarchState) -> None:
        self.present = state

    def step(self) -> Step:
        """Take one Gauss–Newton step and return it; after the last step of an attempt, open the next attempt."""
        task, state = self.task, self.state
        if iterated(task, state.attempt.axes):
            return self._iterated_step()
        if circulant.iterated(task, state.attempt.axes):
            return self._circulant_step()
        work = prepare(task, state, self._work)
        state = started(task, state, work.system)
        before = state.iterate
        if before.fresh and before.iteration == 1:
            work.system.rescale(before.vector)
        first = state.passes == state.attempt.counters.tries == 0
        if before.fresh and before.iteration == 0:
            weigh_alike(work.system)
        else:
            tune(work.system, before.vector, flexible=first and before.iteration <= FLEXIBLE_STEPS)
        inexact = 0.0 if task.linear or task.problem.unknowns else task.tolerances.inexact
        method = LaggedGaussNewton(work.factor, inexact)
        method.damping = method.damping if before.damping is None else before.damping
        step = method.step(work.system, before.vector)
        if method.factor is not None and method.factor is not work.factor and method.factor.reusable:
            scales, damping = work.system.scales, method.factor.damping
            anchor = Anchor(state.attempt, state.last is not None, before.vector, scales, damping)
            work = replace(work, anchor=anchor, factor=method.factor)
        self.seen = measure_rows(work.system, step)
        system, attempt = work.system, state.attempt
        made = Made(step, system.moved(before.vector, step.vector), method.damping, system.scales)

        def measured() -> Slab:
            if before.fresh and before.iteration == 0:
                system.rescale(step.vector)
            return measure_slab(task, attempt, system, step.vector)

        self.state = proceed(task, replace(state, anchor=work.anchor), made, measured)
        self._work, self._operations = work, circulant.cost(task, attempt.axes)
        return step

    def _iterated_step(self) -> Step:
        """Take the same step in a space that satisfies the conditions, by iteration."""
        task, state = self.task, replace(self.state, anchor=None)
        self._work = None
        taken = take_step(task, state)
        self.seen = Seen(taken.measures.rms, taken.points, len(taken.step.vector))
        self.state = proceed(task, state, Made(taken.step, taken.moved, None, None), lambda: taken.slab)
        self._operations = operations(task, state.attempt.axes)
        return taken.step

    def _circulant_step(self) -> Step:
        """Take the same step on periodic axes, by iteration."""
        task, state = self.task, replace(self.state, anchor=None)
        work = prepare(task, state, self._work)
        system, attempt = work.system, state.attempt
        taken = circulant.take_step(task, state.iterate.vector, system)
        self.seen = measure_rows(system, taken.step)
        made = Made(taken.step, taken.moved, None, system.scales)
        self.state = proceed(task, state, made, lambda: measure_slab(task, attempt, system, taken.step.vector))
        self._work, self._operations = work, circulant.cost(task, attempt.axes)
        return taken.step

    @property
    def growth(self) -> float:
        """The operations of a factorisation in the present attempt, relative to that of the last step."""
        return circulant.cost(self.task, self.state.attempt.axes) / self._operations if self._operations else 1.0

    def so_far(self) -> Pass:
        """Return the present pass, completed by a solution that is constant in time after the last slab."""
        return complete_pass(self.task, self.state, self._present)

    def _present(self) -> Slab:
        """Return the slab of the present attempt."""
        task, state = self.task, self.state
        if iterated(task, state.attempt.axes):
            return Iterated.of(task, state).measure(state.iterate.vector)[0]
        return measure_slab(task, state.attempt, prepare(task, state, self._work).system, state.iterate.vector)


def started(task: MarchTask, state: MarchState, system: System) -> MarchState:
    """Return the state with the initial guess of an eigenvalue problem, if it is one and has no iterate yet.

    A coarser attempt gives its eigenvalue only: its splines may be wild outside a shape and then fit finer ones badly.
    A linear problem then starts from zero; so does each of its slabs, whose splines would carry on what the points of
    the slab before have left open, while the solution may decay.
    """
    before = state.iterate
    if before.iteration > 0:
        return state
    if task.slabbed:
        nothing = Iterate(torch.zeros_like(before.vector), before.fresh, system.scales)
        return replace(state, iterate=nothing) if task.continued and task.linear else state
    if task.continued and task.linear and not before.fresh and before.scales is not None:
        zero = torch.zeros_like(before.vector)
        if task.singular or system.residual(zero).norm() <= system.residual(before.vector).norm():
            return replace(state, iterate=replace(before, vector=zero))
    guess = None if task.guess is None else torch.as_tensor(guessed(task, state.attempt, task.guess)).to(before.vector)
    start = eigenfunction(system, before.vector, guess)
    if start is None:
        return state
    system.rescale(start)
    return replace(state, iterate=replace(before, vector=start, scales=system.scales))


def measure_rows(system: System, step: Step) -> Seen:
    """Return the measures of the rows after a step."""
    return Seen(system.rms(step.vector), sum(len(piece.weights) for piece in system.pieces), system.size)


@dataclass(frozen=True)
class Made:
    """A step with its relative size, its damping, and the scales of its rows.

    The scales are None if there is nothing to be weighed, because the equation alone has rows.
    """

    step: Step
    moved: float
    damping: float | None
    scales: tuple[Tensor, ...] | None


def proceed(task: MarchTask, state: MarchState, made: Made, measured: Callable[[], Slab]) -> MarchState:
    """Return the state after a step from `state`; `measured` returns the slab of its vector."""
    before, limits, step, moved = state.iterate, task.limits(long=state.long), made.step, made.moved
    # The rows are then scaled at the new vector and solved again.
    unscaled = before.fresh and before.iteration == 0 and made.scales is not None
    tolerance = limits.passes[state.level]
    ended = task.linear or verdicts.newton_has_ended(
        step, moved, before, tolerance, limits, constants=bool(task.problem.unknowns)
    )
    ended = ended or (task.shaped and moved <= limits.still)
    judged = not (unscaled or task.linear)
    iterate = Iterate(
        vector=step.vector,
        fresh=before.fresh,
        scales=made.scales,
        iteration=before.iteration + 1,
        moved=moved if judged else before.moved,
        damping=made.damping,
        changed=moved if before.iteration == 0 and not before.fresh else before.changed,
    )
    state = replace(state, iterate=iterate)
    if not math.isfinite(step.loss):
        return replace(state, done=Ending.DIVERGED)
    if unscaled and task.linear and task.foreseeable:
        slab = measured()
        after = conclude(task, state, slab) if slab.residual <= tolerance else state
        return state if after.done else after  # the last solution has scaled rows, which hold more digits
    if unscaled or not ended:
        return state
    of_space, own = verdicts.of_space(step, tolerance, limits), math.sqrt(step.loss)
    return conclude(task, state, measured(), of_space=of_space, own=own)
