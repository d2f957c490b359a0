"""The rows of an attempt: the problem's blocks at quasi-random points, for the cores of tensor trains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from kanpde.calculus.jets import JetPlan
from kanpde.collocation.rows import mean, usable_scale
from kanpde.geometry.domain import Domain
from kanpde.marching.axes import SplineAxis
from kanpde.marching.tensor_trains.algebra import Train
from kanpde.network.block_points import BlockPoints
from kanpde.network.residuals import Residuals
from kanpde.network.tensor_train import TensorTrain
from kanpde.network.trial_function import Model
from kanpde.problem.block import Block
from kanpde.problem.lift import Ansatz, Lift
from kanpde.problem.problem import Problem

LEAST_POINTS, POINTS_PER_UNKNOWN = 2048, 3  # of the equation, and of every condition
UNSEEN = 4096  # points at which a residual is measured, of the equation and of every condition


@dataclass(frozen=True, eq=False)
class TrainTask:
    """A problem to be solved by tensor trains of splines of this degree, with at most `most` unknowns."""

    problem: Problem
    degree: int
    intervals: int | None
    most: int
    seed: int = 0

    @cached_property
    def ansatz(self) -> Lift | None:
        """The lift and factor that satisfy the hard conditions; None if there are no hard conditions."""
        return Ansatz.of(self.problem)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The equation and the conditions that are not hard."""
        return self.problem.blocks()

    @cached_property
    def orders(self) -> tuple[int, ...]:
        """The highest order of the equation's and the conditions' derivatives along every axis."""
        partials = [p for block in self.blocks for each in block.partials.values() for p in each]
        return tuple(max(p.count(a) for p in partials) for a in range(self.problem.domain.dimension))

    def axes(self, intervals: int) -> tuple[SplineAxis, ...]:
        """Return axes with equidistant breakpoints."""
        domain = self.problem.domain
        periodic = (False,) * domain.dimension if self.ansatz is None else self.ansatz.periodic
        ends = zip(domain.low, domain.high, periodic, strict=True)
        return tuple(equidistant(low, high, intervals, self.degree, around) for low, high, around in ends)

    def model(self, axes: Sequence[SplineAxis], trains: Sequence[Train]) -> Model:
        """Return the model of one train for every field."""
        tensors = [[torch.as_tensor(core) for core in train] for train in trains]
        return Model(TensorTrain([axis.basis for axis in axes], tensors), self.ansatz, self.problem.constants)


def equidistant(low: float, high: float, intervals: int, degree: int, periodic: bool) -> SplineAxis:
    """Return an axis with equidistant breakpoints; a periodic one needs more intervals than its degree."""
    count = max(intervals, degree + 2) if periodic else intervals
    return SplineAxis(np.linspace(low, high, count + 1), degree, periodic)


def trains_of(model: Model) -> tuple[Train, ...]:
    """Return the trains of a model of tensor trains, one for every field."""
    network: nn.Module = model.network
    assert isinstance(network, TensorTrain)
    return tuple(tuple(core.cpu().numpy() for core in train) for train in network.trains)


def rows_at(task: TrainTask, model: Model, count: int, seed: int) -> Residuals:
    """Return the rows of a model at `count` points of the equation and of every condition."""
    rows = Residuals(model, task.blocks, task.problem.domain.names)
    rows.sample(task.problem.domain, lambda block: count, np.random.default_rng([task.seed, seed]))
    return rows


def count_for(model: Model) -> int:
    """Return the number of points for a model's unknowns."""
    return max(LEAST_POINTS, POINTS_PER_UNKNOWN * model.size)


def plain_scales(rows: Residuals, domain: Domain) -> tuple[Tensor, ...]:
    """Return for every block the size of its rows for a field with waves as long as twice the domain.

    A poor initial guess has derivatives of any size, so its terms are no measure.
    """
    return tuple(plain_scale(rows, part, domain) for part in rows.parts)


def plain_scale(rows: Residuals, part: BlockPoints, domain: Domain) -> Tensor:
    """Return Σ_α rms(∂r/∂(∂^α u)) Π_{a∈α} π/ℓ_a for every component of a block."""
    lengths = domain.high - domain.low
    typical = [math.prod(math.pi / float(lengths[a]) for a in partial) for partial in part.plan.partials]
    slopes, _ = rows.slopes(part)
    each = torch.as_tensor(typical, dtype=part.points.dtype)[:, None]
    found = [(mean(slope.square(), part.weights).sqrt() * each).sum() for slope in slopes]
    return usable_scale(torch.stack(found), torch.ones_like(part.scale))


def scaled(rows: Residuals, scales: Sequence[Tensor]) -> Residuals:
    """Return the rows, now divided by these scales."""
    for part, scale in zip(rows.parts, scales, strict=True):
        part.scale = scale
    return rows


def unseen_residual(task: TrainTask, model: Model, seed: int) -> float:
    """Return the norm of the rows, relative to their terms, at points that no step has seen."""
    rows = rows_at(task, model, UNSEEN, seed)
    rows.rescale(balanced=False)
    found = float(rows.residual(model.vector).norm())
    return found if math.isfinite(found) else math.inf


def difference(task: TrainTask, one: Model, other: Model) -> float:
    """Return the root mean square of the difference of two models' fields, relative to the first one."""
    domain = task.problem.domain
    points = torch.as_tensor(domain.interior(np.random.default_rng(0).random((UNSEEN, domain.dimension))))
    plan = JetPlan(domain.dimension, [()])
    left, right = (each.jets_at(points, plan)[:, 0] for each in (one, other))
    return float((left - right).norm() / left.norm().clamp_min(1e-300))
