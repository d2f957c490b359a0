"""One network trained by a method that needs gradients only, in epochs of mini-batches, with early stopping."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.errors import ConfigurationError
from kanpde.files import below
from kanpde.network.objective import ByGradient
from kanpde.network.roughness import roughness_rows
from kanpde.network.trial_function import Model
from kanpde.optim.least_squares import Footing, Step
from kanpde.problem.regression import Regression
from kanpde.training.fitting.attempt import Best, network_state, restored_model
from kanpde.training.fitting.objective import rows_of_data
from kanpde.training.fitting.options import FitOptions
from kanpde.training.fitting.score import held_out_error
from kanpde.training.schedule import Stage


class Epochs:
    """The training of one network; `advance` takes an epoch, and `best` is the best network so far."""

    def __init__(
        self, problem: Regression, options: FitOptions, model: Model, stage: Stage, generator: np.random.Generator
    ) -> None:
        self.problem, self.options, self.stage = problem, options, stage
        self.generator = generator
        if options.batch_size is not None and not stage.entry.first_order:
            raise ConfigurationError(
                f"expected a method of first order such as adam with training.batch_size, got {stage.optimiser}; leave "
                "batch_size out"
            )
        count = len(problem.points)
        self.batch = min(count, options.batch_size or count)
        self.best, self.waited, self.epochs = Best(), 0, 0
        self.method = stage.method(steps=math.ceil(count / self.batch))
        self.smoothness = options.smoothness or 0.0
        self._take(model)

    def _take(self, model: Model) -> None:
        """Go on with this model."""
        self.model, self.footing = model, Footing(model.vector, model.vector)
        self.roughness = self.smoothness**0.5 * roughness_rows(model) if self.smoothness else None
        self.data = rows_of_data(self.problem, model)

    def advance(self) -> Step | None:
        """Take one epoch; return None if the stage's iterations or the patience are over."""
        limit = self.stage.limit
        if self.waited >= self.options.patience or (limit is not None and self.epochs >= limit):
            return None
        step = self._epoch()
        self.epochs += 1
        self.model.assign(self.vector)
        score = self.score()
        self.waited = 0 if score < self.best.score else self.waited + 1
        if score < self.best.score:
            self.best = Best(score, copy.deepcopy(self.model), self.smoothness)
        return step

    @property
    def out_of_patience(self) -> bool:
        """True if the score has not fallen for as many epochs as the patience allows."""
        return self.waited >= self.options.patience

    def score(self) -> float:
        """Return the error at held-out points; that at all samples if none are held out."""
        if self.problem.has_held_out:
            return held_out_error(self.problem, self.model)
        return float(self.data.residual(self.vector).square().sum())

    @property
    def vector(self) -> Tensor:
        """The parameters found so far."""
        return self.footing.vector

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for `restore`."""
        parts = {"network": network_state(self.model), "method": self.method.state(), "best": self.best.state()}
        tensors = {f"{part}.{name}": value for part, (found, _) in parts.items() for name, value in found.items()}
        numbers = {part: numbers for part, (_, numbers) in parts.items()}
        both = {"vector": self.footing.vector, "safe": self.footing.safe}
        return {**tensors, **both}, {**numbers, "waited": self.waited, "epochs": self.epochs}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._take(restored_model(self.model, below("network.", tensors), numbers["network"]))
        self.best = Best.restored(self.model, below("best.", tensors), numbers["best"])
        self.waited, self.epochs = numbers["waited"], numbers["epochs"]
        self.footing = Footing(*(tensors[name].to(self.model.vector) for name in ("vector", "safe")))
        self.method.restore(below("method.", tensors), numbers["method"])

    def _epoch(self) -> Step:
        """Take a step for every batch of a random order; return the last step with the mean loss of all."""
        count = len(self.problem.points)
        order = torch.as_tensor(self.generator.permutation(count), device=self.vector.device)
        losses: list[float] = []
        for batch in torch.split(order, self.batch):
            data = self.data if len(batch) == count else rows_of_data(self.problem, self.model, batch)
            rows = ByGradient(data, self.model, self.roughness, self.options.sparsity)
            step = self.method.step(rows, self.vector)
            if not self.footing.take(step):
                self.method.retreat()
            losses.append(step.loss * len(batch) / count)
        return Step(self.vector, math.fsum(losses), step.accepted)
