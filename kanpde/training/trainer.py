"""The training loop: iterate a phase until it converges, reaches a limit or is interrupted; report and save."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from kanpde.calculus import processes
from kanpde.calculus.devices import one_thread
from kanpde.collocation.comparison import Comparison
from kanpde.collocation.sampling import SamplingOptions
from kanpde.errors import ConfigurationError, Ending, options
from kanpde.marching.audit.audit import Audit
from kanpde.marching.audit.bound import error_bound
from kanpde.marching.audit.judge import audit
from kanpde.network.kan import KAN
from kanpde.network.mlp import MLP
from kanpde.optim.least_squares import Step
from kanpde.problem.problem import Problem
from kanpde.solution import Solution
from kanpde.symbolic.clock import TimeLimit, time_limit
from kanpde.symbolic.options import SymbolicOptions
from kanpde.training.checkpoint import Checkpoint
from kanpde.training.descent import Descent
from kanpde.training.imitation import Imitation
from kanpde.training.interrupts import Interrupts
from kanpde.training.lifted_march import LiftedMarch
from kanpde.training.march_phase import Marching
from kanpde.training.phase import Following, NothingFound, Phase, Stop, TrainingTask
from kanpde.training.second_march import GuidingDescent, SecondMarch, helps
from kanpde.training.settings import Settings, TrainingOptions
from kanpde.training.tensor_train_phase import TensorTrains
from kanpde.training.warm_march import WarmMarch

LATE_SECONDS, LATE_SHARE = 0.5, 0.05  # an iteration may end later than the budget by the larger of these
UNINTERRUPTED_SECONDS = 1.0  # expected time of an iteration that may be too long to be begun
SURE = 0.5  # share of its expected time that an iteration takes at least
CAREFUL = 4.0  # multiple of its expected time that it takes at most; only then need it be undone
RARE = 20.0  # shortest time between checkpoints, and between measurements of the error, in times that one takes
ERROR_SECONDS = 0.5  # shortest time between two measurements of the error on grids of ERROR_RESOLUTION
# Points along each axis, by the number of axes; with more axes those of `Comparison`.
ERROR_RESOLUTION = {1: 501, 2: 65, 3: 17, 4: 9, 5: 6, 6: 4}
KINDS: Mapping[str, type[Descent] | type[Marching] | type[Imitation] | type[TensorTrains]] = {
    "descent": Descent,
    "marching": Marching,
    "warm_march": WarmMarch,
    "imitation": Imitation,
    "tensor_trains": TensorTrains,
    "guiding_descent": GuidingDescent,
    "lifted_march": LiftedMarch,
    "second_march": SecondMarch,
}
# The settings that end a training before it has converged.
LIMITS = {Ending.BUDGET: "training.budget_seconds", Ending.LIMIT: "training.max_iterations"}


def copied(phase: Phase) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return a copy of a phase's state, which later iterations do not change."""
    tensors, numbers = phase.state()
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}, copy.deepcopy(numbers)


@contextmanager
def limited(seconds: float | None) -> Iterator[None]:
    """Raise TimeLimit in the block after `seconds`, if given; torch then differentiates as before the block."""
    enabled = torch.is_grad_enabled()
    # One of several processes cannot stop within a step, because the others wait for its sums.
    try:
        with nullcontext() if seconds is None or processes.count() > 1 else time_limit(seconds):
            yield
    finally:
        torch.set_grad_enabled(enabled)


def asked(interrupts: Interrupts) -> bool:
    """Return True if Ctrl-C was pressed, in any of the processes that train together."""
    return processes.anywhere(interrupts.asked)


class Callback(Protocol):
    """An observer of a training."""

    def on_start(self, trainer: Trainer, /) -> None:
        """Called before the first iteration."""

    def on_iteration(self, record: Mapping[str, Any], /) -> None:
        """Called after each iteration; `record` is its row of the history."""

    def on_checkpoint(self, trainer: Trainer, /) -> None:
        """Called if a checkpoint is due; ``trainer.state()`` returns it."""

    def on_end(self, trainer: Trainer, /) -> None:
        """Called after the last iteration, however the training ended."""


