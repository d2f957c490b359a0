"""Limits of time: they end what hangs in every thread and leave nothing behind."""

import signal
import threading
import time
import weakref
from contextlib import contextmanager

import pytest
from boxes_of_symbols import hang, x

from kanpde.symbolic import clock
from kanpde.symbolic.clock import TimeLimit, time_limit


@pytest.mark.parametrize("threaded", [False, True])
def test_time_is_limited_in_every_thread(threaded):
    outcomes = []

    def work():
        try:
            with time_limit(0.05):
                hang(x)
        except TimeLimit:
            outcomes.append("cut")
        with time_limit(30):
            outcomes.append("in time")

    if threaded:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(20)
    else:
        work()
    assert outcomes == ["cut", "in time"]


def test_a_limit_that_rings_again_on_the_way_out_is_silenced(monkeypatch):
    """A block may be left slowly, on a busy machine, while the timer rings again."""
    monkeypatch.setattr(clock, "_AGAIN", 2e-5)
    limited = contextmanager(within)
    for _ in range(300):
        with pytest.raises(TimeLimit), limited():
            while True:
                sum(range(50))
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_limit_that_is_over_at_once_cuts_the_block_within_milliseconds():
    """The timer rings while the block is being entered, and soon again."""
    with pytest.raises(TimeLimit), time_limit(0):
        started = time.process_time()
        while time.process_time() - started < 0.2:
            pass
        pytest.fail("the limit did not ring")


def within():
    with time_limit(5e-4):
        yield


def test_a_limit_that_python_drops_is_raised_again_without_a_word(capfd):
    """What is raised in a callback of a weak reference is dropped, and printed otherwise."""

    class Thing:
        pass

    def slow(dead):
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            pass

    with pytest.raises(TimeLimit), time_limit(0.02):
        thing = Thing()
        watcher = weakref.ref(thing, slow)
        del thing
        hang(x)
    assert watcher() is None and capfd.readouterr().err == ""


@pytest.mark.parametrize("threaded", [False, True])
def test_a_limit_leaves_nothing_behind(threaded):
    """Neither where the work ends just when the time is over nor where it catches what is raised in it."""
    done = []

    def work():
        for k in range(60):
            try:
                with time_limit(1e-4 * (k % 20)):
                    sum(range(100 * k))
            except TimeLimit:
                pass
        try:
            with time_limit(0.02):
                try:
                    hang(x)
                except BaseException:
                    hang(x)
        except TimeLimit:
            done.append("cut")
        time.sleep(0.6)
        done.append("quiet")

    if threaded:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)
    else:
        work()
    assert done == ["cut", "quiet"]
