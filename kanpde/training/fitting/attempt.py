"""One network fitted by Gauss–Newton: first smooth, then less and less so, on finer knots while the error falls."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from kanpde.files import below
from kanpde.network import knot_insertion
from kanpde.network.kan import KAN
from kanpde.network.objective import objective
from kanpde.network.regridding import follow_values
from kanpde.network.residuals import Residuals
from kanpde.network.roughness import roughness_rows
from kanpde.network.trial_function import Model, saved_network
from kanpde.optim.least_squares import Method, Step
from kanpde.problem.regression import Regression
from kanpde.training.fitting.objective import rows_of_data
from kanpde.training.fitting.options import FitOptions
from kanpde.training.fitting.score import generalised_cross_validation, held_out_error
from kanpde.training.schedule import Stage

START, LEAST = 0.1, 1e-20  # the first smoothness and the last one
FAST, SLOW = 1 / 30, 1 / 10  # factors on the smoothness while the score falls fast and slowly
FALLS_FAST, FALLS = 0.3, 0.8  # a score falls fast or at all if it is at most this share of the best one
EXPLAINS, NEARLY_FREE = 0.9, 1e-6  # a score that explains nothing ends no search while the smoothness is larger
STALE = 2  # scores in a row that do not fall and end the search for the smoothness
STEPS, LITTLE, PATIENCE = 40, 0.97, 2  # steps at a smoothness: at most, and after which share of the loss they end
WORTHWHILE = 0.5  # share of the score before the last knots that the present one must be below for finer ones
NO_SPREAD = 1e-6  # standard deviation of a constant network's values, whose scale is 1
ROUND_OFF = 1e-26  # score that is not worth reducing
MOST_PARAMETERS = 2000  # of a refined network


@dataclass
class Best:
    """The best network found so far, its score, and the smoothness with which it was found."""

    score: float = math.inf
    model: Model | None = None
    smoothness: float | None = None

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for `restored`."""
        tensors, numbers = ({}, None) if self.model is None else network_state(self.model)
        return tensors, {"score": self.score, "smoothness": self.smoothness, "architecture": numbers}

    @classmethod
    def restored(cls, like: Model, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> Best:
        """Return the best network that had this state, with the lift of the model `like`."""
        known = numbers["architecture"]
        model = None if known is None else restored_model(like, tensors, known)
        return cls(numbers["score"], model, numbers["smoothness"])


def network_state(model: Model) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the architecture of a model's network."""
    return dict(model.network.state_dict()), model.network.architecture()


def restored_model(like: Model, tensors: Mapping[str, Tensor], architecture: Mapping[str, Any]) -> Model:
    """Return a model with the network of this state, with the lift of the model `like`, on its device."""
    return Model(saved_network(architecture, tensors), like.ansatz).to(device=like.vector.device)


@dataclass
class Course:
    """The place on the way: the smoothness, the steps taken with it, and the scores that did not fall."""

    smoothness: float
    steps: int = 0
    slow: int = 0
    stale: int = 0
    level: float = math.inf  # the best score before the last refinement
    finished: bool = False


class Attempt:
    """The fit of one network; `advance` takes one step, and `best` is what it has found."""

    def __init__(self, problem: Regression, options: FitOptions, model: Model, stage: Stage) -> None:
        self.problem, self.options, self.stage = problem, options, stage
        self.model, self.start = model, copy.deepcopy(model)
        self.best = Best()
        self.course = Course(START if options.smoothness is None else float(options.smoothness))
        self.sparsity = options.sparsity
        self.vector, self.data, self.roughness, self.method = self._prepared()

    def advance(self) -> Step | None:
        """Take one step; return None if the attempt is finished."""
        course = self.course
        if course.finished:
            return None
        rows = objective(self.data, self.model, self.roughness, self.sparsity)
        step = self.method.step(rows, self.vector)
        if step.accepted and math.isfinite(step.loss):
            self.vector = step.vector
        self.model.assign(self.vector)
        course.steps += 1
        course.slow = course.slow + 1 if not step.loss <= LITTLE * step.before else 0
        if not step.accepted or not math.isfinite(step.loss) or course.slow >= PATIENCE or course.steps >= STEPS:
            self._judge()
        return step

    def _prepared(self) -> tuple[Tensor, Residuals, Tensor | None, Method]:
        """Return the parameters, the rows and the method of the steps with the present smoothness."""
        network = self.model.network
        if isinstance(network, KAN):
            follow_values(network, self.points)
        self.course.steps = self.course.slow = 0
        return self._tools()

    def _tools(self) -> tuple[Tensor, Residuals, Tensor | None, Method]:
        """Return the same for the network as it is."""
        if isinstance(self.model.network, KAN):
            self.model.network.straight = not self.stage.entry.guarded
        smoothness = self.course.smoothness
        roughness = smoothness**0.5 * roughness_rows(self.model) if smoothness else None
        return self.model.vector, rows_of_data(self.problem, self.model), roughness, self.stage.method()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for `restore`."""
        networks = {"network": network_state(self.model), "start": network_state(self.start)}
        parts = {**networks, "method": self.method.state(), "best": self.best.state()}
        tensors = {f"{part}.{name}": value for part, (found, _) in parts.items() for name, value in found.items()}
        numbers = {part: numbers for part, (_, numbers) in parts.items()}
        return {**tensors, "vector": self.vector}, {**numbers, "course": asdict(self.course)}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.start = restored_model(self.model, below("start.", tensors), numbers["start"])
        self.model = restored_model(self.model, below("network.", tensors), numbers["network"])
        self.best = Best.restored(self.model, below("best.", tensors), numbers["best"])
        self.course = Course(**numbers["course"])
        _, self.data, self.roughness, self.method = self._tools()
        self.vector = tensors["vector"].to(self.model.vector)
        self.method.restore(below("method.", tensors), numbers["method"])

    def _judge(self) -> None:
        """Measure the score, and choose the next smoothness, finer knots, or the end."""
        course, best, score = self.course, self.best, self.score()
        gain = score / best.score if math.isfinite(best.score) and best.score > 0 else 0.0
        if score < best.score or best.model is None:
            found = copy.deepcopy(self.model)
            found.network.straighten(self.points)
            self.best = best = Best(score, found, course.smoothness)
        hopeful = best.score > EXPLAINS and course.smoothness > NEARLY_FREE
        course.stale = course.stale + 1 if not (gain <= FALLS or hopeful) else 0
        assert best.model is not None
        if best.score <= ROUND_OFF:
            course.finished = True
        elif not self._fixed and course.stale < STALE and course.smoothness > LEAST:
            course.smoothness *= FAST if gain <= FALLS_FAST else SLOW
            if self.constant():
                self.model = copy.deepcopy(self.start)
        elif self._may_refine(best.model):
            self._refine(best.model)
        else:
            course.finished = True
        if not course.finished:
            self.vector, self.data, self.roughness, self.method = self._prepared()

    def _may_refine(self, model: Model) -> bool:
        network, rows = model.network, len(self.problem.points) * len(self.problem.fields)
        if not isinstance(network, KAN) or self.best.score > WORTHWHILE * self.course.level:
            return False
        limit = MOST_PARAMETERS if self.options.max_parameters is None else self.options.max_parameters
        return model.size + knot_insertion.growth(network, first_only=False) <= min(limit, rows)

    def _refine(self, model: Model) -> None:
        """Go on from the best network with finer knots where its error is."""
        self.model = copy.deepcopy(model)
        data = rows_of_data(self.problem, self.model)
        assert isinstance(self.model.network, KAN)
        errors = data.squares(data.parts[0]).sqrt()
        knot_insertion.refine(self.model.network, self.points, errors, first_only=False)
        self.course.level, self.course.stale = self.best.score, 0
        if not self._fixed and self.best.smoothness is not None:
            self.course.smoothness = self.best.smoothness

    def score(self) -> float:
        """Return the error at held-out points; generalised cross-validation if none are held out."""
        if self.problem.has_held_out:
            return held_out_error(self.problem, self.model)
        return generalised_cross_validation(self.data, self.model, self.roughness)

    @torch.no_grad()
    def constant(self) -> bool:
        """Return whether the network is constant at the samples, so that no step leads away.

        A strong penalty makes it so if its functions cannot represent lines, which have no curvature.
        """
        values = self.model.network(self.points)
        return bool(values.std(dim=0, correction=0).max() <= NO_SPREAD)

    @property
    def points(self) -> Tensor:
        """The samples' points (n, d)."""
        return torch.as_tensor(self.problem.points).to(self.model.vector)

    @property
    def smoothness(self) -> float:
        """The present weight of the penalty."""
        return self.course.smoothness

    @property
    def _fixed(self) -> bool:
        return self.options.smoothness is not None