class Trainer:
    """One training; its next step depends only on its `checkpoint`."""

    kinds: Mapping[str, Any] = KINDS  # the phases that a checkpoint can have

    def __init__(self, problem: Problem, settings: Settings) -> None:
        self.problem, self.settings = problem, settings
        self.task = TrainingTask.of(problem, settings)
        self.phase: Phase = self._first_phase()
        self.callbacks: Sequence[Callback] = ()
        self.iteration, self.seconds = 0, 0.0
        self.history: dict[str, list[Any]] = {}
        self.stop: Stop | None = None
        self._error, self._error_known_at, self._error_of = math.nan, -math.inf, 0
        self._proof_of = 0
        started = time.monotonic()
        # Made before training, because a reference that cannot be evaluated is found by it.
        self._comparison = Comparison(problem, ERROR_RESOLUTION.get(problem.domain.dimension))
        self.measuring = time.monotonic() - started  # seconds spent on measuring the error, and on preparing that
        self._last_seconds = 0.0  # seconds of the last iteration
        self._checkpoint_took = self._error_took = 0.0  # seconds of the last checkpoint, and measurement of the error

    def _first_phase(self) -> Phase:
        """Return the phase that begins the training.

        It is a march if it can solve the problem: for its own sake if the network is open, else for a warm start. In
        many coordinates it is a search for a tensor train. For other problems it is a descent.
        """
        network = self.settings.network
        if isinstance(network, KAN) and TensorTrains.fits(self.task, network):
            return TensorTrains(self.task, network)
        if isinstance(network, KAN) and Marching.fits(self.task, network):
            return Marching(self.task, network)
        if self.problem.partition is not None:
            raise ConfigurationError(
                "expected default settings of network, sampling and training.stages on a domain with parts, which "
                "splines alone solve; leave out those that choose a network, its points or its optimisers"
            )
        return (WarmMarch if WarmMarch.fits(self.task, network) else Descent)(self.task, network)

    @one_thread()
    def run(self, callbacks: Sequence[Callback] = ()) -> Solution:
        """Train until the end, or until the end of the iteration in which Ctrl-C is pressed; return the solution.

        A second Ctrl-C raises KeyboardInterrupt.
        """
        self.callbacks = callbacks
        outcome: Step | Stop | None = None
        with Interrupts() as interrupts:
            cut = self._begin()
            for callback in callbacks:
                callback.on_start(self)
            started = self._checkpointed = time.monotonic()
            before = self.seconds
            try:
                while not asked(interrupts) and not isinstance(outcome := cut or self._advance(), Stop):
                    self.iteration += 1
                    (self.seconds,) = processes.same([before + time.monotonic() - started])
                    self._report(outcome.loss)
            except KeyboardInterrupt:
                if interrupts.insisted:
                    raise
        self.stop = outcome if isinstance(outcome, Stop) and not asked(interrupts) else Stop(Ending.INTERRUPTED)
        if self.history and self.phase.version != self._error_of:
            self.history["error"][-1] = self._measured_error()
        for callback in callbacks:
            callback.on_end(self)
        solution = self.solution()
        if processes.rank() == 0:
            solution.audited = self._audit(solution)
        return solution

    def _begin(self) -> Stop | None:
        """Prepare the first iteration; return the end of the training if that alone takes longer than the budget."""
        try:
            with limited(self._left):
                self.phase.begin()
        except TimeLimit:
            return Stop(Ending.BUDGET, self.settings.training.budget_seconds)
        return None

    @property
    def _left(self) -> float | None:
        """The seconds after which the present iteration ends much later than the budget; None without a budget."""
        budget = self.settings.training.budget_seconds
        return None if budget is None else budget - self.seconds + max(LATE_SECONDS, LATE_SHARE * budget)

    def _audit(self, solution: Solution) -> Audit:
        assert self.stop is not None
        return audit(
            self.problem,
            solution.model,
            parts=self.phase.parts(),
            target=self.settings.training.target,
            wanted_bound=self.settings.training.bound,
            diverged=self.stop.ending is Ending.DIVERGED,
            cut_by=LIMITS.get(self.stop.ending, ""),
            residual=solution.estimate,
            memory=self.task.room.free,
        )

    @property
    def memory(self) -> str:
        """The line that states the memory of the training."""
        return self.task.room.stated(self.phase.memory)

    def solution(self) -> Solution:
        """Return the solution found so far."""
        record = {
            "seed": self.settings.seed,
            "iterations": self.iteration,
            "seconds": self.seconds,
            "stopped_because": "not started" if self.stop is None else str(self.stop),
            "estimate": self.phase.estimate if math.isfinite(self.phase.estimate) else None,
        }
        found = Solution(self.problem, self.phase.current, self.history, record)
        found.memory = self.task.room.free
        return found

    def _advance(self) -> Step | Stop:
        """Take one iteration, or return how the training ended; a descent follows a march that found no solution."""
        outcome = self._limit() or self._step_in_budget()
        while isinstance(outcome, (NothingFound, Following)):
            follows = outcome.phase if isinstance(outcome, Following) else None
            self.phase = follows or self._next_phase()
            outcome = self._begin() or self._step_in_budget()
        return Stop(Ending.DIVERGED) if isinstance(outcome, Stop) and not self.phase.finite else outcome

    def _next_phase(self) -> Phase:
        """Return the phase after one that found nothing: another march if one can help, else a descent."""
        network = self.settings.network
        if isinstance(self.phase, TensorTrains) and isinstance(network, KAN) and Marching.fits(self.task, network):
            return Marching(self.task, network)
        if isinstance(self.phase, LiftedMarch):
            return GuidingDescent(self.task, network)
        if isinstance(self.phase, Marching) and isinstance(network, KAN) and helps(self.phase):
            return LiftedMarch(self.task, network)
        return Descent(self.task, network)

    def _step_in_budget(self) -> Step | Stop | NothingFound | Following:
        """Take one iteration; undo it if it would end much later than the budget.

        The iteration is not begun if it is expected to take much longer than what is left, because a factorisation of a
        large matrix cannot be interrupted.
        """
        budget, left, started = self.settings.training.budget_seconds, self._left, time.monotonic()
        if left is None:
            return self.phase.advance()
        expected = self._expected_seconds(left)
        if expected > UNINTERRUPTED_SECONDS and SURE * expected > left:
            return Stop(Ending.BUDGET, budget)
        before = copied(self.phase) if CAREFUL * expected > left or not self._last_seconds else None
        try:
            with limited(left):
                return self.phase.advance()
        except TimeLimit:
            if before is not None:
                self.phase = self.kinds[before[1]["kind"]].restored(self.task, *before)
                self.phase.begin()
            return Stop(Ending.BUDGET, budget)
        finally:
            self._last_seconds = time.monotonic() - started

    def _expected_seconds(self, left: float) -> float:
        """Return the seconds that the next iteration may take; infinite if even its size is not known in time."""
        try:
            with limited(left):
                return self._last_seconds * self.phase.growth
        except TimeLimit:
            return math.inf

    def _limit(self) -> Stop | None:
        """Return the end of the training if a limit or the target is reached, else None."""
        options = self.settings.training
        budget, most, target = options.budget_seconds, options.max_iterations, options.target
        if budget is not None and self.seconds >= budget:
            return Stop(Ending.BUDGET, budget)
        if most is not None and self.iteration >= most:
            return Stop(Ending.LIMIT, most)
        if target is not None and self.phase.estimate <= target and self.phase.confirms(target):
            return Stop(Ending.TARGET, target)
        bound = options.bound
        return Stop(Ending.BOUND, bound) if bound is not None and self._proved(bound) else None

    def _proved(self, bound: float) -> bool:
        """Return whether the error of the present solution is proved to be small; each solution is looked at once."""
        if self.phase.version == self._proof_of or not math.isfinite(self.phase.estimate):
            return False
        self._proof_of = self.phase.version
        found, _ = error_bound(self.problem, self.phase.current, memory=self.task.room.free)
        return found is not None and found <= bound

    def _report(self, loss: float) -> None:
        now = time.monotonic()
        every = max(ERROR_SECONDS, RARE * self._error_took)
        if self.phase.version != self._error_of and now - self._error_known_at >= every:
            self._error, self._error_known_at, self._error_of = self._measured_error(), now, self.phase.version
            self._error_took = time.monotonic() - now
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
        every = self.settings.training.checkpoint_seconds
        if now - self._checkpointed >= (every and max(every, RARE * self._checkpoint_took)):
            for callback in self.callbacks:
                callback.on_checkpoint(self)
            self._checkpointed = time.monotonic()
            self._checkpoint_took = self._checkpointed - now

    def _measured_error(self) -> float:
        solution, started = self.solution(), time.monotonic()
        error = solution.relative_l2(self._comparison)
        self.measuring += time.monotonic() - started
        return math.nan if error is None else error

    def checkpoint(self) -> Checkpoint:
        """Return the checkpoint of the present iteration, for `restored`."""
        tensors, phase = self.phase.state()
        generator = self.task.generator.bit_generator.state
        return Checkpoint(self.settings, self.iteration, self.seconds, self.history, generator, tensors, phase)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the checkpoint as tensors and JSON for a file."""
        return self.checkpoint().to_tensors_and_json(self.problem)

    @classmethod
    def restored(cls, checkpoint: Checkpoint, problem: Problem, settings: Settings) -> Trainer:
        """Return the training of a checkpoint, to be continued with `settings`."""
        trainer = cls(problem, settings)
        trainer.phase = cls.kinds[checkpoint.phase["kind"]].restored(trainer.task, checkpoint.tensors, checkpoint.phase)
        trainer.iteration, trainer.seconds = checkpoint.iteration, checkpoint.seconds
        trainer.history = dict(checkpoint.history)
        trainer.task.generator.bit_generator.state = dict(checkpoint.generator)
        return trainer


def solve(
    problem: Problem,
    network: KAN | MLP | None = None,
    *,
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float64",
    training: Mapping[str, Any] | TrainingOptions | None = None,
    sampling: Mapping[str, Any] | SamplingOptions | None = None,
    callbacks: Sequence[Callback] = (),
) -> Solution:
    """Solve a problem, that is, minimise Σ_b ‖r_b‖² over its equations and conditions; return the solution.

    `network` sets the sizes and, if it is built, the initial parameters; it is not changed. `training` and `sampling`
    are the settings of these groups by name. Ctrl-C ends the training, not the program, after the present iteration:
    the solution so far is returned, and its ``stopped_because`` begins with "interrupted". A second Ctrl-C raises
    KeyboardInterrupt at once.

    Raises ProblemError if the problem is not valid and ConfigurationError if the settings are not.
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
    """Continue exactly from the checkpoint at `path`, with changes to the settings `training`; return the solution.

    Raises KanpdeError if the file is not a checkpoint and ConfigurationError if it belongs to another problem.
    """
    checkpoint = Checkpoint.read(path, problem)
    settings = checkpoint.settings.with_training(training or {})
    return Trainer.restored(checkpoint, problem, settings).run(callbacks)
