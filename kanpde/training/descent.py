"""Descent: a network of given sizes trained by stages of an optimiser, with fresh points and finer knots."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from kanpde.collocation.rows import plan_of
from kanpde.collocation.time_window import FIRST, Window
from kanpde.errors import ConfigurationError, Ending
from kanpde.files import below
from kanpde.network import knot_insertion
from kanpde.network.kan import KAN
from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.optim.least_squares import Step
from kanpde.optim.methods import default_methods
from kanpde.problem.lift import Ansatz
from kanpde.problem.problem import Problem
from kanpde.training.phase import Stop, TrainingTask, check_degree
from kanpde.training.points import TrainingPoints
from kanpde.training.policies import SETTLING, KnotPolicy, PointPolicy, Verdict, nan_to_inf
from kanpde.training.schedule import Schedule, Stage
from kanpde.training.weighting import RULES

MAX_PARAMETERS = {True: 1500, False: 2000}  # of refined networks, for linear equations and for others
RETREATS = 5  # steps back from values that are not finite before training is called diverged


@dataclass
class Course:
    """What a descent has been through; its decisions depend on it."""

    iteration: int = 0
    retreats: int = 0  # steps back from values that are not finite
    rejected: int = 0  # steps in a row without any gain
    losses: list[float] = field(default_factory=list)
    checks: list[float] = field(default_factory=list)  # the loss at fresh points: unlike `losses`, these compare
    settled: int = 0  # the number of checks at the last change of knots, scales, window or stage

    def settle(self) -> None:
        """Note a change: checks before it do not compare with those after it."""
        self.settled = len(self.checks)


class Descent:
    """One network on its way down. All that its next step depends on is in `state`, and in the task's generator.

    `vector` owns the parameters. The model holds a copy of it between steps, in which an optimiser writes its trials.
    """

    def __init__(self, task: TrainingTask, network: KAN) -> None:
        self.task = task
        problem, training = task.problem, task.settings.training
        ansatz = Ansatz.of(problem)
        built = built_for(task, network, ansatz).to(device=task.device, dtype=task.dtype)
        self.model = Model(built, ansatz, problem.unknowns).to(device=task.device)
        self.vector = self.model.vector
        self.residuals = Residuals(self.model, problem.blocks(), problem.domain.names)
        self.weighting = RULES[training.weighting](problem.domain)
        grows = evolves(problem) and not task.affine and not self.weighting.orders_time
        self.window = Window(problem.domain, reach=FIRST if grows else 1.0)
        self.points = TrainingPoints(task, self.residuals, self.window)
        self.point_policy = PointPolicy(training.resample_every, task.affine)
        limit = MAX_PARAMETERS[task.affine] if training.max_parameters is None else training.max_parameters
        self.knot_policy = KnotPolicy(limit)
        names = default_methods(self.model.size, self.points.rows, self.vector.dtype)
        self.schedule = Schedule(training.stages or tuple(map(Stage, names)))
        self.method = self.schedule.stage.method()
        self.course = Course()
        self._damping = math.nan

    # The phase --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Put the blocks on points and measure their scales, if they are on none yet."""
        if not self.points.placed:
            self.points.draw()
            self.rescale()

    def advance(self) -> Step | Stop:
        """Carry out one step of the stage's method, after the knots, scales, points and weights that are due."""
        verdict = self._verdict()
        if verdict is Verdict.END and (stop := self._next_stage()):
            return stop
        if verdict is Verdict.INSERT_KNOTS:
            self.refine()
        if self.schedule.iterations in SETTLING:
            self.rescale()
        renews, checks = self._move_points()
        self.weighting.apply(self.residuals, self.course.iteration)
        step = self.method.step(self.residuals, self.vector)
        if renews and checks:
            self.course.checks.append(nan_to_inf(step.before))
        self._take(step)
        return step

    @property
    def finite(self) -> bool:
        """True if the residual is finite everywhere."""
        return bool(torch.isfinite(self.residuals.residual(self.vector)).all())

    @property
    def version(self) -> int:
        """A number that changes if `current` does."""
        return self.course.iteration

    @property
    def estimate(self) -> float:
        """The estimated relative error: the root of the loss, whose blocks are relative to the sizes of their terms."""
        losses = self.course.losses
        return math.sqrt(losses[-1]) if losses and self.window.closed else math.inf

    @property
    def current(self) -> Model:
        """The model with the parameters found so far."""
        self._set(self.vector)
        return self.model

    def columns(self) -> dict[str, float]:
        """Return the history's columns of an iteration."""
        return {
            "stage": self.schedule.number + 1,
            "reach": self.window.reach,
            "damping": self._damping,
            "points": self.points.total,
            "parameters": self.model.size,
            **{f"rms/{name}": value for name, value in self.residuals.rms().items()},
            **{f"unknown/{name}": float(value.detach()) for name, value in self.model.unknowns.items()},
        }

    def confirmed(self, target: float) -> bool:
        """Return whether fresh points agree with the estimate."""
        hidden, _, _ = self.points.candidates()
        return math.sqrt(hidden + self.course.losses[-1]) <= 1.5 * target

    # Steps ------------------------------------------------------------------------------------------------------------

    def _set(self, vector: Tensor) -> None:
        """Set the parameters."""
        self.vector = vector
        self.model.assign(vector)

    def _take(self, step: Step) -> None:
        """Accept a step or, if it is not finite, step back from it; count both, and let the window of time grow."""
        course = self.course
        finite = math.isfinite(step.loss) and bool(torch.isfinite(step.vector).all())
        self._set(step.vector if finite else self.vector)
        if not finite:
            course.retreats += 1
            self.method.retreat()
        course.rejected = 0 if step.accepted else course.rejected + 1
        course.losses.append(step.loss)
        course.iteration += 1
        self.schedule = self.schedule.stepped()
        self._damping = step.damping
        if self.window.advance(step.loss if finite else math.inf):
            # Scales as they are in the window so far, points in the wider one.
            self.rescale()
            self.points.draw()

    # Stages -----------------------------------------------------------------------------------------------------------

    def _verdict(self) -> Verdict:
        """Return what the course of the present stage calls for."""
        course = self.course
        if self.schedule.over or course.retreats > RETREATS:
            return Verdict.END
        if not self.schedule.stage.entry.gauss_newton or not course.losses or not self.window.closed:
            return Verdict.STEP
        growth = knot_insertion.growth(self.model.network, first_only=self.task.affine)
        checks = course.checks[course.settled :]
        return self.knot_policy.verdict(course.losses[-1], checks, course.rejected, self.model.size + growth)

    def _next_stage(self) -> Stop | None:
        """Begin the next stage; return how the training ends if there is none."""
        if self.course.retreats > RETREATS:
            return Stop(Ending.DIVERGED)
        if later := self.schedule.advanced():
            self.schedule, self.method = later, later.stage.method()
            self.course.settle()
            return None
        if self.schedule.over:
            return Stop(Ending.ITERATIONS, self.schedule.stage.limit)
        return Stop(Ending.CONVERGED if all(map(math.isfinite, self.course.checks[-1:])) else Ending.DIVERGED)

    # Points, scales, knots --------------------------------------------------------------------------------------------

    def _move_points(self) -> tuple[bool, bool]:
        """Renew or exchange points; return whether they are new, and whether a loss at fresh points is due."""
        course, policy = self.course, self.point_policy
        renews = policy.renews(course.iteration, self.schedule.stage.entry.gauss_newton)
        checks = self.window.closed and policy.checks(course.iteration, course.rejected)
        if renews:
            self.points.renew()
        elif checks:
            self._check()
        return renews, checks

    def _check(self) -> None:
        """Measure the loss at fresh points, and exchange the interior ones if the residual hides between them."""
        course = self.course
        if not self.point_policy.every:
            course.checks.append(nan_to_inf(course.losses[-1]))
            return
        hidden, pool, sizes = self.points.candidates()
        seen = self.points.seen()
        course.checks.append(nan_to_inf(max(course.losses[-1] - seen, 0.0) + hidden))
        if self.point_policy.exchanges(seen, hidden):
            self.points.exchange(pool, sizes)

    def rescale(self) -> None:
        """Measure the size of every block's terms."""
        self.points.rescale()
        self.course.settle()

    def refine(self) -> None:
        """Insert knots where the residual is large, and draw points enough for them."""
        part = self.residuals.parts[0]
        residual = self.residuals.squares(part).sqrt()
        knot_insertion.refine(self.model.network, part.points, residual, first_only=self.task.affine)
        self.vector = self.model.vector
        self.points.draw()
        self.course.settle()

    # Checkpoints ------------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON that `restored` takes up."""
        parts = {"points": self.points.state(), "weighting": self.weighting.state(), "method": self.method.state()}
        tensors = {f"network.{name}": value for name, value in self.model.network.state_dict().items()}
        tensors |= {f"{part}.{name}": value for part, (found, _) in parts.items() for name, value in found.items()}
        return {**tensors, "vector": self.vector}, {
            "kind": "descent",
            "course": asdict(self.course),
            "schedule": {"number": self.schedule.number, "iterations": self.schedule.iterations},
            "architecture": self.model.network.architecture(),
            "window": self.window.state(),
            **{part: numbers for part, (_, numbers) in parts.items()},
        }

    @classmethod
    def restored(cls, task: TrainingTask, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> Descent:
        """Return the descent of a state."""
        descent = cls(task, KAN.from_architecture(numbers["architecture"], below("network.", tensors)))
        descent.course = Course(**numbers["course"])
        descent.schedule = Schedule(descent.schedule.stages, **numbers["schedule"])
        descent.method = descent.schedule.stage.method()
        descent.window.restore(numbers["window"])
        descent._set(tensors["vector"].to(descent.vector))
        descent.points.restore(below("points.", tensors), numbers["points"])
        descent.weighting.restore(below("weighting.", tensors), numbers["weighting"])
        descent.method.restore(below("method.", tensors), numbers["method"])
        return descent


def evolves(problem: Problem) -> bool:
    """Return whether the problem has an initial condition."""
    return any(condition.is_start for condition in problem.conditions().values())


def built_for(task: TrainingTask, network: KAN, ansatz: Ansatz | None) -> KAN:
    """Return a network for the problem: a copy of one that fits, else a new one of the same sizes.

    Raises ConfigurationError for a network built for other coordinates or fields, and for one of too low a degree.
    """
    problem, domain, outputs = task.problem, task.problem.domain, len(task.problem.fields)
    blocks = problem.blocks()
    if network.built:
        shape = (network.first.basis.inputs, network.architecture()["outputs"])
        if shape != (domain.dimension, outputs):
            raise ConfigurationError(
                f"expected a network with {domain.dimension} inputs and {outputs} outputs for {problem.name}, "
                f"got one built with {shape[0]} and {shape[1]}; give a new KAN(width=...)"
            )
        check_degree(network, blocks)
        return copy.deepcopy(network)
    order = max(plan_of(block, domain.dimension).order for block in blocks)
    fresh = network.fitted(domain.dimension, order, affine=task.affine)
    check_degree(fresh, blocks)
    periodic = None if ansatz is None else ansatz.periodic
    return fresh.build(domain.low, domain.high, outputs, periodic=periodic, seed=task.generator)
