"""A training: a phase's iterations, watched and written down, until nothing is left to gain or somebody says stop."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from kanpde import files
from kanpde.collocation.affine import is_affine
from kanpde.collocation.comparison import Comparison
from kanpde.collocation.sampling import SamplingOptions
from kanpde.device import torch_device, torch_dtype
from kanpde.errors import ConfigurationError
from kanpde.network.kan import KAN
from kanpde.options import TrainingOptions, options
from kanpde.problem.problem import Problem
from kanpde.solution import Solution, check_saved, described
from kanpde.training.descent import Descent
from kanpde.training.interrupts import Interrupts
from kanpde.training.march_phase import Marching
from kanpde.training.phase import DIVERGED, NO_WAY, Phase, Setting

INTERRUPTED = "interrupted by Ctrl-C"
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
    """One training. All that its next step depends on is in `state`."""

    def __init__(
        self,
        problem: Problem,
        network: KAN,
        *,
        seed: int,
        device: str,
        dtype: str,
        training: TrainingOptions,
        sampling: SamplingOptions,
        callbacks: Sequence[Callback] = (),
        phase: Phase | None = None,
    ) -> None:
        """`phase` is one to go on with; without it training begins with the one that fits."""
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ConfigurationError(f"expected seed to be a whole number of at least 0, got {seed!r}")
        if not isinstance(problem, Problem):
            raise ConfigurationError(f"expected a problem such as load_problem('heat'), got {problem!r}")
        if not isinstance(network, KAN):
            raise ConfigurationError(f"expected a network such as KAN(width=[5, 5]), got {network!r}")
        self.problem, self.options, self.callbacks = problem, training, callbacks
        self.network, self.seed, self.device, self.dtype = network, seed, device, dtype
        affine = all(is_affine(block, problem) for block in problem.blocks())
        where, precision = torch_device(device), torch_dtype(dtype)
        self.setting = Setting(problem, affine, training, sampling, where, precision, np.random.default_rng(seed))
        self.phase: Phase = phase or (Marching if Marching.fits(self.setting, network) else Descent)(
            self.setting, network
        )
        self.iteration, self.seconds = 0, 0.0
        self.history: dict[str, list[Any]] = {}
        self.stopped_because = "not started"
        self._error, self._error_known_at, self._error_of = math.nan, -math.inf, 0
        self._comparison: Comparison | None = None

    def run(self) -> Solution:
        """Train to the end, or to the iteration in which Ctrl-C comes, and return the solution."""
        reason: str | None = None
        with Interrupts() as interrupts:
            self.phase.begin()
            for callback in self.callbacks:
                callback.on_start(self)
            started = self._checkpointed = time.monotonic()
            before = self.seconds
            try:
                while not interrupts.asked and (reason := self._finished()) is None:
                    loss = self.phase.iterate().loss
                    self.iteration += 1
                    self.seconds = before + time.monotonic() - started
                    self._report(loss)
            except KeyboardInterrupt:
                if interrupts.insisted:
                    raise
        self.stopped_because = INTERRUPTED if reason is None or interrupts.asked else reason
        for callback in self.callbacks:
            callback.on_end(self)
        return self.solution()

    def solution(self) -> Solution:
        """What has been found so far."""
        record = {
            "seed": self.seed,
            "iterations": self.iteration,
            "seconds": self.seconds,
            "stopped_because": self.stopped_because,
            "estimate": self.phase.estimate if math.isfinite(self.phase.estimate) else None,
        }
        return Solution(self.problem, self.phase.current, self.history, record)

    def _finished(self) -> str | None:
        """Why to stop, or None. A phase that has no way on gives way to a descent."""
        reason = self._limit() or self.phase.end()
        if reason == NO_WAY:
            self.phase = Descent(self.setting, self.network)
            self.phase.begin()
            return None
        return reason if reason is None or self.phase.finite else DIVERGED

    def _limit(self) -> str | None:
        budget, target = self.options.budget_seconds, self.options.target
        if budget is not None and self.seconds >= budget:
            return f"budget: {budget:g} seconds are over"
        if target is not None and self.phase.estimate <= target and self.phase.confirmed(target):
            return f"target: the estimated relative error is at most {target:g}"
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
        if now - self._checkpointed >= self.options.checkpoint_seconds:
            self._checkpointed = now
            for callback in self.callbacks:
                callback.on_checkpoint(self)

    def _measured_error(self) -> float:
        if self._comparison is None:
            self._comparison = Comparison(self.problem, ERROR_RESOLUTION[self.problem.domain.dimension])
        error = self.solution().relative_l2(self._comparison)
        return math.nan if error is None else error

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON from which `restored` makes a trainer that takes the same next step."""
        tensors, phase = self.phase.state()
        return {f"phase.{name}": value for name, value in tensors.items()}, {
            "checkpoint": {name: getattr(self, name) for name in COUNTERS},
            "phase": phase,
            "problem": described(self.problem),
            "network": self.network.settings(),
            "training": asdict(self.options),
            "sampling": asdict(self.setting.sampling),
            "generator": self.setting.generator.bit_generator.state,
        }

    @classmethod
    def restored(
        cls, path: str | Path, problem: Problem, *, callbacks: Sequence[Callback], training: Mapping[str, Any] | None
    ) -> Trainer:
        """The trainer whose `state` was written to `path`."""
        tensors, numbers = files.read(path)
        counters = numbers.get("checkpoint")
        if counters is None or numbers["problem"]["name"] != problem.name:
            raise ConfigurationError(
                f"expected a checkpoint of {problem.name} at {path}, got another file; give a run's folder"
            )
        check_saved(path, numbers["problem"], described(problem))
        trainer = cls(
            problem,
            KAN(**numbers["network"]),
            seed=counters["seed"],
            device=counters["device"],
            dtype=counters["dtype"],
            training=options(TrainingOptions, "training", {**numbers["training"], **(training or {})}),
            sampling=options(SamplingOptions, "sampling", numbers["sampling"]),
            callbacks=callbacks,
        )
        phase = numbers["phase"]
        trainer.phase = KINDS[phase["kind"]].restored(trainer.setting, files.below("phase.", tensors), phase)
        for name in COUNTERS:
            setattr(trainer, name, counters[name])
        trainer.setting.generator.bit_generator.state = numbers["generator"]
        return trainer


# The attributes that a checkpoint writes down as they are.
COUNTERS = ("seed", "device", "dtype", "iteration", "seconds", "history")


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
    """Solve a problem and return what was found.

    `network` gives the sizes, or, if it has been built before, also the start; it is left as it is. `training` and
    `sampling` are the settings of those groups by name. Ctrl-C ends the training after the iteration under way, not the
    program: the solution so far is returned, with ``stopped_because`` beginning with "interrupted". A second one raises
    KeyboardInterrupt at once.

    Raises ProblemError for a problem that is not well written and ConfigurationError for settings that cannot be.
    """
    trainer = Trainer(
        problem,
        KAN() if network is None else network,
        seed=seed,
        device=device,
        dtype=dtype,
        training=options(TrainingOptions, "training", training),
        sampling=options(SamplingOptions, "sampling", sampling),
        callbacks=callbacks,
    )
    return trainer.run()


def resume(
    path: str | Path,
    problem: Problem,
    *,
    callbacks: Sequence[Callback] = (),
    training: Mapping[str, Any] | None = None,
) -> Solution:
    """Go on exactly where the checkpoint at `path` was made; `training` changes settings, such as the budget.

    Raises KanpdeError for a file that is no checkpoint and ConfigurationError for one of another problem.
    """
    return Trainer.restored(path, problem, callbacks=callbacks, training=training).run()
