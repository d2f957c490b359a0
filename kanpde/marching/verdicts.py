"""What follows a step, a solved slab and a pass: decisions as functions of values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kanpde.marching.axes import SplineAxis
from kanpde.marching.slabs import Pass, Slab
from kanpde.marching.state import Attempt, Counters, Iterate
from kanpde.marching.tolerances import MarchTolerances
from kanpde.optim.least_squares import Step

Axes = tuple[SplineAxis, ...]
Refinement = Callable[[int], tuple[Axes, bool]]


@dataclass(frozen=True)
class Aim:
    """What is asked of a slab: the pass's tolerance, and last coefficients in time that are small.

    `degree_in_time` is None if there are no slabs of time. `first` says whether the slab is the pass's first.
    """

    tolerance: float
    degree_in_time: int | None
    first: bool


@dataclass(frozen=True)
class Keep:
    """Keep the slab; the next one has these axes and at most this length."""

    length: float
    axes: Axes


@dataclass(frozen=True)
class Shorter:
    """Solve a shorter slab instead."""

    length: float
    axes: Axes
    counters: Counters


@dataclass(frozen=True)
class Finer:
    """Solve the slab again on finer axes; `length` is that of the next slab as far as this attempt tells."""

    length: float
    axes: Axes
    counters: Counters


def verdict(
    slab: Slab, attempt: Attempt, length: float, aim: Aim, refine: Refinement, limits: MarchTolerances
) -> Keep | Shorter | Finer:
    """Return what to do with a solved slab: shorten it if time is too long, refine axes if that helps, or keep it.

    `length` is the one kept for the next slab so far; `refine` returns, for a number of stalls, axes with more knots
    where they are needed and whether these are more than now.
    """
    counters, axes = replace(attempt.counters, tries=attempt.counters.tries + 1), attempt.axes
    if counters.tries >= limits.tries:
        return keep(slab, axes, length, aim, limits)
    if aim.degree_in_time is not None:
        length = next_length(slab, aim, limits)
        if too_long(slab, aim, limits) and length >= limits.shortest:
            return Shorter(length, axes, Counters(counters.tries, uncut=counters.uncut))
    if slab.residual <= aim.tolerance or slight(slab, aim, limits):
        return keep(slab, axes, length, aim, limits)
    stalls = counters.stalls + (slab.residual > limits.gain * counters.reached)
    if stalls < limits.stalls:
        axes, more = refine(stalls)
        if more:
            return Finer(length, axes, Counters(counters.tries, stalls, slab.residual, counters.uncut))
    cut = (slab.high - slab.low) * (limits.at_start if aim.first else limits.cut)
    if aim.degree_in_time is None or cut < limits.shortest or not worth_cutting(slab, counters, aim, limits):
        return keep(slab, axes, length, aim, limits)
    return Shorter(cut, axes, Counters(counters.tries, uncut=slab.residual))


def keep(slab: Slab, axes: Axes, length: float, aim: Aim, limits: MarchTolerances) -> Keep:
    """Keep the slab; after one that is as good as it gets but not solved, the next one need not be as short."""
    return Keep(limits.longer * (slab.high - slab.low) if slab.residual > aim.tolerance else length, axes)


def next_length(slab: Slab, aim: Aim, limits: MarchTolerances) -> float:
    """Return the length at which the last coefficients in time would be as large as allowed."""
    assert aim.degree_in_time is not None
    allowed = limits.in_time * aim.tolerance
    factor = limits.safety * (allowed / max(slab.tail, 1e-300)) ** (1 / aim.degree_in_time)
    unsolved = slab.residual > aim.tolerance
    least = limits.shrink if unsolved else limits.stretch if slab.flat else 1.0
    return (slab.high - slab.low) * float(np.clip(factor, least, limits.longer))


def too_long(slab: Slab, aim: Aim, limits: MarchTolerances) -> bool:
    """Return whether a slab is unsolved because of its length: its last coefficients in time are large, not noise."""
    noise = slab.flat and slab.residual < limits.unresolved
    large = slab.tail > limits.too_long * (limits.in_time * aim.tolerance)
    return slab.residual > aim.tolerance and large and not noise


def slight(slab: Slab, aim: Aim, limits: MarchTolerances) -> bool:
    """Return whether the slab is so short that its residual hardly counts in that of the pass."""
    return slab.residual * math.sqrt(slab.high - slab.low) <= limits.slight * aim.tolerance


def worth_cutting(slab: Slab, counters: Counters, aim: Aim, limits: MarchTolerances) -> bool:
    """Return whether a slab that finer axes do not help is to be cut: not after a cut that gained little."""
    useless = not aim.first and slab.residual > limits.gain * counters.uncut
    return slab.residual > limits.halved * aim.tolerance and not useless


def next_end(low: float, length: float, limits: MarchTolerances) -> float:
    """Return where a slab from `low` ends: the rest of time in equal slabs of at most about this length."""
    left = 1.0 - low
    pieces = max(1, math.ceil(left / length - 0.2))
    return 1.0 if pieces == 1 else low + min(length, left / pieces)


def newton_has_ended(step: Step, moved: float, before: Iterate, tolerance: float, limits: MarchTolerances) -> bool:
    """Return whether a step that moved the vector by so much, relative to it, is the last one of an attempt.

    Steps are expected to shrink at least as fast as before; `before` is the iterate from which the step was taken.
    """
    iteration = before.iteration + 1
    expected = moved * min(1.0, moved / before.moved) if before.moved else moved
    gained_little = step.loss > limits.stuck * step.before and iteration > limits.patience[before.fresh]
    stuck = not step.accepted or gained_little
    return expected <= limits.enough * tolerance or stuck or iteration >= limits.iterations


@dataclass(frozen=True)
class Outcome:
    """What a pass leaves: the best pass, the level of the next one, and whether there is to be one."""

    best: Pass
    level: int
    proceed: bool


def outcome(found: Pass, best: Pass | None, level: int, limits: MarchTolerances) -> Outcome:
    """Compare a pass with the best one so far; another follows if this one gained and a smaller tolerance is left."""
    better = best is None or found.residual < limits.gain * best.residual
    reached = found.residual <= limits.within * limits.passes[level]
    while level < len(limits.passes) and found.residual <= limits.met * limits.passes[level]:
        level += 1
    best = found if best is None or found.residual < best.residual else best
    return Outcome(best, level, level < len(limits.passes) and better and reached)
