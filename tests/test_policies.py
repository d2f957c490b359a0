"""Decisions of a descent: stages in turn, points kept, exchanged or renewed, knots inserted, and the end."""

from __future__ import annotations

import math

import pytest

from kanpde.errors import Ending, ExitStatus
from kanpde.optim.methods import METHODS
from kanpde.training.phase import Stop
from kanpde.training.policies import (
    CHECK_EVERY,
    EXCHANGE_RATIO,
    MIN_LOSS,
    PATIENCE,
    REJECTIONS,
    KnotPolicy,
    PointPolicy,
    Verdict,
    fall,
    nan_to_inf,
)
from kanpde.training.schedule import Schedule, Stage

# Endings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "sentence"),
    [
        (Stop(Ending.CONVERGED), "converged: more steps and finer knots gain nothing"),
        (Stop(Ending.TARGET, 1e-4), "target: the estimated relative error is at most 0.0001"),
        (Stop(Ending.ITERATIONS, 20.0), "iterations: the last stage has run its 20 iterations"),
        (Stop(Ending.BUDGET, 5), "budget: 5 seconds are over"),
        (
            Stop(Ending.DIVERGED),
            "diverged: the residual is not finite, however small the step; check the equation and its parameters",
        ),
        (Stop(Ending.INTERRUPTED), "interrupted: Ctrl-C was pressed"),
    ],
)
def test_an_ending_in_words_begins_with_its_own(stop, sentence):
    assert str(stop) == sentence and sentence.startswith(f"{stop.ending.word}: ")


def test_endings_have_the_exit_statuses_of_the_command():
    bad = {Ending.DIVERGED: 3, Ending.INTERRUPTED: 130}
    assert {ending: int(ending.status) for ending in Ending} == {ending: bad.get(ending, 0) for ending in Ending}
    assert ExitStatus.BAD_INPUT == 2 and len({ending.word for ending in Ending}) == len(Ending)


# Stages --------------------------------------------------------------------------------------------------------------


def test_a_schedule_goes_through_its_stages_and_ends():
    schedule: Schedule | None = Schedule((Stage("adam", 3), Stage("lbfgs", 2.0), Stage("soap", 1)))
    seen = []
    while schedule is not None:
        seen.append(schedule.stage.optimiser)
        schedule = schedule.after_step()
        if schedule.over:
            assert schedule.iterations == schedule.stage.limit
            schedule = schedule.next_stage()
            assert schedule is None or schedule.iterations == 0
    assert seen == ["adam"] * 3 + ["lbfgs"] * 2 + ["soap"]


@pytest.mark.parametrize("optimiser", METHODS)
def test_a_stage_without_iterations_has_those_of_its_optimiser(optimiser):
    entry = METHODS[optimiser]
    assert Stage(optimiser).limit == entry.iterations and Stage(optimiser, 7).limit == 7
    assert (entry.iterations is None) == entry.gauss_newton
    assert Schedule((Stage(optimiser),), iterations=10**6).over != entry.gauss_newton


@pytest.mark.parametrize("optimiser", [name for name, entry in METHODS.items() if entry.has_rate])
def test_a_learning_rate_reaches_its_optimiser(optimiser):
    one, other = Stage(optimiser, learning_rate=0.25).method(), Stage(optimiser).method()
    assert one.state()[1]["rate"] == 0.25 != other.state()[1]["rate"]


# Points --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "affine", "iteration", "gauss_newton", "renews"),
    [
        (5, False, 1, True, True),
        (5, False, 0, True, False),  # the first points are fresh
        (5, True, 1, True, False),  # a linear equation's points are exchanged instead
        (5, False, 1, False, False),  # a first-order method's too
        (0, False, 1, True, False),  # the points stay
    ],
)
def test_points_are_renewed(every, affine, iteration, gauss_newton, renews):
    assert PointPolicy(every, affine).renews(iteration, gauss_newton) == renews


@pytest.mark.parametrize(
    ("every", "iteration", "rejected", "checks"),
    [(3, 0, 0, False), (3, 0, 1, False), (3, 3, 0, True), (3, 4, 0, False), (3, 4, 1, True)]
    + [(0, CHECK_EVERY, 0, True), (0, CHECK_EVERY + 1, 0, False), (0, CHECK_EVERY + 1, 2, True)],
)
def test_the_loss_is_checked_every_few_iterations_and_after_a_step_without_gain(every, iteration, rejected, checks):
    assert PointPolicy(every, True).checks(iteration, rejected) == checks


@pytest.mark.parametrize(
    ("seen", "hidden", "exchanges"),
    [
        (1e-4, 2 * EXCHANGE_RATIO * 1e-4, True),
        (1e-4, EXCHANGE_RATIO * 1e-4, False),
        (0.0, MIN_LOSS, False),
        (0.0, 2 * MIN_LOSS, True),
        (1e-4, math.inf, False),
        (1e-4, math.nan, False),
    ],
)
def test_points_are_exchanged_if_fresh_ones_see_much_more(seen, hidden, exchanges):
    assert PointPolicy(5, True).exchanges(seen, hidden) == exchanges


# Knots ---------------------------------------------------------------------------------------------------------------

QUICK, SLOW, FLAT = [1.0, 0.5, 0.1, 0.05], [1.0, 0.9, 0.8, 0.7], [1.0] * 2 * PATIENCE


@pytest.mark.parametrize(
    ("loss", "checks", "rejected", "room", "verdict"),
    [
        (1.0, QUICK, 0, True, Verdict.STEP),
        (1.0, SLOW, 0, True, Verdict.INSERT_KNOTS),
        (1.0, SLOW, 0, False, Verdict.STEP),  # progress, though slow, and no finer knots to be had
        (1.0, FLAT, 0, False, Verdict.END),
        (1.0, FLAT, 0, True, Verdict.INSERT_KNOTS),
        (1.0, SLOW[1:], 0, True, Verdict.STEP),  # too few checks to tell
        (1.0, QUICK, 1, True, Verdict.INSERT_KNOTS),  # a step without gain is reason enough
        (1.0, QUICK, REJECTIONS, True, Verdict.END),
        (MIN_LOSS, QUICK, 0, True, Verdict.END),
        (math.nan, FLAT, REJECTIONS, True, Verdict.STEP),
        (math.inf, FLAT, REJECTIONS, True, Verdict.STEP),
        (1.0, [math.inf] * 2 * PATIENCE, 0, False, Verdict.END),
    ],
)
def test_knots_are_inserted_when_progress_slows_and_the_end_comes_when_there_is_none(
    loss, checks, rejected, room, verdict
):
    assert KnotPolicy(100).verdict(loss, checks, rejected, 100 if room else 101) == verdict


def test_fall_compares_the_best_of_the_last_losses_with_the_best_before():
    assert fall([8.0, 4.0, 2.0, 3.0], 2) == 0.5 and fall([9.0, 8.0, 4.0, 2.0, 3.0], 2) == 0.5
    assert fall([4.0, 2.0, 3.0], 2) == 0.0
    assert fall([1.0, math.inf], 1) == math.inf and fall([0.0, 0.0], 1) == 0.0


def test_a_loss_that_is_not_a_number_is_infinite():
    assert nan_to_inf(math.nan) == math.inf and nan_to_inf(2.0) == 2.0
