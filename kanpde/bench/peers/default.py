"""Measure kanpde with its default settings."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping
from typing import Any

import torch

from kanpde.bench.task import Recorder, Task, search_seconds
from kanpde.files import __version__
from kanpde.problem.problem import Problem
from kanpde.training.trainer import Trainer, solve


class OutOfTime(Exception):
    """Raised to end a training from a callback."""


class Watch:
    """A training callback that measures the error and ends the training when the time is used up.

    `solution` is the one that was measured last. The training's own budget would count the seconds of measuring.
    """

    def __init__(self, recorder: Recorder, method: str) -> None:
        self._recorder, self._method = recorder, method
        self._trainer: Trainer | None = None
        self._measured: int | None = None
        self._excluded = 0.0

    def on_start(self, trainer: Trainer) -> None:
        """Keep the trainer, which returns the current solution."""
        self._trainer = trainer

    def on_iteration(self, record: Mapping[str, Any]) -> None:
        """Measure if that is due and the solution is new; at the end of the time measure in any case."""
        assert self._trainer is not None
        self._exclude(self._trainer)
        version, over = self._trainer.phase.version, self._recorder.over
        if version != self._measured and (over or (version and self._recorder.due)):
            self._measure(self._trainer)
        if over:
            raise OutOfTime

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Write no checkpoint."""

    def on_end(self, trainer: Trainer) -> None:
        """Measure once more, because the training ended before its time."""
        self._exclude(trainer)
        self._measure(trainer)

    def _exclude(self, trainer: Trainer) -> None:
        """Leave out what the trainer has spent on measuring its error for its history."""
        self._recorder.exclude(trainer.measuring - self._excluded)
        self._excluded = trainer.measuring

    def _measure(self, trainer: Trainer) -> None:
        # Asked for before the clock is stopped: what it takes to make a network of what was found counts.
        size, self.solution = trainer.phase.current.size, trainer.solution()
        versions = {"kanpde": __version__, "torch": torch.__version__}
        points = int(trainer.history.get("points", [0])[-1])
        self._recorder.describe(self._method, size, points, **versions)
        self._measured = trainer.phase.version
        self._recorder.measure(self.solution.evaluate)


class FirstStep:
    """A training callback that ends the training after the first iteration."""

    def on_start(self, trainer: Trainer) -> None:
        """Let it begin."""

    def on_iteration(self, record: Mapping[str, Any]) -> None:
        """End the training."""
        raise OutOfTime

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Write no checkpoint."""

    def on_end(self, trainer: Trainer) -> None:
        """Let it end."""


def run(problem: Problem, task: Task, recorder: Recorder) -> None:
    """Train as the command line does, and search for the formula."""
    with contextlib.suppress(OutOfTime):  # a library's first call takes longer than the next
        solve(problem, seed=task.seed, device="cpu", callbacks=[FirstStep()])
    solution = train(problem, task, recorder, "B-spline KAN, default settings", None).solution
    if seconds := search_seconds(problem, task):
        formula = solution.symbolify(budget_seconds=seconds, seed=task.seed)
        recorder.conclude(formula.status, list(formula.expressions.values()), formula.seconds)


def train(problem: Problem, task: Task, recorder: Recorder, method: str, training: Mapping[str, Any] | None) -> Watch:
    """Train with the default settings changed by `training`; return the callback that measured."""
    recorder.start()
    watch = Watch(recorder, method)
    with contextlib.suppress(OutOfTime):
        fresh = copy.copy(problem)  # has no blocks yet
        solve(fresh, seed=task.seed, device="cpu", training=training, callbacks=[watch])
    return watch
