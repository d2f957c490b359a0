"""The phase of a training on data: widths from narrow to wide by Gauss–Newton, or the stages that a user has given."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from kanpde.errors import ConfigurationError, Ending
from kanpde.files import below
from kanpde.marching.audit.parts import Part
from kanpde.network.kan import KAN
from kanpde.network.mlp import MLP
from kanpde.network.trial_function import Model
from kanpde.optim.least_squares import Step
from kanpde.problem.lift import Ansatz
from kanpde.problem.regression import Regression
from kanpde.training.fitting.attempt import Attempt, Best
from kanpde.training.fitting.epochs import Epochs
from kanpde.training.fitting.ladder import Width, rungs, widened
from kanpde.training.fitting.options import FitOptions
from kanpde.training.fitting.samples import require_precision
from kanpde.training.phase import Stop, TrainingTask, copy_of_built
from kanpde.training.schedule import Schedule, Stage

DEGREE, INTERVALS = 5, 5  # of a network whose sizes are not given
MARGIN = 0.02  # of its knots beyond the samples, as a share of their range, because new samples lie a little beyond
MOST_DENSE, MOST_ENTRIES = 2000, 2e8  # parameters, and entries of a Jacobian, up to which Gauss–Newton is the default
LARGE = Stage("adam", iterations=500, learning_rate=5e-3)  # the default for larger ones and for batches
BETTER = 0.8  # share of the best score that a wider network must reach to count as better
FAILURES = 2  # wider networks in a row that are no better and end the search for the width
MOST_PER_VALUE = 1.5  # parameters for each value above which no wider network is tried
ENOUGH = 1e-14  # score at which no wider network is tried

COURSE = ("iteration", "failures", "built", "climbs", "rungs", "width", "restarted")  # what a checkpoint has of a fit


class Fitting:
    """The training of a network on data; `best` is the best network that it has found."""

    def __init__(self, task: TrainingTask, network: KAN | MLP) -> None:
        assert isinstance(task.problem, Regression)
        assert isinstance(task.settings.training, FitOptions)
        self.task, self.problem, self.options = task, task.problem, task.settings.training
        require_precision(self.problem, task.dtype)
        self.network, self.built = network, network.built
        self.best = Best()
        self.iteration, self.failures, self._damping = 0, 0, math.nan
        if isinstance(network, KAN) and network.width is None and isinstance(network.intervals, (list, tuple)):
            raise ConfigurationError(
                f"expected network.width beside a list of intervals, got {network.intervals!r} alone; give both, or "
                "one number of intervals"
            )
        whole = self._fresh(self._width)
        rows = len(self.problem.points) * len(self.problem.fields)
        small = whole.size <= MOST_DENSE and whole.size * rows <= MOST_ENTRIES and whole.vector.dtype.itemsize == 8
        small = small and self.options.batch_size is None
        self.climbs = self.options.stages is None and small and isinstance(network, KAN) and not network.built
        self.schedule = Schedule(self.options.stages or ((Stage("gauss_newton") if small else LARGE),))
        self.rungs = rungs(self._width, self.problem.domain.dimension) if self.climbs else []
        self.width, self.restarted = self.rungs.pop(0) if self.climbs else None, False
        self.work: Attempt | Epochs = self._work(self._fresh(self.width) if self.climbs else whole)

    # The phase --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Prepare nothing."""

    def advance(self) -> Step | Stop:
        """Take one step, of the next network or stage if the present one is finished; return how the training ended."""
        while (step := self.work.advance()) is None:
            if isinstance(following := self._next(), Stop):
                return following
            self.work = following
        self.iteration += 1
        self._damping = step.damping
        return step

    @property
    def growth(self) -> float:
        """1, because the cost of the next iteration is not known."""
        return 1.0

    @property
    def memory(self) -> float:
        """Nothing, because the memory of a fit is not limited."""
        return 0.0

    @property
    def finite(self) -> bool:
        """True if all parameters of the present network are finite."""
        return bool(torch.isfinite(self.work.vector).all())

    @property
    def version(self) -> int:
        """The number of iterations."""
        return self.iteration

    @property
    def estimate(self) -> float:
        """The root of the best score, the error relative to the spread of the values; infinite before the first.

        It is infinite too if the score is the error at the training's own points, which says nothing about others.
        """
        return math.sqrt(self._leader.score) if self._measured else math.inf

    @property
    def _measured(self) -> bool:
        """True if the score estimates the error at points that the training does not see."""
        return self.problem.has_held_out or isinstance(self.work, Attempt)

    def confirms(self, target: float) -> bool:
        """Return True, because the score is measured at points that the training does not see."""
        return True

    @property
    def current(self) -> Model:
        """The best model found so far, with the width that the user gave; the present one before there is a best."""
        model = self._leader.model
        if model is None:
            model = copy.deepcopy(self.work.model)
            model.network.straighten(torch.as_tensor(self.problem.points).to(model.vector))
        return model if self._width is None or self.built else self._model(widened(model.network, self._width))

    def parts(self) -> tuple[Part, ...]:
        """Return no parts."""
        return ()

    def columns(self) -> dict[str, float]:
        """Return an iteration's columns of the history."""
        score = self.work.best.score
        return {
            "stage": self.schedule.number + 1,
            "damping": self._damping,
            "points": len(self.problem.points),
            "parameters": self.work.model.size,
            "smoothness": self.work.smoothness,
            "validation": math.sqrt(score) if math.isfinite(score) else math.nan,
        }

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for `restored`."""
        parts = {"work": self.work.state(), "best": self.best.state()}
        tensors = {f"{part}.{name}": value for part, (found, _) in parts.items() for name, value in found.items()}
        return tensors, {
            "kind": "fitting",
            **{part: numbers for part, (_, numbers) in parts.items()},
            **{name: getattr(self, name) for name in COURSE},
            "damping": self._damping,
            "stage": self.schedule.number,
        }

    @classmethod
    def restored(cls, task: TrainingTask, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> Fitting:
        """Return the fit that had this state."""
        phase = cls(task, task.settings.network)
        phase.schedule = replace(phase.schedule, number=numbers["stage"])
        phase.work = phase._work(phase.work.model)
        phase.work.restore(below("work.", tensors), numbers["work"])
        phase.best = Best.restored(phase.work.model, below("best.", tensors), numbers["best"])
        for name in COURSE:
            setattr(phase, name, numbers[name])
        phase.width, phase.rungs = _read_width(phase.width), [_read_width(each) or () for each in phase.rungs]
        phase._damping = numbers["damping"]
        return phase

    def report(self) -> dict[str, Any]:
        """Return how the network was chosen."""
        leader = self._leader
        without = "generalised cross-validation" if self._measured else "the loss at its own points"
        return {
            "smoothness": leader.smoothness,
            "chosen_by": "held-out points" if self.problem.has_held_out else without,
            "smoothness_given": self.options.smoothness is not None,
            "score": leader.score if math.isfinite(leader.score) else None,
            "width": leader.model.network.architecture()["width"] if leader.model is not None else None,
        }

    # Networks and stages ----------------------------------------------------------------------------------------------

    @property
    def _width(self) -> Width | None:
        """The width of a KAN that the user gave; None if it is open."""
        return self.network.width if isinstance(self.network, KAN) else None

    @property
    def _leader(self) -> Best:
        return min(self.best, self.work.best, key=lambda best: (best.score, best.model is None))

    def _next(self) -> Attempt | Epochs | Stop:
        """Return the work on the next network or of the next stage, or how the training ended."""
        better = self.work.best.score < BETTER * self.best.score
        self.failures = 0 if better else self.failures + (not self.restarted)
        self.best = self._leader
        if self.climbs:
            if self.failures >= FAILURES or self.best.score <= ENOUGH or not self._climbs_on():
                return Stop(Ending.CONVERGED)
            width = self.rungs.pop(0)
            self.restarted, self.width = width == self.width, width
            return self._work(self._fresh(width))
        if following := self.schedule.next_stage():
            self.schedule = following
            return self._work(copy.deepcopy(self._leader.model or self.work.model))
        if isinstance(self.work, Attempt):
            return Stop(Ending.CONVERGED)
        if self.work.out_of_patience:
            return Stop(Ending.PATIENCE, self.options.patience)
        return Stop(Ending.ITERATIONS, self.schedule.stage.limit)

    def _climbs_on(self) -> bool:
        """Return whether a network is left to try that has not many more parameters than there are values."""
        if not self.rungs:
            return False
        rows = len(self.problem.points) * len(self.problem.fields)
        return self._fresh(self.rungs[0], seed=0).size <= MOST_PER_VALUE * rows

    def _work(self, model: Model) -> Attempt | Epochs:
        stage = self.schedule.stage
        options = stage.penalised(self.options)
        if stage.entry.gauss_newton:
            return Attempt(self.problem, options, model, stage)
        return Epochs(self.problem, options, model, stage, self.task.generator)

    def _fresh(self, width: Width | None, seed: int | None = None) -> Model:
        """Return a model with a new network of this width, or a copy of the one that the user has built."""
        given, domain, outputs = self.network, self.problem.domain, len(self.problem.fields)
        if given.built:
            return self._model(copy_of_built(given, (domain.dimension, outputs), "these data"))
        generator = self.task.generator if seed is None else seed
        if isinstance(given, MLP):
            perceptron = MLP(**given.settings())
            return self._model(perceptron.build(domain.low, domain.high, outputs, seed=generator))
        intervals = INTERVALS if given.intervals is None else given.intervals
        network = KAN(width or (), given.degree or DEGREE, intervals, given.base, given.family)
        margin = MARGIN * (domain.high - domain.low)
        return self._model(network.build(domain.low - margin, domain.high + margin, outputs, seed=generator))

    def _model(self, network: KAN | MLP) -> Model:
        network = network.to(device=self.task.device, dtype=self.task.dtype)
        return Model(network, Ansatz.of(self.problem)).to(device=self.task.device)


def _read_width(saved: Sequence[Sequence[int]] | None) -> Width | None:
    """Return a width that JSON has made a list of lists."""
    return None if saved is None else tuple((sums, products) for sums, products in saved)
