"""The states of a march between its steps: at its start, after an attempt at a slab, and after a pass.

An attempt that has computed its slab is followed by the next slab, or by another attempt at it: shorter, or with other
knots. After the last slab comes the next pass, with a smaller tolerance, or the end.
"""

from __future__ import annotations

import math
from dataclasses import replace

from kanpde.errors import Ending
from kanpde.marching import forecast, knot_placement, verdicts
from kanpde.marching.axes import SplineAxis
from kanpde.marching.iteration import iterated
from kanpde.marching.slab_system import (
    initial_iterate,
    zero_iterate,
)
from kanpde.marching.slabs import Pass, Slab
from kanpde.marching.state import Attempt, MarchState
from kanpde.marching.task import MarchTask
from kanpde.marching.verdicts import Aim, Axes, Keep, Shorter


def begin(task: MarchTask, rest: MarchState | None = None) -> MarchState:
    """Return the state at the first attempt of the first pass; the initial guess fits the initial conditions.

    `rest` is the state `at_rest` if that is known.
    """
    rest = rest or at_rest(task)
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
            finer = finer_on_shape(task, slab)
            return (attempt.axes, False) if finer is None else (finer, True)
        target = aim.tolerance / limits.margin

        def placed(most: float) -> tuple[Axes, bool]:
            return knot_placement.finer_axes(
                slab, task.along, order=task.order, aim=target, most=most, stalls=stalls, limits=limits
            )

        if task.periodic:
            axes, more = knot_placement.spectral_axes(slab, task.along, aim=target, stalls=stalls, limits=limits)
            return (axes, more) if task.allows(task.unknowns_of(axes)) else (attempt.axes, False)
        # If the first space beyond a factor's is no progress, the solution is not smooth, and a million knots are none.
        if stalls > attempt.counters.stalls and task.unknowns_of(attempt.axes) > task.factored:
            return attempt.axes, False
        wanted = placed(math.inf)
        if task.unknowns_of(wanted[0]) <= task.factored:
            return wanted
        axes, more = placed(task.largest)
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
    """Return the state after a pass, complete or worse than the best: closed, or at the end.

    It is `opened` by the next step, so that the pass can be used before. Unknown constants are those of the next
    attempt at once.
    """
    after = verdicts.outcome(Pass(state.slabs), state.best, state.level, task.limits(long=state.long))
    state = replace(state, passes=state.passes + 1, best=after.best, level=after.level)
    ended = not after.proceed or (task.singular and after.best.residual <= task.tolerances.enough)
    if ended or (task.shaped and task.slabbed and of_knots(task, state, after.best)):
        stopped = after.level < len(task.tolerances.passes) and at_limit(task, after.best)
        return replace(state, done=Ending.UNKNOWNS if stopped else Ending.CONVERGED)
    state = replace(state, closed=True)
    return opened(task, state) if task.problem.unknowns else state


def opened(task: MarchTask, state: MarchState) -> MarchState:
    """Return a state, if it is closed, at the first attempt of the next pass, or at the end if that changes nothing."""
    if not state.closed:
        return state
    best, first = state.best, state.slabs[0]
    assert best is not None
    state = replace(state, closed=False)
    axes, length = tuple(axis for axis in first.axes if isinstance(axis, SplineAxis)), first.high - first.low
    state = replace(state, slabs=(), length=length)
    rescaled = at_round_off(task, first) and finer_on_shape(task, first) is not None
    known = (task.continued and not rescaled) or task.singular or iterated(task, state.attempt.axes)
    still = task.shaped and not task.problem.unknowns and (state.iterate.moved or math.inf) <= task.tolerances.still
    if (task.linear or still) and not task.slabbed and known:  # the same axes give the same slab
        return opened(task, conclude(task, replace(state, attempt=next_attempt(task, 0.0, length, axes)), first))
    if task.continued and not task.slabbed:
        return open_attempt(task, state, next_attempt(task, 0.0, length, axes), first)
    if task.shaped:
        length, axes = for_next_pass(task, state, best)
    return open_attempt(task, state, following(task, state, 0.0, length, axes))


def for_next_pass(task: MarchTask, state: MarchState, best: Pass) -> tuple[float, Axes]:
    """Return the length and the axes of the first slab of the next pass on a shape, with its smaller tolerance.

    The best pass has shown that its own leave more in its worst slab.
    """
    limits, worst = task.tolerances, max(best.slabs, key=lambda slab: slab.residual)
    aim = Aim(limits.passes[state.level], task.degree_in_time, first=True)
    axes = tuple(axis for axis in worst.axes if isinstance(axis, SplineAxis))
    if worst.residual > aim.tolerance:
        axes = finer_on_shape(task, worst) or axes
    length = min(verdicts.next_length(slab, aim, limits) for slab in best.slabs)
    return verdicts.equal_length(0.0, min(length, task.first_slab)), axes


def of_knots(task: MarchTask, state: MarchState, best: Pass) -> bool:
    """Return True if a pass on a shape leaves what knots leave of which there cannot be more, and not the polynomials.

    No shorter slabs then lower it.
    """
    limits, worst = task.tolerances, max(best.slabs, key=lambda slab: slab.residual)
    large = worst.residual > limits.met_within * limits.passes[state.level]
    in_time = worst.tail > limits.too_long * limits.in_time * worst.residual
    return large and not in_time and finer_on_shape(task, worst) is None


def finer_on_shape(task: MarchTask, slab: Slab) -> Axes | None:
    """Return finer axes than those of a slab on a shape; None if there are none within the limit of unknowns."""
    axes, more = knot_placement.uniformly_finer_axes(slab, task.along, task.largest, task.smooth_degree)
    return axes if more else None


def at_limit(task: MarchTask, found: Pass) -> bool:
    """Return True if finer knots than those of a pass would have more unknowns than a slab may have."""
    more = knot_placement.UNIFORM_GROWTH ** len(task.along)
    return any(more * slab.coefficients.size > task.largest for slab in found.slabs)
