"""kanpde with its default settings."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import torch

import kanpde
from kanpde.bench.task import Recorder, Task
from kanpde.problem import Problem
from kanpde.training import Trainer, solve


class OutOfTime(Exception):
    """Ends a training from within."""


class Watch:
    """A training's callback that measures and, when the time is over, ends it.

    The training's own budget would count the seconds of measuring.
    """

    def __init__(self, recorder: Recorder, method: str) -> None:
        self._recorder, self._method = recorder, method
        self._trainer: Trainer | None = None

    def on_start(self, trainer: Trainer) -> None:
        """Remember whom to ask."""
        self._trainer = trainer

    def on_iteration(self, record: Mapping[str, Any]) -> None:
        """Measure where that is due."""
        assert self._trainer is not None
        self._describe(self._trainer)
        if self._recorder.look(self._trainer.solution().evaluate):
            raise OutOfTime

    def on_checkpoint(self, trainer: Trainer) -> None:
        """Nothing is kept."""

    def on_end(self, trainer: Trainer) -> None:
        """Once more, for it ended before its time."""
        self._describe(trainer)
        self._recorder.measure(trainer.solution().evaluate)

    def _describe(self, trainer: Trainer) -> None:
        points = sum(len(part.points) for part in trainer.residuals.parts)
        versions = {"kanpde": kanpde.__version__, "torch": torch.__version__}
        self._recorder.describe(self._method, trainer.model.size, points, **versions)


def run(problem: Problem, task: Task, recorder: Recorder) -> None:
    """Train as the command line would."""
    train(problem, task, recorder, "B-spline KAN, Gauss–Newton", None)


def train(problem: Problem, task: Task, recorder: Recorder, method: str, training: Mapping[str, Any] | None) -> None:
    """Train with some settings other than the default ones."""
    recorder.start()
    with contextlib.suppress(OutOfTime):
        solve(problem, seed=task.seed, device="cpu", training=training, callbacks=[Watch(recorder, method)])
