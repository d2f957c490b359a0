"""Computations in other processes: their order, their failures, and their time."""

from __future__ import annotations

import os
import time

import pytest
import torch

from kanpde.symbolic import workers
from kanpde.symbolic.clock import Clock


def computed(item):
    if item == 3:
        raise ValueError
    if item == 5:
        time.sleep(1000)
    return item**2


def test_results_keep_their_order_and_failures_are_none():
    found = list(workers.in_order(computed, range(8), Clock(60), seconds=2.0))
    assert found == [(i, None if i in (3, 5) else i**2) for i in range(8)]


def test_without_processes_it_is_the_same(monkeypatch):
    monkeypatch.setattr(workers, "forks_compute", lambda: False)
    found = list(workers.in_order(computed, range(7), Clock(60), seconds=0.5))
    assert found == [(i, None if i in (3, 5) else i**2) for i in range(7)]


def process(item):
    return os.getpid()


@pytest.mark.parametrize("works", [True, False])
def test_beside_a_card_forks_are_used_if_a_trial_shows_that_they_compute(monkeypatch, works):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(workers, "cores", lambda: 2)
    if not works:
        monkeypatch.setattr(workers.Task, "done", lambda task: task.end() or True)
    workers.forks_compute.cache_clear()
    try:
        assert workers.forks_compute() is works and not workers.forkable()
        if not works:
            assert list(workers.in_order(process, [1], Clock(60), seconds=5.0)) == [(1, os.getpid())]
            return
        ((_, found),) = workers.in_order(process, [1], Clock(60), seconds=5.0)
        assert found != os.getpid()
    finally:
        workers.forks_compute.cache_clear()


def test_the_clock_ends_it_and_a_computation_that_hangs():
    assert list(workers.in_order(computed, [5, 1], Clock(1.0), seconds=1000.0)) == []


def test_the_clock_ends_the_making_of_an_item():
    def items():
        yield 1
        time.sleep(1000)

    assert list(workers.in_order(computed, items(), Clock(1.0), seconds=10.0)) in ([], [(1, 1)])


def test_items_are_made_as_they_are_needed():
    asked = []

    def items():
        for i in (0, 1, 2, 4, 6, 7, *range(8, 1000)):
            asked.append(i)
            yield i

    found = workers.in_order(computed, items(), Clock(60), seconds=10.0)
    assert next(found) == (0, 0)
    found.close()
    assert len(asked) <= 2 + workers.AHEAD * workers.cores()
