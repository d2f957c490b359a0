"""The window of time: where its points lie, what they weigh, and how it grows."""

import numpy as np
import pytest

from kanpde import Box
from kanpde.collocation.sampling import Sample
from kanpde.collocation.time_window import FIRST_REACH, LOSS_TO_GROW, MAX_AGE, SHARE_BEYOND, WEIGHT_BEYOND, Window

DOMAIN = Box(x=(-1, 1), t=(2, 6))


def drawn(count: int = 4096) -> Sample:
    generator = np.random.default_rng(0)
    return Sample(DOMAIN.interior(generator.random((count, 2))), None)


@pytest.mark.parametrize("reach", [0.1, 0.35, 0.9])
def test_most_points_lie_in_the_window_and_the_rest_weigh_little(reach):
    placed, weights = Window(DOMAIN, reach=reach).place(drawn(), fixed=False)
    inside = placed.points[:, 1] <= 2 + 4 * reach
    assert np.isclose(inside.mean(), 1 - SHARE_BEYOND, atol=0.03)
    assert np.array_equal(weights, np.where(inside, 1.0, WEIGHT_BEYOND))
    assert placed.points[:, 1].min() >= 2 and placed.points[:, 1].max() <= 6


def test_places_in_space_stay_and_times_keep_their_order():
    before = drawn()
    placed, _ = Window(DOMAIN, reach=0.3).place(before, fixed=False)
    assert np.array_equal(placed.points[:, 0], before.points[:, 0])
    assert np.array_equal(np.argsort(placed.points[:, 1]), np.argsort(before.points[:, 1]))


def test_points_at_the_first_time_stay_there():
    start = Sample(np.array([[0.0, 2.0], [0.5, 2.0]]), np.zeros(2, dtype=np.int64))
    placed, weights = Window(DOMAIN).place(start, fixed=False)
    assert np.array_equal(placed.points, start.points)
    assert np.array_equal(weights, [1.0, 1.0])


def test_measurements_stay_where_they_are_and_those_beyond_weigh_little():
    given = Sample(np.array([[0.0, 2.2], [0.0, 5.0]]), np.arange(2))
    placed, weights = Window(DOMAIN, reach=0.1).place(given, fixed=True)
    assert np.array_equal(placed.points, given.points)
    assert np.array_equal(weights, [1.0, WEIGHT_BEYOND])


def test_a_closed_window_changes_nothing():
    before = drawn()
    placed, weights = Window(DOMAIN, reach=1.0).place(before, fixed=False)
    assert placed is before
    assert (weights == 1).all()


def test_it_grows_when_solved_and_after_its_patience_else_not():
    window = Window(DOMAIN)
    assert not window.advance(2 * LOSS_TO_GROW)
    assert window.advance(LOSS_TO_GROW / 2)
    assert window.reach > FIRST_REACH
    reach = window.reach
    grown = [window.advance(1.0) for _ in range(MAX_AGE)]
    assert grown == [False] * (MAX_AGE - 1) + [True]
    assert np.isclose(window.reach, reach + FIRST_REACH), "after a hard part the stride is the least again"


def test_easy_parts_lengthen_the_stride_and_the_end_is_met():
    window, reaches = Window(DOMAIN), []
    while not window.closed:
        assert window.advance(0.0)
        reaches.append(window.reach)
    assert window.reach == 1.0
    assert len(reaches) <= 4
    assert not window.advance(0.0), "a closed window grows no more"


def test_a_state_taken_up_goes_on_alike():
    one, two = Window(DOMAIN), Window(DOMAIN, reach=1.0)
    for loss in (1.0, 1.0, 0.0, 1.0):
        one.advance(loss)
    two.restore(one.state())
    assert two == one
    assert [one.advance(0.0), one.reach, one.stride] == [two.advance(0.0), two.reach, two.stride]
