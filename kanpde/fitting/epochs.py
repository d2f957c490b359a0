"""One network trained by a method that needs gradients only, in epochs of mini-batches, with early stopping."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch

from kanpde.errors import ConfigurationError
from kanpde.fitting.attempt import Best, sparsity_of
from kanpde.fitting.objective import Sampled, Smoothed, rows_of_data
from kanpde.fitting.options import FitOptions
from kanpde.fitting.roughness import roughness_rows
from kanpde.fitting.score import held_out_error
from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.optim.least_squares import Step
from kanpde.problem.regression import Regression
from kanpde.training.schedule import Stage

BY_GRADIENT = ("adam", "adamw", "soap", "sgd")  # methods that can train on a part of the samples


class Epochs:
    """The training of one network; `advance` takes an epoch, and `best` is the best network so far."""

    def __init__(
        self, problem: Regression, options: FitOptions, model: Model, stage: Stage, generator: np.random.Generator
    ) -> None:
        self.problem, self.options, self.model, self.stage = problem, options, model, stage
        self.generator = generator
        self.by_gradient = stage.optimiser in BY_GRADIENT
        if options.batch_size is not None and not self.by_gradient:
            raise ConfigurationError(
                f"expected a method of gradients such as adam with training.batch_size, got {stage.optimiser}; leave "
                "batch_size out"
            )
        self.best, self.waited, self.epochs = Best(), 0, 0
        self.method = stage.method()
        self.vector = model.vector
        smoothness = options.smoothness or 0.0
        self.roughness = smoothness**0.5 * roughness_rows(model) if smoothness else None
        self.smoothness = smoothness
        self.data = rows_of_data(problem, model)

    def advance(self) -> Step | None:
        """Take one epoch; return None if the stage's iterations or the patience are over."""
        limit = self.stage.limit
        if self.waited >= self.options.patience or (limit is not None and self.epochs >= limit):
            return None
        step = self._epoch() if self.by_gradient else self._whole_step()
        self.epochs += 1
        self.model.assign(self.vector)
        score = self.score(step.loss)
        self.waited = 0 if score < self.best.score else self.waited + 1
        if score < self.best.score:
            self.best = Best(score, copy.deepcopy(self.model), self.smoothness)
        return step

    @property
    def out_of_patience(self) -> bool:
        """True if the score has not fallen for as many epochs as the patience allows."""
        return self.waited >= self.options.patience

    def score(self, loss: float) -> float:
        """Return the error at held-out points; the loss if none are held out."""
        return held_out_error(self.problem, self.model) if self.problem.has_held_out else loss

    def _whole_step(self) -> Step:
        rows = self.data if self.roughness is None else Smoothed(self.data, self.roughness)
        return self._taken(self.method.step(rows, self.vector))

    def _epoch(self) -> Step:
        """Take a step for every batch of a random order; return the last step with the mean loss of all."""
        count = len(self.problem.points)
        size = count if self.options.batch_size is None else int(self.options.batch_size)
        order = torch.as_tensor(self.generator.permutation(count), device=self.vector.device)
        losses: list[float] = []
        for batch in torch.split(order, size):
            data = self.data if len(batch) == count else rows_of_data(self.problem, self.model, batch)
            step = self._taken(self.method.step(self._sampled(data), self.vector))
            losses.append(step.loss * len(batch) / count)
        return Step(self.vector, math.fsum(losses), step.accepted)

    def _sampled(self, data: Residuals) -> Sampled:
        return Sampled(data, self.model, self.roughness, sparsity_of(self.options))

    def _taken(self, step: Step) -> Step:
        """Accept a step if it is finite, else make the next ones shorter."""
        if math.isfinite(step.loss) and bool(torch.isfinite(step.vector).all()):
            self.vector = step.vector
        else:
            self.method.retreat()
        return step
