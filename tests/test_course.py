"""The growth of an estimated error over time."""

import math

import numpy as np
import pytest

from kanpde.marching.audit.course import Course

TIMES = np.linspace(0, 10, 101)


def course(errors, solved=10.0):
    return Course(TIMES[solved >= TIMES], errors[solved >= TIMES], 10.0, solved)


def test_an_error_that_grows_exponentially_is_believed_until_it_is_large():
    found = course(1e-9 * np.exp(2 * TIMES))
    assert found.believed_until(1e-3) == pytest.approx(math.log(1e6) / 2, abs=0.1)
    assert found.rate(1e-3) == pytest.approx(2, rel=1e-6)
    (sentence,) = found.reasons(1e-3)
    assert "can be believed until t = 6.9 of 10" in sentence and "exp(2 t)" in sentence


def test_a_small_error_has_no_reasons():
    found = course(np.full(101, 1e-5))
    assert found.believed_until(1e-3) == 10 and found.rate(1e-3) is None and not [*found.reasons(1e-3)]


def test_an_error_that_passes_is_no_reason():
    found = course(1e-4 + 0.002 * np.exp(-0.2 * (TIMES - 5) ** 2))
    assert found.believed_until(1e-3) < 5 and not [*found.reasons(1e-3)]


def test_what_is_not_finite_is_not_believed():
    errors = np.full(101, 1e-6)
    errors[60:] = np.nan
    found = course(errors)
    assert found.believed_until(1e-3) == pytest.approx(5.9)
    assert found.summary(1e-3)["error_in_time"][-1] == (10.0, None)


def test_errors_are_those_of_the_time_that_was_reached():
    times = np.repeat(TIMES, 2)
    errors, values = np.where(times <= 4, 2e-3, 1.0)[:, None], np.ones((202, 1))
    found = Course.of(times, errors, values, np.ones(202), (0.0, 4.0, 10.0))
    assert found.solved_until == 4 and np.allclose(found.errors, 2e-3) and len(found.times) == 41


def test_errors_are_relative_to_what_was_before_them():
    wrong = 1e-9 * np.exp(5 * TIMES)[:, None]  # the values follow the error: they are wrong at the end
    found = Course.of(TIMES, wrong, 1 + wrong, np.ones(101), (0.0, 10.0, 10.0))
    assert np.abs(wrong[found.believed_until(1e-3) >= TIMES]).max() < 2e-3
    zero_first = Course.of(TIMES, np.full((101, 1), 1e-9), TIMES[:, None], np.ones(101), (0.0, 10.0, 10.0))
    assert zero_first.believed_until(1e-3) == 10
