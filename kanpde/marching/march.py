"""The march: solve a problem in a tensor product, slab by slab in time, in passes of decreasing tolerance.

An evolution is solved in slabs of time. Each slab is a boundary value problem whose initial values are the final values
of the previous slab, so the initial guess is close to the solution and the number of unknowns is small. In time a slab
has Legendre polynomials, whose last coefficients show whether the slab is short enough. In space it has splines; if the
residual is too large, the slab is solved again with more knots where they are necessary. All other problems are one
slab with splines along every axis. A pass over all slabs gives a complete solution; each pass has a smaller tolerance.

A `MarchState` is the complete state; `begin` and `conclude` compute states by the decisions of `verdicts`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kanpde.errors import Ending
from kanpde.marching import circulant, forecast, knot_placement, verdicts
from kanpde.marching.axes import SplineAxis
from kanpde.marching.eigenfunction import eigenfunction
from kanpde.marching.iteration import Iterated, iterated, operations, take_step
from kanpde.marching.slab_system import (
    complete_pass,
    guessed,
    initial_iterate,
    measure_slab,
    zero_iterate,
)
from kanpde.marching.slabs import Pass, Slab
from kanpde.marching.smoothing import tune, weigh_alike
from kanpde.marching.state import Anchor, Attempt, Iterate, MarchState
from kanpde.marching.system import System
from kanpde.marching.task import MarchTask
from kanpde.marching.verdicts import Aim, Axes, Keep, Shorter
from kanpde.marching.work import Work, prepare
from kanpde.optim.lagged_gauss_newton import LaggedGaussNewton
from kanpde.optim.least_squares import Step

FLEXIBLE_STEPS = 8  # first steps in which unknown functions are hardly smoothed

# States --------------------------------------------------------------------------------------------------------------


def begin(task: MarchTask) -> MarchState:
    """Return the state at the first attempt of the first pass; the initial guess fits the initial conditions."""
    rest = at_rest(task)
    return replace(rest, iterate=initial_iterate(task, rest.attempt, None))


def at_rest(task: MarchTask) -> MarchState:
    """Return the state of `begin` with zero for the initial guess, which needs no computation."""
    length = task.first_slab
    attempt = next_attempt(task, 0.0, length, task.first_axes)
    return MarchState(attempt, zero_iterate(task, attempt), length)


def next_attempt(task: MarchTask, low: float, length: float, axes: Axes) -> Attempt:
    """Return the first attempt at the slab that begins at `low`, a share of time."""
    high = verdicts.next_end(low, length, task.tolerances) if task.slabbed else 1.0
    return Attempt(low, high, axes)


def open_attempt(task: MarchTask, state: MarchState, attempt: Attempt, failed: Slab | None = None) -> MarchState:
    """Return the state at the start of an attempt; its initial guess is the failed attempt's solution, if given.

    A factor on other axes is dropped, because it is no preconditioner of this attempt.
    """
    iterate = initial_iterate(task, attempt, state.last, failed, state.best)
    if failed is not None and task.linear and (task.singular or not at_round_off(task, failed)):
        # Those of the transferred solution may be far too large, because it may be wild between its points.
        iterate = replace(iterate, scales=state.iterate.scales)
    usable = state.anchor is not None and same_axes(state.anchor.attempt, attempt)
    return replace(state, attempt=attempt, iterate=iterate, anchor=state.anchor if usable else None)


def at_round_off(task: MarchTask, slab: Slab) -> bool:
    """Return True if a residual may be that of round-off; off shapes, where no splines are wild, it always is."""
    return not task.continued or slab.residual < task.tolerances.smooth


def same_axes(one: Attempt, other: Attempt) -> bool:
    """Return True if two attempts have the same axes in space, and so the same numbering of the unknowns."""
    return len(one.axes) == len(other.axes) and all(a is b for a, b in zip(one.axes, other.axes, strict=True))


def conclude(
    task: MarchTask, state: MarchState, slab: Slab, *, of_space: bool = False, own: float = math.inf
) -> MarchState:
    """Return the state after the present attempt has computed `slab`: the next slab, or another attempt at it.

    `of_space` says that Gauss–Newton leaves the residual of the space, however far its last step was. `own` is the
    norm of the rows at the march's own points.
    """
    if task.problem.unknowns and state.passes == state.attempt.counters.tries == 0:
        state = replace(state, starts=(*state.starts, slab))
        if verdicts.another_start(state.starts, task.tolerances):
            factor = task.tolerances.starts[len(state.starts)]
            return replace(state, iterate=initial_iterate(task, state.attempt, None, factor=factor), anchor=None)
        slab = min(state.starts, key=lambda each: each.misfit)
    attempt, limits = state.attempt, task.limits(long=state.long)
    aim = Aim(limits.passes[state.level], task.degree_in_time, not state.slabs)

    def refine(stalls: int) -> tuple[Axes, bool]:
        if task.shaped:
            axes, more = knot_placement.uniformly_finer_axes(slab, task.along, task.largest, task.smooth_degree)
            return (axes, True) if more else (attempt.axes, False)
        target = aim.tolerance / limits.margin

        def finer(most: float) -> tuple[Axes, bool]:
            return knot_placement.finer_axes(
                slab, task.along, order=task.order, aim=target, most=most, stalls=stalls, limits=limits
            )

        if task.periodic:
            axes, more = knot_placement.spectral_axes(slab, task.along, aim=target, stalls=stalls, limits=limits)
            return (axes, more) if task.allows(task.unknowns_of(axes)) else (attempt.axes, False)
        # If the first space beyond a factor's is no progress, the solution is not smooth, and a million knots are none.
        if stalls > attempt.counters.stalls and task.unknowns_of(attempt.axes) > task.factored:
            return attempt.axes, False
        wanted = finer(math.inf)
        if task.unknowns_of(wanted[0]) <= task.factored:
            return wanted
        axes, more = finer(task.largest)
        worth = not iterated(task, attempt.axes) or task.unknowns_of(axes) >= limits.more * task.unknowns_of(
            attempt.axes
        )
        return axes, more and worth

    # In a slab such a residual may be that of a local minimum, which a shorter slab does not have.
    of_knots = of_space and not task.slabbed
    converged = task.linear or of_knots or (state.iterate.moved or 0.0) <= limits.settled
    if not task.linear and not task.along and verdicts.is_local_minimum(slab, state.last, aim):
        converged = False
    if task.shaped and slab.residual < limits.smooth:
        limits = replace(limits, stalls=(1, 1))
    # A residual that is small at the march's own points is what the knots leave between them, and no contradiction.
    changed = math.inf if own < limits.between * slab.residual else state.iterate.changed
    found = verdicts.verdict(slab, attempt, state.length, aim, refine, limits, converged=converged, changed=changed)
    if task.shaped and task.slabbed:
        found = verdicts.in_equal_slabs(found, attempt, limits)
    state = replace(state, length=found.length)
    if isinstance(found, Keep):
        if state.long and verdicts.is_lost(slab, found.length, limits):
            return replace(state, done=Ending.LOST)
        state = replace(state, slabs=(*state.slabs, slab))
        if attempt.high == 1.0 or verdicts.is_worse(state.slabs, state.best):
            return finish(task, state)
        if state.passes == 0 and not state.long and verdicts.is_long(state.slabs, found.length, limits):
            return again_as_long(task, state)
        return open_attempt(task, state, following(task, state, attempt.high, found.length, found.axes))
    high = attempt.low + found.length if isinstance(found, Shorter) else attempt.high
    again = Attempt(attempt.low, high, found.axes, found.counters)
    known = slab.residual < (limits.seen_on_shape if task.continued else limits.unresolved)
    return open_attempt(task, state, again, slab if known else None)


def again_as_long(task: MarchTask, state: MarchState) -> MarchState:
    """Return the state at the first attempt of a long evolution's only pass, with the first slab's axes and length."""
    first = state.slabs[0]
    axes, length = tuple(axis for axis in first.axes if isinstance(axis, SplineAxis)), first.high - first.low
    state = replace(state, slabs=(), length=length, long=True)
    return open_attempt(task, state, next_attempt(task, 0.0, length, axes))


def following(task: MarchTask, state: MarchState, low: float, length: float, axes: Axes) -> Attempt:
    """Return the first attempt at the slab from `low`, of at most this length, with the knots that it should need."""
    usual, last, best = next_attempt(task, low, length, axes), state.last, state.best
    if not task.along or not task.foreseeable:
        return usual
    limits = task.limits(long=state.long)
    aim = Aim(limits.passes[state.level], task.degree_in_time, last is None)
    known = []
    if best is not None:
        if task.slabbed:
            # The first slab of the pass before was short for lack of a guess.
            most = math.inf if last is None else length
            usual = next_attempt(task, low, min(most, forecast.length_after(best, low, aim, task)), axes)
        known += forecast.overlapping(best, usual.low, usual.high)
    if last is not None:
        known.append(forecast.continued(last, task, usual.low, usual.high))
    target = aim.tolerance / limits.margin
    if task.periodic:
        found, _ = knot_placement.spectral_axes(last or known[0], task.along, aim=target, stalls=0, limits=limits)
        return replace(usual, axes=found if task.allows(task.unknowns_of(found)) else axes)
    after = None if best is not None else last
    wanted = forecast.axes_for(task, known, target, axes, after, usual.high - usual.low)
    return replace(usual, axes=wanted if last else forecast.of_higher_degree(task, wanted, axes))


def finish(task: MarchTask, state: MarchState) -> MarchState:
    """Return the state after a pass, complete or worse than the best: the first attempt of the next, or the end."""
    after = verdicts.outcome(Pass(state.slabs), state.best, state.level, task.limits(long=state.long))
    state = replace(state, passes=state.passes + 1, best=after.best, level=after.level)
    ended = not after.proceed or (task.singular and after.best.residual <= task.tolerances.enough)
    if ended or (task.shaped and task.slabbed and of_knots(task, state, after.best)):
        stopped = after.level < len(task.tolerances.passes) and at_limit(task, after.best)
        return replace(state, done=Ending.UNKNOWNS if stopped else Ending.CONVERGED)
    first = state.slabs[0]
    axes, length = tuple(axis for axis in first.axes if isinstance(axis, SplineAxis)), first.high - first.low
    state = replace(state, slabs=(), length=length)
    known = (task.continued and not at_round_off(task, first)) or task.singular or iterated(task, state.attempt.axes)
    still = task.shaped and not task.problem.unknowns and (state.iterate.moved or math.inf) <= task.tolerances.still
    if (task.linear or still) and not task.slabbed and known:  # the same axes give the same slab
        return conclude(task, replace(state, attempt=next_attempt(task, 0.0, length, axes)), first)
    if task.continued and not task.slabbed:
        return open_attempt(task, state, next_attempt(task, 0.0, length, axes), first)
    if task.shaped:
        length, axes = for_next_pass(task, state, after.best)
    return open_attempt(task, state, following(task, state, 0.0, length, axes))


def for_next_pass(task: MarchTask, state: MarchState, best: Pass) -> tuple[float, Axes]:
    """Return the length and the axes of the first slab of the next pass on a shape, with its smaller tolerance.

    The best pass has shown that its own leave more in its worst slab.
    """
    limits, worst = task.tolerances, max(best.slabs, key=lambda slab: slab.residual)
    aim = Aim(limits.passes[state.level], task.degree_in_time, first=True)
    axes = tuple(axis for axis in worst.axes if isinstance(axis, SplineAxis))
    if worst.residual > aim.tolerance:
        finer, more = knot_placement.uniformly_finer_axes(worst, task.along, task.largest, task.smooth_degree)
        axes = finer if more else axes
    length = min(verdicts.next_length(slab, aim, limits) for slab in best.slabs)
    return verdicts.equal_length(0.0, min(length, task.first_slab)), axes


def of_knots(task: MarchTask, state: MarchState, best: Pass) -> bool:
    """Return True if a pass on a shape leaves what knots leave of which there cannot be more, and not the polynomials.

    No shorter slabs then lower it.
    """
    limits, worst = task.tolerances, max(best.slabs, key=lambda slab: slab.residual)
    _, more = knot_placement.uniformly_finer_axes(worst, task.along, task.largest, task.smooth_degree)
    large = worst.residual > limits.met_within * limits.passes[state.level]
    return large and not more and worst.tail <= limits.too_long * limits.in_time * worst.residual


def at_limit(task: MarchTask, found: Pass) -> bool:
    """Return True if finer knots than those of a pass would have more unknowns than a slab may have."""
    more = knot_placement.UNIFORM_GROWTH ** len(task.along)
    return any(more * slab.coefficients.size > task.largest for slab in found.slabs)


# The march -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """Measures of the last step's rows: their root mean square by block, the numbers of points and of unknowns."""

    rms: dict[str, float]
    points: int
    unknowns: int


class March:
    """A march in progress: its state, and the cached results that `step` reuses."""

    def __init__(self, task: MarchTask, state: MarchState) -> None:
        self.task, self.state = task, state
        self.seen = Seen({}, 0, 0)
        self._work: Work | None = None
        self._operations = 0.0

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
