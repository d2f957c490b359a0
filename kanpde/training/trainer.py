"""A training: a phase's iterations, watched and written down, until converged, out of budget or interrupted."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from kanpde.collocation.comparison import Comparison
from kanpde.collocation.sampling import SamplingOptions
from kanpde.device import one_thread
from kanpde.errors import Ending
from kanpde.network.kan import KAN
from kanpde.optim.least_squares import Step
from kanpde.options import options
from kanpde.problem.problem import Problem
from kanpde.solution import Solution
from kanpde.symbolic.options import SymbolicOptions
from kanpde.training.checkpoint import Checkpoint
from kanpde.training.descent import Descent
from kanpde.training.interrupts import Interrupts
from kanpde.training.march_phase import Marching
from kanpde.training.phase import NothingFound, Phase, Stop, TrainingTask
from kanpde.training.settings import Settings, TrainingOptions

ERROR_SECONDS = 0.5  # least time between two measurements of the error
ERROR_RESOLUTION = {1: 501, 2: 65, 3: 17, 4: 9, 5: 6, 6: 4}
KINDS: Mapping[str, type[Descent] | type[Marching]] = {"descent": Descent, "marching": Marching}


class Callback(Protocol):
    """Something that watches a training."""

    def on_start(self, trainer: Trainer, /) -> None:
        """Training is about to start."""

    def on_iteration(self, record: Mapping[str, Any], /) -> None:
        """An iteration is done; `record` is its row of the history."""

    def on_checkpoint(self, trainer: Trainer, /) -> None:
        """It is time to keep ``trainer.state()``."""

    def on_end(self, trainer: Trainer, /) -> None:
        """Training has ended, whatever the reason."""


class Trainer:
    """One training. All that its next step depends on is in its `checkpoint`."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        self.problem, self.settings = problem, settings
        self.task = TrainingTask.of(problem, settings)
        self.phase: Phase = (Marching if Marching.fits(self.task, settings.network) else Descent)(
            self.task, settings.network
        )
        self.callbacks: Sequence[Callback] = ()
        self.iteration, self.seconds = 0, 0.0
        self.history: dict[str, list[Any]] = {}
        self.stop: Stop | None = None
        self._error, self._error_known_at, self._error_of = math.nan, -math.inf, 0
        self._comparison: Comparison | None = None

    @one_thread()
    def run(self, callbacks: Sequence[Callback] = ()) -> Solution:
        """Train to the end, or to the iteration in which Ctrl-C comes, and return the solution."""
        self.callbacks = callbacks
        outcome: Step | Stop | None = None
        with Interrupts() as interrupts:
            self.phase.begin()
            for callback in callbacks:
                callback.on_start(self)
            started = self._checkpointed = time.monotonic()
            before = self.seconds
            try:
                while not interrupts.asked and not isinstance(outcome := self._advance(), Stop):
                    self.iteration += 1
                    self.seconds = before + time.monotonic() - started
                    self._report(outcome.loss)
            except KeyboardInterrupt:
                if interrupts.insisted:
                    raise
        self.stop = outcome if isinstance(outcome, Stop) and not interrupts.asked else Stop(Ending.INTERRUPTED)
        for callback in callbacks:
            callback.on_end(self)
        return self.solution()

    def solution(self) -> Solution:
        """Return the solution found so far."""
        record = {
            "seed": self.settings.seed,
            "iterations": self.iteration,
            "seconds": self.seconds,
            "stopped_because": "not started" if self.stop is None else str(self.stop),
            "estimate": self.phase.estimate if math.isfinite(self.phase.estimate) else None,
        }
        return Solution(self.problem, self.phase.current, self.history, record)

    def _advance(self) -> Step | Stop:
        """Carry out one iteration, or return why there is none; a phase that found nothing gives way to a descent."""
        outcome = self._limit() or self.phase.advance()
        if isinstance(outcome, NothingFound):
            self.phase = Descent(self.task, self.settings.network)
            self.phase.begin()
            outcome = self.phase.advance()
        return Stop(Ending.DIVERGED) if isinstance(outcome, Stop) and not self.phase.finite else outcome

    def _limit(self) -> Stop | None:
        """Return the limit of the settings that has been reached, if any."""
        budget, target = self.settings.training.budget_seconds, self.settings.training.target
        if budget is not None and self.seconds >= budget:
            return Stop(Ending.BUDGET, budget)
        if target is not None and self.phase.estimate <= target and self.phase.confirmed(target):
            return Stop(Ending.TARGET, target)
        return None

    def _report(self, loss: float) -> None:
        now = time.monotonic()
        if self.phase.version != self._error_of and now - self._error_known_at >= ERROR_SECONDS:
            self._error, self._error_known_at, self._error_of = self._measured_error(), now, self.phase.version
        record = {
            "iteration": self.iteration,
            "seconds": self.seconds,
            "loss": loss,
            "error": self._error,
            **self.phase.columns(),
        }
        for name, value in record.items():
            self.history.setdefault(name, []).append(value)
        for callback in self.callbacks:
            callback.on_iteration(record)
        if now - self._checkpointed >= self.settings.training.checkpoint_seconds:
            self._checkpointed = now
            for callback in self.callbacks:
                callback.on_checkpoint(self)

    def _measured_error(self) -> float:
        if self._comparison is None:
            self._comparison = Comparison(self.problem, ERROR_RESOLUTION[self.problem.domain.dimension])
        error = self.solution().relative_l2(self._comparison)
        return math.nan if error is None else error

    def checkpoint(self) -> Checkpoint:
        """Return all that `restored` needs."""
        tensors, phase = self.phase.state()
        generator = self.task.generator.bit_generator.state
        return Checkpoint(self.settings, self.iteration, self.seconds, self.history, generator, tensors, phase)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the checkpoint as tensors and JSON for a file."""
        return self.checkpoint().written(self.problem)

    @classmethod
    def restored(cls, checkpoint: Checkpoint, problem: Problem, settings: Settings) -> Trainer:
        """Return the training of a checkpoint, to go on under `settings`."""
        trainer = cls(problem, settings)
        kind = KINDS[checkpoint.phase["kind"]]
        trainer.phase = kind.restored(trainer.task, checkpoint.tensors, checkpoint.phase)
        trainer.iteration, trainer.seconds = checkpoint.iteration, checkpoint.seconds
        trainer.history = dict(checkpoint.history)
        trainer.task.generator.bit_generator.state = dict(checkpoint.generator)
        return trainer


def solve(
    problem: Problem,
    network: KAN | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float64",
    training: Mapping[str, Any] | TrainingOptions | None = None,
    sampling: Mapping[str, Any] | SamplingOptions | None = None,
    callbacks: Sequence[Callback] = (),
) -> Solution:
    """Solve a problem and return the solution.

    `network` gives the sizes, or, if it has been built before, also the start; it is left as it is. `training` and
    `sampling` are the settings of those groups by name. Ctrl-C ends the training after the iteration under way, not the
    program: the solution so far is returned, with ``stopped_because`` beginning with "interrupted". A second one raises
    KeyboardInterrupt at once.

    Raises ProblemError for a problem that is not well written and ConfigurationError for settings that cannot be.
    """
    settings = Settings(
        network=KAN() if network is None else network,
        training=options(TrainingOptions, "training", training),
        sampling=options(SamplingOptions, "sampling", sampling),
        symbolic=SymbolicOptions(enabled=False),
        seed=seed,
        device=device,
        dtype=dtype,
    )
    return Trainer(problem, settings).run(callbacks)


def resume(
    path: str | Path,
    problem: Problem,
    *,
    callbacks: Sequence[Callback] = (),
    training: Mapping[str, Any] | None = None,
) -> Solution:
    """Go on exactly where the checkpoint at `path` was made; `training` changes settings, such as the budget.

    Raises KanpdeError for a file that is not a checkpoint and ConfigurationError for one of another problem.
    """
    checkpoint = Checkpoint.read(path, problem)
    settings = checkpoint.settings.with_training(training or {})
    return Trainer.restored(checkpoint, problem, settings).run(callbacks)
