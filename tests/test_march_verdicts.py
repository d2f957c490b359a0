"""What a march decides after a step, a slab and a pass: one row for every branch."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from kanpde.marching.axes import SplineAxis
from kanpde.marching.slabs import Pass, Slab
from kanpde.marching.state import Attempt, Counters, Iterate
from kanpde.marching.tolerances import MarchTolerances
from kanpde.marching.verdicts import (
    Aim,
    Finer,
    Keep,
    Outcome,
    Shorter,
    equal_length,
    in_equal_slabs,
    is_local_minimum,
    is_long,
    is_worse,
    newton_has_ended,
    next_end,
    outcome,
    slabs_left,
    verdict,
)
from kanpde.optim.least_squares import Step

LIMITS = MarchTolerances()
NOW = (SplineAxis(np.linspace(0.0, 1.0, 9), 9),)
MORE = (SplineAxis(np.linspace(0.0, 1.0, 17), 9),)
SPAN = 0.25


def slab_of(residual, tail=0.0, flat=False, low=0.5, high=0.5 + SPAN, start=0.0):
    return Slab(low, high, (), np.zeros((1, 1)), np.zeros(0), residual, tail, flat, start=start)


# At a tolerance of 1e-3 the last coefficients in time may be 1e-5, and with degree 1 a length is proportional to them.
AIM = {"tolerance": 1e-3, "degree_in_time": 1, "first": False}
SHORT_AND_FAR = {"slab": slab_of(4e-6, high=0.5 + 1e-4, start=3e-6), "tolerance": 1e-6, "first": True}
VERDICTS = {
    "solved, time easily resolved": ({"slab": slab_of(1e-4)}, Keep(3.0 * SPAN, NOW)),
    "solved, time hardly resolved": ({"slab": slab_of(1e-4, tail=4e-5)}, Keep(SPAN, NOW)),
    "solved, time just resolved": ({"slab": slab_of(1e-4, tail=0.5e-5)}, Keep(1.8 * SPAN, NOW)),
    "solved, noise in time": ({"slab": slab_of(1e-4, tail=4e-5, flat=True)}, Keep(1.5 * SPAN, NOW)),
    "too long": (
        {"slab": slab_of(2e-3, tail=3e-5), "counters": Counters(3, 1, 5e-3, 6e-3)},
        Shorter(0.3 * SPAN, NOW, Counters(4, 0, math.inf, 6e-3)),
    ),
    "much too long": ({"slab": slab_of(2e-3, tail=1.0)}, Shorter(0.25 * SPAN, NOW, Counters(1))),
    "hardly too long": (
        {"slab": slab_of(2e-3, tail=1.9e-5)},
        Finer(0.9 * SPAN / 1.9, MORE, Counters(1, 0, 2e-3)),
    ),
    "large last coefficients that are noise": (
        {"slab": slab_of(2e-3, tail=1.0, flat=True)},
        Finer(0.25 * SPAN, MORE, Counters(1, 0, 2e-3)),
    ),
    "noise of an unresolved solution": (
        {"slab": slab_of(0.1, tail=1.0, flat=True)},
        Shorter(0.25 * SPAN, NOW, Counters(1)),
    ),
    "too long, and as short as can be": (
        {"slab": slab_of(0.1, tail=1.0, low=0.0, high=1e-13)},
        Keep(3e-13, NOW),
    ),
    "so short that its residual counts little": (
        {"slab": slab_of(2e-3, low=0.0, high=0.0025)},
        Keep(3.0 * 0.0025, NOW),
    ),
    "not solved": (
        {"slab": slab_of(2e-3), "counters": Counters(3, 1, 5e-3, 6e-3)},
        Finer(3.0 * SPAN, MORE, Counters(4, 1, 2e-3, 6e-3)),
    ),
    "not solved, with little progress": (
        {"slab": slab_of(4e-3), "counters": Counters(1, 0, 5e-3)},
        Finer(3.0 * SPAN, MORE, Counters(2, 1, 4e-3)),
    ),
    "no progress, and nearly solved": (
        {"slab": slab_of(2.9e-3), "counters": Counters(2, 1, 3e-3)},
        Keep(3.0 * SPAN, NOW),
    ),
    "no progress": (
        {"slab": slab_of(4e-3), "counters": Counters(2, 1, 5e-3)},
        Shorter(0.5 * SPAN, NOW, Counters(3, uncut=4e-3)),
    ),
    "no progress in the first slab": (
        {"slab": slab_of(4e-3), "counters": Counters(2, 1, 5e-3), "first": True},
        Shorter(0.1 * SPAN, NOW, Counters(3, uncut=4e-3, unstarted=0.0)),
    ),
    "no finer axes": ({"slab": slab_of(4e-3), "more": False}, Shorter(0.5 * SPAN, MORE, Counters(1, uncut=4e-3))),
    "a cut that gained little": (
        {"slab": slab_of(4e-3), "counters": Counters(4, 1, 4e-3, uncut=5e-3), "converged": True},
        Keep(3.0 * SPAN, NOW),
    ),
    "a cut that gained little, because Gauss–Newton failed": (
        {"slab": slab_of(4e-3), "counters": Counters(4, 1, 4e-3, uncut=5e-3)},
        Shorter(0.5 * SPAN, NOW, Counters(5, uncut=4e-3)),
    ),
    "a cut that gained little in the first slab": (
        {"slab": slab_of(4e-3), "counters": Counters(4, 1, 4e-3, uncut=5e-3), "first": True},
        Shorter(0.1 * SPAN, NOW, Counters(5, uncut=4e-3, unstarted=0.0)),
    ),
    "a cut that gained": (
        {"slab": slab_of(4e-3), "counters": Counters(4, 1, 4e-3, uncut=9e-3)},
        Shorter(0.5 * SPAN, NOW, Counters(5, uncut=4e-3)),
    ),
    "a problem without slabs that is not solved": (
        {"slab": slab_of(0.1, tail=1.0), "degree_in_time": None},
        Finer(0.05, MORE, Counters(1, 0, 0.1)),
    ),
    "a problem without slabs and without finer axes": (
        {"slab": slab_of(0.1), "degree_in_time": None, "more": False},
        Keep(3.0 * SPAN, MORE),
    ),
    "a problem without slabs that is solved": ({"slab": slab_of(1e-4), "degree_in_time": None}, Keep(0.05, NOW)),
    "short, but far from the initial values": (
        SHORT_AND_FAR,
        Finer(3e-4, MORE, Counters(1, 0, 4e-6)),
    ),
    "the same, where finer axes do not help": (
        {**SHORT_AND_FAR, "more": False, "counters": Counters(unstarted=1e-5)},
        Shorter(1e-5, MORE, Counters(1, uncut=4e-6, unstarted=3e-6)),
    ),
    "the same, where shorter slabs do not help either": (
        {**SHORT_AND_FAR, "more": False, "counters": Counters(unstarted=5e-6)},
        Keep(3e-4, MORE),
    ),
    "the same, close to the initial values": (
        {"slab": slab_of(4e-6, high=0.5 + 1e-4, start=1e-6), "tolerance": 1e-6, "first": True},
        Keep(3e-4, NOW),
    ),
    "the last attempt, solved": ({"slab": slab_of(1e-4), "counters": Counters(29)}, Keep(0.05, NOW)),
    "the last attempt, not solved": ({"slab": slab_of(0.1), "counters": Counters(29)}, Keep(3.0 * SPAN, NOW)),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_a_slab_is_judged(name):
    """Where Gauss–Newton has not converged, by default; where it has, there may be more attempts without progress."""
    given, expected = VERDICTS[name]
    attempt = Attempt(given["slab"].low, given["slab"].high, NOW, given.get("counters", Counters()))
    aim = Aim(**{key: given.get(key, AIM[key]) for key in AIM})
    more, converged = (MORE, given.get("more", True)), given.get("converged", False)
    found = verdict(given["slab"], attempt, 0.05, aim, lambda stalls: more, LIMITS, converged=converged)
    assert type(found) is type(expected) and found.axes == expected.axes
    assert found.length == pytest.approx(expected.length, rel=1e-12)
    assert getattr(found, "counters", None) == getattr(expected, "counters", None)


@pytest.mark.parametrize(("growth", "long"), [(1.0, True), (3.0, False)])
def test_short_slabs_that_grow_predict_no_long_evolution(growth, long):
    """Slabs of 1e-3 are a thousand; but after a layer at the first time each is three times as long as the last."""
    ends = np.cumsum([0.0, *(1e-3 * growth**power for power in range(8))])
    slabs = [slab_of(0.0, low=low, high=high) for low, high in pairwise(ends)]
    assert is_long(slabs, growth * (ends[-1] - ends[-2]), LIMITS) == long


@pytest.mark.parametrize(
    ("tail", "before", "in_time", "found"),
    [(1e-9, 1e-6, 15, True), (1e-2, 1e-6, 15, False), (1e-9, 0.1, 15, False), (1e-9, 1e-6, None, False)],
)
def test_a_slab_that_time_resolves_after_a_solved_one_is_at_a_local_minimum(tail, before, in_time, found):
    aim = Aim(1e-3, in_time, False)
    assert is_local_minimum(slab_of(0.1, tail), slab_of(before), aim) is found
    assert not is_local_minimum(slab_of(0.1, tail), None, aim)


def test_a_pass_ends_as_soon_as_it_cannot_be_better_than_the_best():
    best = Pass((slab_of(1e-3, low=0.0, high=1.0),))
    worse, better = slab_of(3e-3, low=0.0, high=0.25), slab_of(1.9e-3, low=0.0, high=0.25)
    assert is_worse([worse], best) and not is_worse([better], best) and not is_worse([worse], None)
    assert is_worse([better, slab_of(1.9e-3, low=0.25, high=0.3)], best)


def test_slabs_that_grow_fill_the_rest():
    assert slabs_left(1.0, 0.1, 1.0) == pytest.approx(10)
    assert slabs_left(0.1 + 0.2 + 0.4 + 0.8, 0.1, 2.0) == pytest.approx(4)


@pytest.mark.parametrize(("converged", "in_time", "most"), [(False, None, 1), (True, 11, 1), (True, None, 5)])
def test_axes_are_refined_with_the_number_of_stalls(converged, in_time, most):
    asked = []

    def refine(stalls):
        asked.append(stalls)
        return MORE, True

    for stalls in range(8):
        attempt = Attempt(0.5, 0.75, NOW, Counters(1 + stalls, stalls, 5e-3))
        verdict(slab_of(4e-3), attempt, 0.05, Aim(1e-3, in_time, False), refine, LIMITS, converged=converged)
    assert asked == list(range(1, most + 1))  # one stall more asks for no axes


@pytest.mark.parametrize(
    ("low", "length", "expected"),
    [(0.0, 0.05, 0.05), (0.0, 2.0, 1.0), (0.5, 0.45, 1.0), (0.5, 0.3, 0.75), (0.9, 0.05, 0.95)],
    ids=["a step", "all of time", "a rest that is hardly longer", "a rest in equal parts", "the last but one"],
)
def test_the_rest_of_time_is_divided_evenly(low, length, expected):
    assert next_end(low, length, LIMITS) == pytest.approx(expected, rel=1e-12)


# At a tolerance of 1e-3 a next step of 1e-7 is not worth taking.
STEPS = {
    "large": ({"moved": 1e-2}, False),
    "small": ({"moved": 1e-7}, True),
    "expected to be small": ({"moved": 1e-5, "earlier": 1e-2}, True),
    "not expected to grow": ({"moved": 1e-5, "earlier": 1e-6}, False),
    "not accepted": ({"moved": 1e-2, "accepted": False}, True),
    "little gain": ({"moved": 1e-2, "loss": 0.6, "taken": 2}, True),
    "little gain, early": ({"moved": 1e-2, "loss": 0.6, "taken": 1}, False),
    "little gain, early from zero": ({"moved": 1e-2, "loss": 0.6, "taken": 5, "fresh": True}, False),
    "little gain from zero": ({"moved": 1e-2, "loss": 0.6, "taken": 6, "fresh": True}, True),
    "the last one": ({"moved": 1e-2, "taken": 14}, True),
}


@pytest.mark.parametrize("name", STEPS)
def test_newton_ends_at_a_small_step_or_a_poor_one(name):
    given, expected = STEPS[name]
    before = Iterate(torch.zeros(1), given.get("fresh", False), None, given.get("taken", 3), given.get("earlier"))
    step = Step(torch.zeros(1), given.get("loss", 0.1), given.get("accepted", True), 1.0)
    assert newton_has_ended(step, given["moved"], before, 1e-3, LIMITS) is expected


def passed(residual):
    return Pass((slab_of(residual, low=0.0, high=1.0),))


# The tolerances are 1e-3, 1e-5, 1e-7, …: (residual, that of the best pass, level) -> (which is best, level, proceed).
OUTCOMES = {
    "the first, met": ((1.5e-3, None, 0), ("found", 1, True)),
    "several tolerances met at once": ((1e-8, None, 0), ("found", 3, True)),
    "near its tolerance": ((2e-2, None, 0), ("found", 0, True)),
    "far from its tolerance": ((0.04, None, 0), ("found", 0, False)),
    "better": ((1e-6, 1e-3, 1), ("found", 2, True)),
    "hardly better": ((0.6e-3, 1e-3, 0), ("found", 1, False)),
    "worse": ((2e-3, 1e-3, 0), ("best", 1, False)),
    "the last tolerance met": ((1e-12, 1e-9, 4), ("found", 5, False)),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_pass_is_followed_by_another_if_it_gained_and_there_is_more_to_gain(name):
    (residual, best_residual, level), (which, next_level, proceed) = OUTCOMES[name]
    found, best = passed(residual), None if best_residual is None else passed(best_residual)
    expected = Outcome(found if which == "found" else best, next_level, proceed)
    assert outcome(found, best, level, LIMITS) == expected


@pytest.mark.parametrize("low", [0.0, 0.3, 0.9999])
@pytest.mark.parametrize("length", [0.11, 0.25, 0.7, 5.0])
def test_slabs_of_equal_length_fill_the_rest(low, length):
    found = equal_length(low, length)
    count = (1 - low) / found
    assert found <= length * (1 + 1e-5) and count == pytest.approx(round(count)) and count < 1 + (1 - low) / length


def test_a_slab_is_followed_by_one_as_long_unless_it_may_be_much_longer():
    attempt = Attempt(0.0, 0.1, NOW)
    assert in_equal_slabs(Keep(0.17, NOW), attempt, LIMITS).length == pytest.approx(0.1)
    assert in_equal_slabs(Keep(0.3, NOW), attempt, LIMITS).length == pytest.approx(0.1)  # nine more are few
    assert in_equal_slabs(Keep(0.03, NOW), Attempt(0.0, 0.01, NOW), LIMITS).length == pytest.approx(0.03)
    assert in_equal_slabs(Shorter(0.03, NOW, Counters()), attempt, LIMITS).length == pytest.approx(1 / 34)
    assert in_equal_slabs(Keep(0.3, NOW), Attempt(0.9, 1.0, NOW), LIMITS).length == 0.3


def test_only_a_first_slab_whose_tail_stays_has_a_layer():
    """Finer knots between two attempts are no sign of a layer, so that the slab is not cut to a tenth."""
    aim, slab = Aim(1e-7, 9, first=True), slab_of(4e-7, tail=8e-9, low=0.0, high=SPAN)
    refined = verdict(slab, Attempt(0.0, SPAN, NOW, Counters(1, 0, 1e-5)), SPAN, aim, lambda _: (MORE, True), LIMITS)
    again = verdict(slab, Attempt(0.0, SPAN, NOW, Counters(1)), SPAN, aim, lambda _: (MORE, True), LIMITS)
    assert isinstance(refined, Shorter) and refined.length > 0.5 * SPAN
    assert isinstance(again, Shorter) and again.length == pytest.approx(0.1 * SPAN)
