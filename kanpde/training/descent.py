"""Descent: a network of given sizes trained by stages of an optimiser, with fresh points and finer knots."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.collocation.sampling import Sample, adapted, retained, sample
from kanpde.collocation.time_window import FIRST, Window
from kanpde.errors import ConfigurationError
from kanpde.files import below
from kanpde.network import knot_insertion
from kanpde.network.kan import KAN
from kanpde.network.residuals import Residuals, plan_of
from kanpde.network.trial_function import Model
from kanpde.optim.broyden import ssbfgs, ssbroyden
from kanpde.optim.first_order import adam, lbfgs
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.optim.krylov import KrylovGaussNewton
from kanpde.optim.least_squares import Method, Step
from kanpde.optim.methods import chosen
from kanpde.optim.soap import SOAP
from kanpde.options import checked_stage
from kanpde.problem.block import Block
from kanpde.problem.lift import Ansatz
from kanpde.training.phase import DIVERGED, Setting, check_degree
from kanpde.training.weighting import Balance

SETTLING = (5, 10, 20, 40)  # iterations after which the scales of the blocks are measured anew, then kept
CHECK_EVERY = 5  # iterations between checks of the loss where points are not exchanged
PACE = 2  # checks over which progress is judged
SLOW = 0.3  # a loss that falls by less than this factor over them calls for finer knots
PATIENCE = 8  # checks over which the end is judged, when no finer knots are to be had
STUCK = 0.9  # a loss that falls by less than this factor over them has converged
ROUND_OFF = 3e-16  # finer knots gain nothing below this loss: its root is near the last digits of second derivatives
HIDING = 3.0  # fresh points may see this many times the loss of the old ones before these are exchanged
POOL = 4  # candidates for every interior point
POINTS_PER_PARAMETER = {True: 2.5, False: 3.0}  # for linear equations and for others
MAX_PARAMETERS = {True: 1500, False: 2000}  # of refined networks, for linear equations and for others
# Iterations of a stage that names none; Gauss–Newton goes on until it has converged.
ITERATIONS = {"adam": 2000, "soap": 2000, "lbfgs": 2000, "ssbroyden": 2000, "ssbfgs": 2000}
METHODS: Mapping[str, Callable[..., Method]] = {
    "gauss_newton": GaussNewton,
    "krylov_gauss_newton": KrylovGaussNewton,
    "ssbroyden": ssbroyden,
    "ssbfgs": ssbfgs,
    "lbfgs": lbfgs,
    "soap": SOAP,
    "adam": adam,
}
REJECTIONS = 3  # steps in a row without any gain, fresh points in between, that end a stage
RETREATS = 5  # steps back from numbers that are not finite before training is called diverged


class Descent:
    """One network on its way down. All that its next step depends on is in `state`, and in the setting's generator."""

    def __init__(self, setting: Setting, network: KAN) -> None:
        self.setting, self.problem, self.affine = setting, setting.problem, setting.affine
        self.options, self.sampling, self.generator = setting.training, setting.sampling, setting.generator
        blocks = self.problem.blocks()
        ansatz = Ansatz.of(self.problem)
        built = self._built(network, blocks, ansatz).to(device=setting.device, dtype=setting.dtype)
        self.model = Model(built, ansatz, self.problem.unknowns).to(device=setting.device)
        self.residuals = Residuals(self.model, blocks, self.problem.domain.names)
        self.vector = self.model.vector
        self.stages = self._stages()
        self.stage = self.iteration = self.stage_iteration = self.retreats = self.rejected = 0
        self.settled = 0  # how many checks there were at the last change of knots, scales, window or stage
        self.losses: list[float] = []
        self.checks: list[float] = []  # the loss at fresh points, every few iterations: unlike `losses`, these compare
        evolves = any(condition.is_start for condition in self.problem.conditions().values())
        self.weighting = Balance(self.options.weighting, self.problem.domain)
        grows = evolves and not self.affine and self.options.weighting != "causal"  # one order in time is enough
        self.window = Window(self.problem.domain, reach=FIRST if grows else 1.0)
        self._method: Method | None = None
        self._step = Step(self.vector, math.inf)

    def begin(self) -> None:
        """Put the blocks on points, where they are on none."""
        if not len(self.residuals.parts[0].points):
            self.resample()
            self.rescale()

    def end(self) -> str | None:
        """Why to stop, or None. Moves on to the next stage where one has done its part."""
        if self.retreats > RETREATS:
            return DIVERGED
        if not self._stage_done():
            return None
        if self.stage + 1 < len(self.stages):
            self._next_stage()
            return None
        if self._stage_over():
            return f"iterations: the last stage has run its {self.stages[self.stage]['iterations']:.0f} iterations"
        return "converged: the loss falls no further" if all(map(math.isfinite, self.checks[-1:])) else DIVERGED

    @property
    def finite(self) -> bool:
        """Whether the residual is a number everywhere."""
        return bool(torch.isfinite(self.residuals.residual(self.vector)).all())

    @property
    def version(self) -> int:
        """Changes where `model` does."""
        return self.iteration

    @property
    def estimate(self) -> float:
        """The estimated relative error: the root of the loss, whose blocks are relative to the sizes of their terms."""
        return math.sqrt(self.losses[-1]) if self.losses and self.window.closed else math.inf

    @property
    def current(self) -> Model:
        """The model with the parameters found so far."""
        self.model.assign(self.vector)
        return self.model

    def columns(self) -> dict[str, float]:
        """What the history keeps of an iteration."""
        self.model.assign(self.vector)
        return {
            "stage": self.stage + 1,
            "reach": self.window.reach,
            "damping": self._step.damping,
            "points": sum(len(part.points) for part in self.residuals.parts),
            "parameters": self.model.size,
            **{f"rms/{name}": value for name, value in self.residuals.rms().items()},
            **{f"unknown/{name}": float(value.detach()) for name, value in self.model.unknowns.items()},
        }

    def confirmed(self, target: float) -> bool:
        """Whether fresh points agree with the estimate."""
        return math.sqrt(self._loss_at_fresh_points()[0] + self.losses[-1]) <= 1.5 * target

    def _stage_over(self) -> bool:
        """Whether the stage has run its iterations."""
        limit = self.stages[self.stage]["iterations"]
        return limit is not None and bool(self.stage_iteration >= limit)

    def _stage_done(self) -> bool:
        """Whether the stage has run its iterations or is stuck with no finer knots to be had."""
        if self._stage_over():
            return True
        if not self._gauss_newton or not self.losses or not self.window.closed or not math.isfinite(self.losses[-1]):
            return False
        if self.losses[-1] <= ROUND_OFF or self.rejected >= REJECTIONS:
            return True
        checks = self.checks[self.settled :]
        if not self.rejected and fall(checks, PACE) < SLOW:
            return False
        if self._refinable():
            self.refine()
            return False
        return fall(checks, PATIENCE) > STUCK

    def iterate(self) -> Step:
        """One step of the stage's method, after fresh points or scales where these are due."""
        if self.stage_iteration in SETTLING:
            self.rescale()
        due = self.iteration % (self.options.resample_every or CHECK_EVERY) == 0 or self.rejected
        checked = self.window.closed and self.iteration and due
        if self._renews and self.iteration:
            self._renew()
        elif checked:
            self._check()
        self.weighting.apply(self.residuals, self.vector, self.iteration)
        step = self.method.step(self.residuals, self.vector)
        if self._renews and checked:
            self.checks.append(known(step.before))
        if finite := math.isfinite(step.loss) and bool(torch.isfinite(step.vector).all()):
            self.vector = step.vector
        else:
            self.retreats += 1
            self.method.retreat()
        self.rejected = 0 if step.accepted else self.rejected + 1
        self.losses.append(step.loss)
        self.iteration += 1
        self.stage_iteration += 1
        if self.window.advance(step.loss if finite else math.inf):
            self._widen()
        self._step = step
        return step

    # Stages -----------------------------------------------------------------------------------------------------------

    def _stages(self) -> tuple[dict[str, Any], ...]:
        stages = self.options.stages
        if stages is None:
            rows = sum(self._count(part.block) * len(part.block.components) for part in self.residuals.parts)
            stages = tuple({"optimiser": name} for name in chosen(self.model.size, rows, self.vector.dtype))
        checked = [checked_stage(stage) for stage in stages]
        return tuple(
            {**stage, "iterations": stage["iterations"] or ITERATIONS.get(stage["optimiser"])} for stage in checked
        )

    @property
    def _gauss_newton(self) -> bool:
        return self.stages[self.stage]["optimiser"] in ("gauss_newton", "krylov_gauss_newton")

    @property
    def method(self) -> Method:
        """The optimiser of the present stage."""
        if self._method is None:
            stage = self.stages[self.stage]
            rate = {} if stage["learning_rate"] is None else {"learning_rate": float(stage["learning_rate"])}
            self._method = METHODS[stage["optimiser"]](**rate)
        return self._method

    def _next_stage(self) -> None:
        self.stage, self.stage_iteration, self._method, self.settled = self.stage + 1, 0, None, len(self.checks)

    # Points, scales, knots --------------------------------------------------------------------------------------------

    def resample(self, interior: Sample | None = None) -> None:
        """Fresh points for every block; `interior` ones where they have been chosen already."""
        for number, part in enumerate(self.residuals.parts):
            drawn = (
                interior if number == 0 and interior is not None else self._drawn(part.block, self._count(part.block))
            )
            drawn, weights = self.window.place(drawn, fixed=part.block.points is not None)
            index = None if drawn.index is None else torch.as_tensor(drawn.index, device=self.vector.device)
            self.residuals.place(number, self._tensor(drawn.points), index, self._tensor(weights))

    def rescale(self) -> None:
        """Measure the size of every block's terms anew."""
        self.model.assign(self.vector)
        if not self.affine:
            self.residuals.balance()
        for part in self.residuals.parts:
            sizes = self.residuals.sizes_of_terms(part)
            part.scale = torch.where(torch.isfinite(sizes) & (sizes > 0), sizes, torch.ones_like(sizes))
        self.settled = len(self.checks)

    def _widen(self) -> None:
        """Scales as they are in the window so far, points in the wider one."""
        self.rescale()
        self.resample()

    def refine(self) -> None:
        """Finer knots where the residual is large, and points enough for them."""
        self.model.assign(self.vector)
        part = self.residuals.parts[0]
        residual = self.residuals.squares(part).sqrt()
        knot_insertion.refine(self.model.network, part.points, residual, first_only=self.affine)
        self.vector = self.model.vector
        self.resample()
        self.settled = len(self.checks)

    def _refinable(self) -> bool:
        most = self.options.max_parameters
        most = MAX_PARAMETERS[self.affine] if most is None else most
        return self.model.size + knot_insertion.growth(self.model.network, first_only=self.affine) <= most

    @property
    def _renews(self) -> bool:
        """Whether most points are new at every iteration: a composition may bend between fixed ones."""
        return bool(self.options.resample_every) and self._gauss_newton and not self.affine

    def _renew(self) -> None:
        """Fresh interior points but for those where the residual is above its mean."""
        part = self.residuals.parts[0]
        self.model.assign(self.vector)
        count, residual = self._count(part.block), self.residuals.squares(part).sqrt().cpu().double().numpy()
        kept = torch.as_tensor(retained(residual, round(self.sampling.adaptive * count)), device=self.vector.device)
        fresh, shares = self.window.place(self._drawn(part.block, count - len(kept)), fixed=False)
        points = torch.cat([part.points[kept], self._tensor(fresh.points)])
        self.residuals.place(0, points, None, torch.cat([part.shares[kept], self._tensor(shares)]))

    def _check(self) -> None:
        """Measure the loss at fresh points, and exchange the interior ones where the residual hides between them."""
        if not self.options.resample_every:
            self.checks.append(known(self.losses[-1]))
            return
        hidden, pool, residual = self._loss_at_fresh_points()
        part = self.residuals.parts[0]
        seen = float(self.residuals.squares(part).mean())
        self.checks.append(known(max(self.losses[-1] - seen, 0.0) + hidden))
        if hidden <= max(HIDING * seen, ROUND_OFF) or not math.isfinite(hidden):
            return
        count = self._count(part.block)
        chosen = adapted(pool, residual, round(self.sampling.adaptive * count), self.generator)
        rest = self._drawn(part.block, count - len(chosen))
        self.resample(Sample(np.concatenate([chosen, rest.points]), None))

    def _loss_at_fresh_points(self) -> tuple[float, Any, Any]:
        """The equation's part of the loss on fresh points, these points, and the residual's size there."""
        part = self.residuals.parts[0]
        self.model.assign(self.vector)
        drawn = self._drawn(part.block, POOL * self._count(part.block))
        squares = self.residuals.squares(self.residuals.placed(part, self._tensor(drawn.points), None))
        return float(squares.mean()), drawn.points, squares.sqrt().cpu().double().numpy()

    def _drawn(self, block: Any, count: int) -> Sample:
        return sample(block, self.problem.domain, count, self.sampling.sequence, self.generator)

    def _count(self, block: Any) -> int:
        """How many points a block gets: its own, or in all more than parameters, by a factor."""
        if block.points is not None:
            return len(block.points)
        dimension = self.problem.domain.dimension
        if block.faces:
            return self.sampling.boundary or (256 if dimension <= 2 else 1024 if dimension <= 4 else 2048)
        least = 2048 if dimension > 1 else 256
        return self.sampling.interior or max(least, math.ceil(POINTS_PER_PARAMETER[self.affine] * self.model.size))

    def _tensor(self, points: Any) -> Tensor:
        return torch.as_tensor(points, dtype=self.vector.dtype, device=self.vector.device)

    # Start ------------------------------------------------------------------------------------------------------------

    def _built(self, network: KAN, blocks: Sequence[Block], ansatz: Ansatz | None) -> KAN:
        """A network for the problem: a copy of one that fits, else a new one of the same sizes."""
        domain, outputs = self.problem.domain, len(self.problem.fields)
        if network.built:
            shape = (network.first.basis.inputs, network.architecture()["outputs"])
            if shape != (domain.dimension, outputs):
                raise ConfigurationError(
                    f"expected a network with {domain.dimension} inputs and {outputs} outputs for {self.problem.name}, "
                    f"got one built with {shape[0]} and {shape[1]}; give a new KAN(width=...)"
                )
            check_degree(network, blocks)
            return copy.deepcopy(network)
        order = max(plan_of(block, domain.dimension).order for block in blocks)
        fresh = network.fitted(domain.dimension, order, affine=self.affine)
        check_degree(fresh, blocks)
        periodic = None if ansatz is None else ansatz.periodic
        return fresh.build(domain.low, domain.high, outputs, periodic=periodic, seed=self.generator)

    # Checkpoints ------------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and JSON that `restore` takes up."""
        tensors = {f"network.{name}": value for name, value in self.model.network.state_dict().items()}
        tensors["vector"] = self.vector
        for number, part in enumerate(self.residuals.parts):
            tensors |= {f"{name}.{number}": getattr(part, name) for name in OF_POINTS}
            if part.index is not None:
                tensors[f"index.{number}"] = part.index
        of_weighting, weighting = self.weighting.state(self.residuals)
        tensors |= {f"weighting.{name}": value for name, value in of_weighting.items()}
        of_method, method = self.method.state()
        tensors |= {f"method.{name}": value for name, value in of_method.items()}
        return tensors, {
            "kind": "descent",
            "counters": {name: getattr(self, name) for name in COUNTERS},
            "architecture": self.model.network.architecture(),
            "window": self.window.state(),
            "weighting": weighting,
            "method": method,
        }

    @classmethod
    def restored(cls, setting: Setting, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> Descent:
        """The descent whose `state` that was."""
        descent = cls(setting, KAN.from_architecture(numbers["architecture"], below("network.", tensors)))
        for name in COUNTERS:
            setattr(descent, name, numbers["counters"][name])
        descent.window.restore(numbers["window"])
        descent.vector = tensors["vector"].to(descent.vector)
        descent.model.assign(descent.vector)
        for number in range(len(descent.residuals.parts)):
            index = tensors.get(f"index.{number}")
            index = None if index is None else index.to(descent.vector.device)
            points, *rest = (descent._tensor(tensors[f"{name}.{number}"]) for name in OF_POINTS)
            descent.residuals.place(number, points, index)
            part = descent.residuals.parts[number]
            part.shares, part.weights, part.scale, part.level = rest
        descent.weighting.restore(descent.residuals, below("weighting.", tensors), numbers["weighting"])
        descent.method.restore(below("method.", tensors), numbers["method"])
        return descent


def fall(losses: Sequence[float], count: int) -> float:
    """The best of the last `count` losses over that of as many before; 0 where there are fewer."""
    if len(losses) < 2 * count:
        return 0.0
    before, after = min(losses[-2 * count : -count]), min(losses[-count:])
    return after / max(before, np.finfo(float).tiny) if math.isfinite(after) else math.inf


def known(loss: float) -> float:
    """The loss, infinite where it is no number."""
    return math.inf if math.isnan(loss) else loss


# The attributes that a checkpoint writes down as they are.
COUNTERS = ("stage", "iteration", "stage_iteration", "retreats", "settled", "losses", "checks", "rejected")
# The tensors of a block's points that it writes down.
OF_POINTS = ("points", "shares", "weights", "scale", "level")
