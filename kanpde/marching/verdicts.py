"""The decisions after a step, after a solved slab and after a pass, as functions of values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kanpde.marching.axes import SplineAxis
from kanpde.marching.slabs import Pass, Slab
from kanpde.marching.state import Attempt, Counters, Iterate
from kanpde.marching.tolerances import MISFIT, MarchTolerances
from kanpde.optim.least_squares import Step

ALMOST = 1e-6  # part of a slab that is round-off
RESOLVED = 1e-2  # share of the residual below which the last coefficients in time do not cause it

Axes = tuple[SplineAxis, ...]
Refinement = Callable[[int], tuple[Axes, bool]]


@dataclass(frozen=True)
class Aim:
    """The requirements on a slab: `tolerance` is the pass's, for the relative residual.

    `degree_in_time` is None if the problem is not slabbed; `first` is True for the first slab of a pass.
    """

    tolerance: float
    degree_in_time: int | None
    first: bool


@dataclass(frozen=True)
class Keep:
    """The decision to keep a slab; the next slab has these axes and at most this length."""

    length: float
    axes: Axes


@dataclass(frozen=True)
class Shorter:
    """The decision to solve a shorter slab instead, of this length."""

    length: float
    axes: Axes
    counters: Counters


@dataclass(frozen=True)
class Finer:
    """The decision to solve the slab again on finer axes; `length` is the estimated length of the next slab."""

    length: float
    axes: Axes
    counters: Counters


def verdict(
    slab: Slab,
    attempt: Attempt,
    length: float,
    aim: Aim,
    refine: Refinement,
    limits: MarchTolerances,
    *,
    converged: bool = True,
    changed: float = math.inf,
) -> Keep | Shorter | Finer:
    """Return the decision on a solved slab: shorten it, refine its axes, cut it, or keep it.

    `length` is the present estimate of the next slab's length. `refine` maps a number of stalls to axes with knots
    where they are necessary, and to whether these differ from the present ones. `converged` says if Gauss–Newton has.
    `changed` is the relative change of the solution from the attempt before.
    """
    counters, axes = replace(attempt.counters, tries=attempt.counters.tries + 1), attempt.axes
    if counters.tries >= limits.tries:
        return keep(slab, axes, length, aim, limits)
    if aim.degree_in_time is not None:
        length = next_length(slab, aim, limits)
        if too_long(slab, aim, limits) and length >= limits.shortest:
            # A shorter slab that has the same tail has a layer at first.
            if aim.first and attempt.counters.tries and math.isinf(attempt.counters.reached):
                length = min(length, limits.first_cut * (slab.high - slab.low))
            return Shorter(length, axes, replace(counters, stalls=0, reached=math.inf))
    small = slab.residual <= aim.tolerance or negligible(slab, aim, limits)
    if small and (not aim.first or starts_well(slab, aim, limits)):
        return keep(slab, axes, length, aim, limits)
    stalls = counters.stalls + (slab.residual > limits.gain * counters.reached)
    contradicts = slab.residual > limits.unchanged * counters.reached and changed < limits.same
    if stalls < limits.stalls[converged and aim.degree_in_time is None] and not contradicts:
        axes, more = refine(stalls)
        if more:
            again = Counters(counters.tries, stalls, slab.residual, counters.uncut, counters.unstarted)
            return Finer(length, axes, again)
    cut = (slab.high - slab.low) * (limits.first_cut if aim.first else limits.cut)
    worth = worth_cutting(slab, counters, aim, limits, converged=converged)
    jumps = small and slab.start > limits.gain * counters.unstarted  # no slab is short enough for a jump at first
    if aim.degree_in_time is None or cut < limits.shortest or not worth or jumps:
        return keep(slab, axes, length, aim, limits)
    unstarted = slab.start if aim.first else math.inf
    return Shorter(cut, axes, Counters(counters.tries, uncut=slab.residual, unstarted=unstarted))


def keep(slab: Slab, axes: Axes, length: float, aim: Aim, limits: MarchTolerances) -> Keep:
    """Return the decision to keep a slab; if the slab is not solved, the next one may be longer than it."""
    return Keep(limits.longer * (slab.high - slab.low) if slab.residual > aim.tolerance else length, axes)


def in_equal_slabs(found: Keep | Shorter | Finer, attempt: Attempt, limits: MarchTolerances) -> Keep | Shorter | Finer:
    """Return a decision with a length by which slabs of one length fill the rest of time.

    They have one matrix, whose factor costs as much as many slabs. So the next one is as long as this one, unless it
    may be much longer and there would be many.
    """
    if isinstance(found, Shorter):
        return replace(found, length=equal_length(attempt.low, found.length))
    start, own = attempt.high if isinstance(found, Keep) else attempt.low, attempt.high - attempt.low
    if start == 1.0:
        return found
    few = (1.0 - start) / own <= limits.few
    same = own <= found.length and (found.length < limits.worthwhile * own or few)
    return replace(found, length=equal_length(start, own if same else found.length))


def equal_length(low: float, length: float) -> float:
    """Return the largest length of at most `length` of which a whole number fills the time from the share `low`."""
    rest = 1.0 - low
    return rest / math.ceil(rest / length - ALMOST)


def next_length(slab: Slab, aim: Aim, limits: MarchTolerances, *, known: bool = False) -> float:
    """Return the length at which the last coefficients in time are estimated to be the largest allowed ones.

    It may be far longer than the slab if the solution is `known` there.
    """
    assert aim.degree_in_time is not None
    allowed = limits.in_time * aim.tolerance
    factor = limits.safety * (allowed / max(slab.tail, 1e-300)) ** (1 / aim.degree_in_time)
    unsolved = slab.residual > aim.tolerance
    least = limits.shrink if unsolved else limits.stretch if slab.flat else 1.0
    most = limits.longer_known if known and slab.residual <= limits.passes[0] else limits.longer
    return (slab.high - slab.low) * float(np.clip(factor, least, most))


def too_long(slab: Slab, aim: Aim, limits: MarchTolerances) -> bool:
    """Return True if a slab is unsolved because of its length: its last coefficients in time are large, not noise."""
    noise = slab.flat and slab.residual < limits.unresolved
    large = slab.tail > limits.too_long * (limits.in_time * aim.tolerance)
    return slab.residual > aim.tolerance and large and not noise


def negligible(slab: Slab, aim: Aim, limits: MarchTolerances) -> bool:
    """Return True if the slab is so short that its contribution to the pass's residual is negligible.

    The shortest slabs, which are few, may contribute more: with layers at the first time they get little smaller.
    """
    return slab.residual * math.pow(slab.high - slab.low, 0.6) <= limits.negligible * aim.tolerance


def starts_well(slab: Slab, aim: Aim, limits: MarchTolerances) -> bool:
    """Return True if the first slab has the initial values to the pass's tolerance, which the first pass need not have.

    Data that agree only in values have a layer at the first time: whoever looks there sees what the first slab leaves.
    """
    return aim.tolerance >= limits.passes[0] or slab.start <= limits.started * aim.tolerance


def worth_cutting(slab: Slab, counters: Counters, aim: Aim, limits: MarchTolerances, *, converged: bool = True) -> bool:
    """Return True if a slab that finer axes do not help should be cut.

    It should not if the last cut gained little, unless Gauss–Newton failed: a shorter slab has a better initial guess.
    """
    useless = converged and not aim.first and slab.residual > limits.gain * counters.uncut
    return slab.residual > limits.cut_above * aim.tolerance and not useless


def is_local_minimum(slab: Slab, last: Slab | None, aim: Aim) -> bool:
    """Return True if a slab without space is at a local minimum: it is resolved, and the slab before it is solved.

    Its residual is then none that a polynomial of higher degree would lower.
    """
    solved = last is not None and last.residual <= aim.tolerance
    return aim.degree_in_time is not None and solved and slab.tail <= RESOLVED * slab.residual


def is_worse(slabs: Sequence[Slab], best: Pass | None) -> bool:
    """Return True if a pass with these first slabs has a larger residual than the best pass, whatever follows."""
    squares = sum((slab.high - slab.low) * slab.residual**2 for slab in slabs)
    return best is not None and math.sqrt(squares) > best.residual


def is_long(slabs: Sequence[Slab], length: float, limits: MarchTolerances) -> bool:
    """Return True if an evolution is long, as its first slabs and the `length` of the next one predict."""
    last = slabs[-1]
    expected = len(slabs) + slabs_left(1.0 - last.high, length, length / (last.high - last.low))
    many = len(slabs) >= limits.seen[0] and expected > limits.long
    large = expected * last.coefficients.size > limits.long_unknowns
    return many or (len(slabs) >= limits.seen[1] and large)


def slabs_left(rest: float, length: float, growth: float) -> float:
    """Return the number of slabs that fill the `rest` of time, from this length on, if each is longer by this factor.

    Slabs grow after a layer at the first time, so its short slabs do not predict a long evolution.
    """
    if growth <= 1.0:
        return rest / length
    return math.log1p((growth - 1.0) * rest / length) / math.log(growth)


def is_lost(slab: Slab, length: float, limits: MarchTolerances) -> bool:
    """Return True if a long evolution ends with a slab, because what follows cannot be solved.

    That is if the slab is far from a solution, and not very short, or if the `length` of the next one is next to
    nothing beside the time so far; in the first slabs there may be a short layer.
    """
    far = slab.residual * min(1.0, math.sqrt((slab.high - slab.low) * limits.long)) > limits.lost
    return far or length < limits.vanishing * slab.low


def next_end(low: float, length: float, limits: MarchTolerances) -> float:
    """Return the end of the slab from `low`, if the rest of time is divided into equal slabs of about `length`."""
    rest = 1.0 - low
    pieces = max(1, math.ceil(rest / length - 0.2))
    return 1.0 if pieces == 1 else low + min(length, rest / pieces)


def newton_has_ended(
    step: Step, moved: float, before: Iterate, tolerance: float, limits: MarchTolerances, *, constants: bool = False
) -> bool:
    """Return True if a step of relative size `moved` from the iterate `before` is the last one of an attempt.

    The next step is expected to be smaller by at least the ratio of the last two. `constants` says if there are unknown
    constants, whose way may be long.
    """
    if not constants and of_space(step, tolerance, limits):
        return True
    iteration = before.iteration + 1
    expected = moved * min(1.0, moved / before.moved) if before.moved else moved
    slow = limits.slow if constants else limits.stagnation
    gained_little = step.loss > slow * step.before and iteration > limits.patience[before.fresh]
    stagnates = not step.accepted or gained_little
    return expected <= limits.negligible_step * tolerance or stagnates or iteration >= limits.iterations[constants]


def of_space(step: Step, tolerance: float, limits: MarchTolerances) -> bool:
    """Return True if the residual after a step is that of the space, which more steps do not lower.

    The linear model has the residual of the space after its step, so the loss above it is what Gauss–Newton has left;
    but that of a damped step has a larger one.
    """
    if not step.accepted or not step.ratio > 0 or step.damping > limits.damped:
        return False
    left = abs((step.before - step.loss) * (1 / step.ratio - 1))
    share = limits.left_of_bad if step.loss > (limits.bad * tolerance) ** 2 else limits.left
    return left <= share**2 * step.loss


def another_start(found: Sequence[Slab], limits: MarchTolerances) -> bool:
    """Return True if unknown constants should be looked for from another start, after these solutions.

    That is if none fits the measurements, unless two starts lead to the same misfit, which then is noise.
    """
    best, *others = sorted(slab.misfit for slab in found)
    agreed = bool(others) and others[0] <= limits.same_misfit * best
    return best > limits.fits and not agreed and len(found) < len(limits.starts)


@dataclass(frozen=True)
class Outcome:
    """The decision after a pass: the best pass so far, the level of the next one, and whether there is a next one."""

    best: Pass
    level: int
    proceed: bool


def outcome(found: Pass, best: Pass | None, level: int, limits: MarchTolerances) -> Outcome:
    """Return the decision after the pass `found`, where `best` is the best pass before it.

    Another pass follows if this one made progress, was close to its tolerance, and a smaller tolerance remains; but
    none if the residual is far below the rows of measurements with noise: then these determine the unknowns, and not
    what the splines leave of the equation.
    """
    better = best is None or found.residual < limits.gain * best.residual
    reached = found.residual <= limits.continue_within * limits.passes[level]
    while level < len(limits.passes) and found.residual <= limits.met_within * limits.passes[level]:
        level += 1
    best = found if best is None or found.residual < best.residual else best
    heard = found.residual > limits.below_noise * min(found.misfit, MISFIT)
    return Outcome(best, level, level < len(limits.passes) and better and reached and heard)
