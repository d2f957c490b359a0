"""Parallel computations, each in its own process that is killed if it exceeds its time limit."""

from __future__ import annotations

import contextlib
import functools
import itertools
import multiprocessing
import os
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

import torch

from kanpde.calculus import forward_mode
from kanpde.symbolic.clock import Clock, TimeLimit, time_limit

Item = TypeVar("Item")
Result = TypeVar("Result")

# The largest number of tasks per core whose results are not yielded yet.
AHEAD = 4
# The longest wait for the first result, in seconds, before the next item is requested, which may take much longer.
FIRST = 0.5
# Of the computation that shows whether a fork can compute.
TRIAL_SECONDS = 5.0


def cores() -> int:
    """Return the number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def forkable() -> bool:
    """Return True if a fork of this process can compute anything: only on Linux, and only where there is no card."""
    return sys.platform.startswith("linux") and not torch.cuda.is_available()


@functools.cache
def forks_compute() -> bool:
    """Return True if forks can compute with tensors of the processor; where there is a card, a fork has to show it.

    A fork must not use the card then, and the searches here do not: they sample a solution once, in this process.
    """
    if forkable() or not sys.platform.startswith("linux"):
        return forkable()
    forward_mode.load()
    trial: Task[float, float] = Task(_trial, 3.0, TRIAL_SECONDS)
    while not trial.done():
        wait([trial.receiver], timeout=TRIAL_SECONDS)
    return trial.result == _trial(3.0)


def _trial(number: float) -> float:
    """Return a sum, a determinant and a derivative, which libraries with locks and threads compute."""
    matrix = number * torch.eye(8, dtype=torch.float64)
    slope = forward_mode.partial(lambda x: x[..., 0] ** 2, matrix, [0])
    return float(matrix.sum() + torch.linalg.det(matrix) + slope.sum())


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], clock: Clock, seconds: float
) -> Iterator[tuple[Item, Result | None]]:
    """Yield (item, function(item)) in the order of the items, which are requested lazily.

    The result is None if the computation raises or takes longer than `seconds`. The iteration ends with the clock, even
    during the generation of an item.
    """
    source = _until(iter(items), clock)
    if cores() == 1 or not forks_compute():
        for item in source:
            yield item, _limited(function, item, min(seconds, clock.left))
        return
    running: deque[Task[Item, Result]] = deque()
    first = True
    try:
        while clock.left:
            busy = sum(not task.done() for task in running)
            if busy < cores() and len(running) < AHEAD * cores():
                for item in itertools.islice(source, 1):
                    running.append(Task(function, item, seconds))
                    if first:
                        wait([running[0].receiver], timeout=min(FIRST, clock.left))
                        first = False
                    break
                else:
                    if not running:
                        return
                    wait_for(running, clock)
            else:
                wait_for(running, clock)
            while running and running[0].done():
                task = running.popleft()
                yield task.item, task.result
    finally:
        for task in running:
            task.end()


def _until(items: Iterator[Item], clock: Clock) -> Iterator[Item]:
    """Yield the items that are generated before the clock ends."""
    with contextlib.suppress(StopIteration, TimeLimit):
        while clock.left:
            with time_limit(clock.left):
                item = next(items)
            yield item


def wait_for(running: Iterable[Task[Any, Any]], clock: Clock) -> None:
    """Wait until one of the computations has a result or reaches its deadline, or the clock ends."""
    busy = [task for task in running if not task.done()]
    if busy:
        soonest = min(task.deadline for task in busy) - time.monotonic()
        wait([task.receiver for task in busy], timeout=max(0.0, min(soonest, clock.left)))


def _limited(function: Callable[[Item], Result], item: Item, seconds: float) -> Result | None:
    """Return function(item) computed in this process, or None if it raises or exceeds the time limit."""
    try:
        with time_limit(seconds):
            return function(item)
    except (Exception, TimeLimit):
        return None


class Task(Generic[Item, Result]):
    """One computation in a fork of this process, which inherits its inputs without serialisation.

    `result` is None before `done`, and after it if the computation raised, died or took longer than `seconds`.
    """

    def __init__(self, function: Callable[[Item], Result], item: Item, seconds: float) -> None:
        self.item = item
        self.result: Result | None = None
        self.deadline = time.monotonic() + seconds
        context = multiprocessing.get_context("fork")
        self.receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_compute, args=(function, item, sender), daemon=True)
        with warnings.catch_warnings():
            # Python warns about a fork of a process with threads, but the child uses no threads of torch.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        sender.close()
        self._over = False

    def done(self) -> bool:
        """Receive the result if it is ready; return True if the task has ended."""
        if not self._over and self.receiver.poll():
            with contextlib.suppress(EOFError):
                self.result = self.receiver.recv()
            self.end()
        elif not self._over and time.monotonic() > self.deadline:
            self.end()
        return self._over

    def end(self) -> None:
        """Kill the process if it still runs, and release its resources."""
        if not self._over:
            self._over = True
            self._process.kill()
            self._process.join()
            self._process.close()
            self.receiver.close()


def _compute(function: Callable[[Any], Any], item: Any, sender: Connection) -> None:
    torch.set_num_threads(1)
    if not forkable():
        forward_mode.lose_engine()
    with contextlib.suppress(Exception, KeyboardInterrupt):
        sender.send(function(item))
