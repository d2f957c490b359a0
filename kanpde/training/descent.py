"""Descent: train a network of given sizes by stages of optimisers, with fresh points and finer knots."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.devices import keep_freed_memory
from kanpde.collocation.time_window import FIRST_REACH, Window
from kanpde.errors import Ending
from kanpde.files import below
from kanpde.marching.audit.parts import Part
from kanpde.network import knot_insertion
from kanpde.network.kan import KAN
from kanpde.network.mlp import MLP
from kanpde.network.objective import ByGradient, objective
from kanpde.network.residuals import Residuals
from kanpde.network.roughness import roughness_rows
from kanpde.network.trial_function import Model, saved_network
from kanpde.optim.least_squares import Footing, LeastSquares, Method, Step
from kanpde.optim.methods import METHODS, default_methods
from kanpde.problem.block import Block
from kanpde.problem.guess import guess_block
from kanpde.problem.lift import Ansatz
from kanpde.problem.problem import Problem
from kanpde.problem.unknown_function import by_unknown
from kanpde.training.memory import descent_bytes, kept_entries
from kanpde.training.network_size import built_for, largest_size
from kanpde.training.phase import Following, Stop, TrainingTask
from kanpde.training.points import TrainingPoints
from kanpde.training.policies import SETTLING, KnotPolicy, PointPolicy, Verdict, nan_to_inf
from kanpde.training.schedule import Schedule, Stage
from kanpde.training.weighting import RULES

# Weight of the smoothness of unknown functions, with which noise of about a thousandth of the fields is not followed.
# Only the march chooses it by the measurements.
SMOOTHNESS = 1e-9
GUESS_POINTS = 1024  # of this fit
GUESS_STEPS = 60  # largest number of steps of the fit to a problem's guess
GUESS_LOSS = 1e-6  # its loss, relative to that of zero, at which it ends
FIRST_ORDER_PACE = 10  # fresh points cost several gradients: methods of first order look at them less often
MAX_RETREATS = 5  # number of steps back from values that are not finite after which the training has diverged


@dataclass
class Course:
    """The history of a descent on which its decisions depend."""

    iteration: int = 0
    retreats: int = 0  # number of steps back from values that are not finite
    rejected: int = 0  # number of successive steps without gain
    losses: list[float] = field(default_factory=list)  # the loss after each step, at the points of that step
    checks: list[float] = field(default_factory=list)  # losses at fresh points; unlike `losses`, these are comparable
    settled: int = 0  # number of checks at the last change of knots, scales, window or stage

    def settle(self) -> None:
        """Record a change of the loss: checks before it are not comparable with those after it."""
        self.settled = len(self.checks)


def blocks_of(problem: Problem) -> list[Block]:
    """Return the blocks of a problem, with the priors of unknown functions at a small weight."""
    priors = (replace(each.prior, weight=SMOOTHNESS) for each in problem.expansions)
    return [*problem.blocks(), *priors]


class Descent:
    """The training of one network. Its next step depends only on `state` and on the task's generator.

    `vector` (P,) holds the parameters found so far. The model has a copy of them, which optimisers overwrite in trials.
    It begins with the network and the unknown constants of `start`, if given, over all of time at once. Raises
    ConfigurationError if the network does not fit the problem.
    """

    def __init__(self, task: TrainingTask, network: KAN | MLP, start: Model | None = None) -> None:
        keep_freed_memory()
        self.task = task
        problem, training = task.problem, task.settings.training
        ansatz = Ansatz.of(problem)
        built = built_for(task, network, ansatz).to(device=task.device, dtype=task.dtype)
        known = {} if start is None else {name: float(value.detach()) for name, value in start.unknowns.items()}
        self.model = Model(built, ansatz, {**problem.constants, **known}).to(device=task.device)
        self._imitates = start is not None
        self.footing = Footing(self.model.vector, self.model.vector)
        self.residuals = Residuals(self.model, blocks_of(problem), problem.domain.names, shared=True)
        self.residuals.kept = min(self.residuals.kept, kept_entries(task.room.free))
        self.weighting = RULES[training.weighting](problem.domain)
        starts = any(condition.is_start for condition in problem.conditions().values())
        grows = starts and not task.affine and not self.weighting.orders_time
        self.window = Window(problem.domain, reach=FIRST_REACH if grows and start is None else 1.0)
        self.points = TrainingPoints(task, self.residuals, self.window)
        self.point_policy = PointPolicy(training.resample_every, task.affine)
        self.knot_policy = KnotPolicy(largest_size(task))
        names = default_methods(self.model.size, self.points.rows, self.vector.dtype)
        self.schedule = Schedule(training.stages or tuple(map(Stage, names)))
        task.room.require(self.memory, f"{self.model.size} parameters at {self.points.rows} points")
        self.method = self._begin_stage()
        self.course = Course()
        self._step: Step | None = None  # the last step
        self._known = (-1, math.nan)  # an iteration and the loss after it

    # The phase --------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Draw the blocks' points and measure their scales, unless they have points already."""
        if not self.points.placed:
            if not self._imitates:  # the start is then a solution
                self._fit_guess()
            self.points.draw()
            self.rescale()

    def _fit_guess(self) -> None:
        """Fit the network to the problem's own guess, if it has one and is not linear."""
        problem = self.task.problem
        block = None if self.task.affine and not problem.unknowns else guess_block(problem)
        if block is None:
            return
        fit = Residuals(self.model, [block], problem.domain.names)
        fit.sample(problem.domain, lambda block: GUESS_POINTS, np.random.default_rng(0))
        method = METHODS[default_methods(self.model.size, GUESS_POINTS, self.vector.dtype)[0]].make()
        size = float(fit.residual(0.0 * self.vector).square().sum())
        for _ in range(GUESS_STEPS):
            step = method.step(fit, self.vector)
            self._set(step.vector)
            if step.loss < GUESS_LOSS * size:
                break

    def advance(self) -> Step | Stop | Following:
        """Take one step of the stage's method, after the updates of knots, scales, points and weights that are due.

        Return the step, or how the training ended if no stage is left.
        """
        verdict = self._verdict()
        if verdict is Verdict.END and (stop := self._next_stage()):
            return stop
        if verdict is Verdict.INSERT_KNOTS:
            self.refine()
        if self.schedule.iterations in SETTLING:
            self.rescale()
        renews, checks = self._move_points()
        self.weighting.apply(self.residuals, self.course.iteration)
        rows = self._objective()
        step = self.method.step(rows, self.vector)
        loss = self._loss_of(step, rows)
        if renews and checks:
            self.course.checks.append(nan_to_inf(step.before - (step.loss - loss)))
        self._take(step, loss)
        return step

    def _objective(self) -> LeastSquares:
        """Return the rows of the problem, and those of the stage's penalties."""
        if not self.penalties.penalises:
            return self.residuals
        given = (self.residuals, self.model, self._roughness, self.penalties.sparsity)
        return objective(*given) if self.schedule.stage.entry.gauss_newton else ByGradient(*given)

    def _loss_of(self, step: Step, rows: LeastSquares) -> float:
        """Return the loss of a step without the penalties."""
        if rows is self.residuals:
            return step.loss
        if step.lags and isinstance(rows, ByGradient):
            return rows.data_loss
        return float(self.residuals.residual(step.vector).square().sum())

    @property
    def vector(self) -> Tensor:
        """The parameters (P,) found so far."""
        return self.footing.vector

    @property
    def loss(self) -> float:
        """The loss at the parameters found so far, without penalties, at the points of the last step."""
        if self._step is None or not self._step.lags:
            return self.course.losses[-1]
        if self._known[0] != self.course.iteration:
            self._known = self.course.iteration, float(self.residuals.residual(self.vector).square().sum())
        return self._known[1]

    @property
    def growth(self) -> float:
        """1, because the number of parameters grows inside an iteration."""
        return 1.0

    @property
    def memory(self) -> float:
        """The bytes of a step, without a whole Jacobian unless its method keeps none."""
        size = self.model.size if self.schedule.stage.entry.gauss_newton else 0
        return descent_bytes(self.points.rows, size)

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
        """The estimated relative error: the root of the loss, whose blocks are relative to the sizes of their terms.

        It is infinite until the window of time is closed.
        """
        return math.sqrt(nan_to_inf(self.loss)) if self.course.losses and self.window.closed else math.inf

    @property
    def current(self) -> Model:
        """The model with the parameters found so far; a copy whose grids contain the training's values, if needed."""
        self._set(self.vector)
        if self.model.network.straight or not self.points.placed:
            return self.model
        model = copy.deepcopy(self.model)
        model.network.straighten(self.residuals.places)
        return model

    def parts(self) -> tuple[Part, ...]:
        """Return no parts, because a descent computes nothing but the model."""
        return ()

    def columns(self) -> dict[str, float]:
        """Return an iteration's columns of the history."""
        constants = {name: float(value.detach()) for name, value in self.model.unknowns.items()}
        return {
            "stage": self.schedule.number + 1,
            "reach": self.window.reach,
            "damping": math.nan if self._step is None else self._step.damping,
            "points": self.points.total,
            "parameters": self.model.size,
            **{f"rms/{name}": value for name, value in self._rms().items()},
            **{f"unknown/{name}": value for name, value in by_unknown(constants).items()},
        }

    def _rms(self) -> dict[str, float]:
        """Return the rms of every block; where steps lag, at the start of the last one, whose rows are known."""
        return self.residuals.noted if self._step is not None and self._step.lags else self.residuals.rms()

    def confirms(self, target: float) -> bool:
        """Return True if the estimated error at fresh points is at most 1.5 times the target."""
        hidden, _, _ = self.points.candidates()
        return math.sqrt(hidden + self.loss) <= 1.5 * target

    # Steps ------------------------------------------------------------------------------------------------------------

    def _set(self, vector: Tensor) -> None:
        """Set the parameters (P,)."""
        self.footing = Footing(vector, vector)
        self.model.assign(vector)
        self.residuals.forget()

    def _take(self, step: Step, loss: float) -> None:
        """Accept a step, or step back from it if it is not finite; record it, and advance the window of time."""
        course = self.course
        finite = self.footing.take(step)
        self.model.assign(self.vector)
        if not finite:
            course.retreats += 1
            self.method.retreat()
        course.rejected = 0 if step.accepted else course.rejected + 1
        course.losses.append(loss)
        course.iteration += 1
        self.schedule = self.schedule.after_step()
        self._step = step
        if self.window.advance(loss if finite else math.inf):
            # The scales are measured at the points of the smaller window, before points of the larger one are drawn.
            self.rescale()
            self.points.draw()

    # Stages -----------------------------------------------------------------------------------------------------------

    def _verdict(self) -> Verdict:
        """Return the decision that follows from the course of the present stage."""
        course = self.course
        if self.schedule.over or course.retreats > MAX_RETREATS:
            return Verdict.END
        if not self.schedule.stage.entry.gauss_newton or not course.losses or not self.window.closed:
            return Verdict.STEP
        network = self.model.network
        growth = math.inf
        if isinstance(network, KAN):
            growth = knot_insertion.growth(network, first_only=self.task.affine)
        checks = course.checks[course.settled :]
        return self.knot_policy.verdict(course.losses[-1], checks, course.rejected, self.model.size + growth)

    def _next_stage(self) -> Stop | None:
        """Begin the next stage; return how the training ended if no stage is left."""
        if self.course.retreats > MAX_RETREATS:
            return Stop(Ending.DIVERGED)
        if following := self.schedule.next_stage():
            self.schedule = following
            self.method = self._begin_stage()
            self.course.settle()
            return None
        if self.schedule.over:
            return Stop(Ending.ITERATIONS, self.schedule.stage.limit)
        return Stop(Ending.CONVERGED if all(map(math.isfinite, self.course.checks[-1:])) else Ending.DIVERGED)

    def _begin_stage(self) -> Method:
        """Return the method of the stage, after the edges' continuation beyond their grids has been set for it.

        Polynomials that go on are smooth, and a method that takes only steps which reduce the loss cannot be led astray
        by their growth. For the other methods edges are lines there.
        """
        entry = self.schedule.stage.entry
        if not entry.guarded and not self.model.network.straight and self.points.placed:
            self.model.network.straighten(self.residuals.places)
            self._set(self.model.vector)
        self.model.network.straight = not entry.guarded
        self.residuals.forget()
        self.penalties = self.schedule.stage.penalised(self.task.settings.training)
        self._measure_roughness()
        return self.schedule.stage.method()

    def _measure_roughness(self) -> None:
        """Set the rows of the stage's smoothness on the present grids."""
        weight = self.penalties.smoothness
        self._roughness = weight**0.5 * roughness_rows(self.model) if weight else None

    # Points, scales, knots --------------------------------------------------------------------------------------------

    def _move_points(self) -> tuple[bool, bool]:
        """Renew or exchange points if due; return whether points were renewed, and whether a check is due."""
        course, policy = self.course, self.point_policy
        entry = self.schedule.stage.entry
        renews = policy.renews(course.iteration, entry.gauss_newton)
        pace = FIRST_ORDER_PACE if entry.first_order else 1
        checks = self.window.closed and policy.checks(course.iteration, course.rejected, pace)
        if renews:
            self.points.renew()
        elif checks:
            self._check()
        return renews, checks

    def _check(self) -> None:
        """Measure the loss at fresh points, and exchange the interior points if it is much larger there."""
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
        """Measure the scales of all blocks, the sizes of their terms."""
        self.points.rescale()
        self.course.settle()

    def refine(self) -> None:
        """Insert knots where the residual is large, and draw points for the larger number of parameters."""
        part = self.residuals.parts[0]
        residual = self.residuals.squares(part).sqrt()
        knot_insertion.refine(self.model.network, part.points, residual, first_only=self.task.affine)
        self._set(self.model.vector)
        self._measure_roughness()
        self.points.draw()
        self.course.settle()

    # Checkpoints ------------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON for `restored`."""
        parts = {"points": self.points.state(), "weighting": self.weighting.state(), "method": self.method.state()}
        tensors = {f"network.{name}": value for name, value in self.model.network.state_dict().items()}
        tensors |= {f"{part}.{name}": value for part, (found, _) in parts.items() for name, value in found.items()}
        return {**tensors, "vector": self.vector, "safe": self.footing.safe}, {
            "kind": "descent",
            "course": asdict(self.course),
            "schedule": {"number": self.schedule.number, "iterations": self.schedule.iterations},
            "architecture": self.model.network.architecture(),
            "window": self.window.state(),
            **{part: numbers for part, (_, numbers) in parts.items()},
        }

    @classmethod
    def restored(cls, task: TrainingTask, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> Descent:
        """Return the descent that had this state."""
        descent = cls(task, saved_network(numbers["architecture"], below("network.", tensors)))
        descent.course = Course(**numbers["course"])
        descent.schedule = Schedule(descent.schedule.stages, **numbers["schedule"])
        descent.method = descent._begin_stage()
        descent.window.restore(numbers["window"])
        descent._set(tensors["vector"].to(descent.vector))
        descent.footing.safe = tensors.get("safe", descent.vector).to(descent.vector)
        descent.points.restore(below("points.", tensors), numbers["points"])
        descent.weighting.restore(below("weighting.", tensors), numbers["weighting"])
        descent.method.restore(below("method.", tensors), numbers["method"])
        return descent
