"""The search for a tensor train: starts, then higher ranks or finer knots, as long as the residual falls.

An attempt is Gauss–Newton on all cores at once, from a start with given ranks and knots. The first ones start from a
sum of functions of one coordinate each, which a linear equation determines at once, and from random products. Every
later one starts from the best train: on finer knots where its highest degrees tell that these are missing, with one
more random product, or on finer knots everywhere. It is kept if the residual at unseen points is much smaller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from kanpde.errors import Ending
from kanpde.marching.axes import SplineAxis
from kanpde.marching.tensor_trains import algebra
from kanpde.marching.tensor_trains.algebra import Train
from kanpde.marching.tensor_trains.knots import finer_axes, transferred
from kanpde.marching.tensor_trains.rows import (
    TrainTask,
    count_for,
    difference,
    plain_scales,
    rows_at,
    scaled,
    trains_of,
    unseen_residual,
)
from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.optim.gauss_newton import GaussNewton
from kanpde.optim.least_squares import Step

FIRST_INTERVALS = 2  # of every axis
# The kinds of attempts; a halving has finer knots everywhere.
SUM, PRODUCT, RANK, KNOTS, HALVING = "sum", "product", "rank", "knots", "halving"
PRODUCTS = 2  # number of random products that are tried as starts
GOOD_START = 1e-2  # residual of a sum below which no products are tried
# Share of the best residual that the residual of an attempt must fall below; one more rank may gain little at first.
GAIN = {SUM: 1.0, PRODUCT: 1.0, KNOTS: 0.7, RANK: 0.9, HALVING: 0.7}
TRIES = {KNOTS: 1, RANK: 2, HALVING: 1}  # the kinds, and the number of attempts of each that may fail
ORDER, FINE_ORDER = (KNOTS, RANK, HALVING), (KNOTS, HALVING, RANK)  # the second one with a residual below FINE
FINE = 1e-5
ENOUGH = 3e-11  # residual at which the search ends
# Intervals are halved if the worst one's missing degrees have at least the first share of the residual: those that have
# the second share of the worst one's.
LACK, ALIKE = 1e-3, 1e-2
KEPT = 1e-3  # share of the residual that may be lost when superfluous ranks are dropped
DAMPING = {SUM: 1e-3, PRODUCT: 1e-1, RANK: 1e-2, KNOTS: 1e-6, HALVING: 1e-6}  # at the first step
# Numbers of steps: at least and at most. A random start may stand on a plateau for some steps.
STEPS = {SUM: (2, 20), PRODUCT: (12, 60), RANK: (6, 60), KNOTS: (2, 20), HALVING: (2, 20)}
WINDOW, FALL = 3, 0.9  # an attempt ends if its loss fell to no less than this share in as many steps
UNSEEN_SEED = 10_000  # of the points at which an attempt is measured, beyond the numbers of attempts
MEASURABLE = 0.1  # residual below which the difference of two solutions measures the error of the worse one


@dataclass(frozen=True, eq=False)
class Attempt:
    """One attempt: its kind, its number, its axes, and the trains at its start, one for every field."""

    kind: str
    number: int
    axes: tuple[SplineAxis, ...]
    trains: tuple[Train, ...]


@dataclass(frozen=True, eq=False)
class Iterate:
    """The vector of an attempt, the scales of its rows, the damping of the next step, and the losses so far."""

    vector: Tensor
    scales: tuple[Tensor, ...]
    damping: float
    losses: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Found:
    """A solution: its axes, trains and constants, and its residual at unseen points relative to the terms' sizes.

    `amplified` is the ratio of error and residual that the step from the solution before has shown, 1 at least.
    """

    axes: tuple[SplineAxis, ...]
    trains: tuple[Train, ...]
    constants: tuple[float, ...]
    residual: float
    amplified: float = 1.0

    @property
    def estimate(self) -> float:
        """The estimated relative error."""
        return self.amplified * self.residual


@dataclass(frozen=True, eq=False)
class SearchState:
    """The state of a search, on which its next step depends; `failed` are the kinds that failed since the last gain."""

    attempt: Attempt
    iterate: Iterate | None = None
    best: Found | None = None
    version: int = 0
    failed: tuple[str, ...] = ()
    done: Ending | None = None


def begin(task: TrainTask) -> SearchState:
    """Return the state at the start of the first attempt, a sum of functions of one coordinate each."""
    axes = task.axes(task.intervals or FIRST_INTERVALS)
    return SearchState(Attempt(SUM, 0, axes, (algebra.additive(axes),) * len(task.problem.fields)))


class Search:
    """A search in progress: its state, and the rows of the present attempt."""

    def __init__(self, task: TrainTask, state: SearchState) -> None:
        self.task, self.state = task, state
        self.rms: dict[str, float] = {}
        self._rows: tuple[Attempt, Model, Residuals] | None = None

    @property
    def model(self) -> Model:
        """The model of the present attempt."""
        return self._prepared()[0]

    @property
    def present(self) -> Found:
        """The present attempt as a solution whose residual is unknown."""
        model = self.model
        return Found(self.state.attempt.axes, trains_of(model), tuple(model.constants.tolist()), math.inf)

    @property
    def points(self) -> int:
        """The number of points of the present attempt."""
        return sum(len(part.points) for part in self._prepared()[1].parts)

    def step(self) -> Step:
        """Take one Gauss–Newton step; after the last one of an attempt, measure its residual and open the next."""
        task, state = self.task, self.state
        model, rows = self._prepared()
        iterate = state.iterate or first_iterate(task, state, model, rows)
        scaled(rows, iterate.scales)
        method = GaussNewton(iterate.damping)
        step = method.step(rows, iterate.vector)
        model.assign(step.vector)
        self.rms = rows.rms()
        iterate = replace(iterate, vector=step.vector, damping=method.damping, losses=(*iterate.losses, step.loss))
        self.state = replace(state, iterate=iterate)
        if over(state.attempt.kind, iterate, step):
            self.state = conclude(task, self.state, model, self.present)
        return step

    def _prepared(self) -> tuple[Model, Residuals]:
        attempt = self.state.attempt
        if self._rows is None or self._rows[0] is not attempt:
            model = self.task.model(attempt.axes, attempt.trains)
            if self.state.best is not None:
                with torch.no_grad():
                    model.constants.copy_(torch.as_tensor(self.state.best.constants, dtype=torch.float64))
            rows = rows_at(self.task, model, count_for(model), attempt.number)
            if self.state.iterate is not None:
                model.assign(self.state.iterate.vector)
            self._rows = attempt, model, rows
        return self._rows[1:]


def first_iterate(task: TrainTask, state: SearchState, model: Model, rows: Residuals) -> Iterate:
    """Return the iterate before the first step of an attempt."""
    return Iterate(model.vector, plain_scales(rows, task.problem.domain), DAMPING[state.attempt.kind])


def over(kind: str, iterate: Iterate, step: Step) -> bool:
    """Return True if an attempt has converged, or gains too little."""
    least, most = STEPS[kind]
    losses = iterate.losses
    if not step.accepted or len(losses) >= most:
        return True
    return len(losses) > max(least, WINDOW) and losses[-1] > FALL * losses[-1 - WINDOW]


def conclude(task: TrainTask, state: SearchState, model: Model, present: Found) -> SearchState:
    """Return the state after an attempt that found `present`, with its `model`: at the next attempt, or at the end."""
    attempt, best = state.attempt, state.best
    residual = unseen_residual(task, model, UNSEEN_SEED + attempt.number)
    found = replace(present, residual=residual)
    if best is None or found.residual < GAIN[attempt.kind] * best.residual:
        if best is not None and best.residual < MEASURABLE:
            before = task.model(best.axes, best.trains)
            moved = difference(task, model, before)
            found = replace(found, amplified=max(1.0, moved / max(best.residual, 1e-300)))
        state = replace(state, best=found, version=state.version + 1, failed=())
    else:
        state = replace(state, failed=(*state.failed, attempt.kind))
    return following(task, replace(state, iterate=None))


def following(task: TrainTask, state: SearchState) -> SearchState:
    """Return the state at the start of the next attempt, or at the end."""
    best, last = state.best, state.attempt
    assert best is not None
    if best.residual <= ENOUGH:
        return replace(state, done=Ending.CONVERGED)
    starts = last.kind in (SUM, PRODUCT)
    if starts and best.residual > GOOD_START and last.number < PRODUCTS:
        return replace(state, attempt=random_start(task, last), failed=())
    if starts:
        state = replace(state, failed=())
    for kind in ORDER if best.residual > FINE else FINE_ORDER:
        tried = state.failed.count(kind) >= TRIES[kind]
        attempt = None if tried else next_attempt(task, best, kind, last.number + 1)
        if attempt is not None:
            return replace(state, attempt=attempt)
    return replace(state, done=Ending.CONVERGED)


def next_attempt(task: TrainTask, best: Found, kind: str, number: int) -> Attempt | None:
    """Return the attempt of a kind from the best solution; None if it has nothing new, or too many unknowns."""
    attempt = richer(task, best, number) if kind == RANK else finer(task, best, kind, number)
    size = 0 if attempt is None else sum(algebra.size(train) for train in attempt.trains)
    return attempt if size <= task.most else None


def random_start(task: TrainTask, last: Attempt) -> Attempt:
    """Return the attempt from a random product for every field."""
    generator = np.random.default_rng([task.seed, last.number + 1])
    trains = tuple(algebra.random_product(last.axes, generator) for _ in task.problem.fields)
    return Attempt(PRODUCT, last.number + 1, last.axes, trains)


def finer(task: TrainTask, best: Found, kind: str, number: int) -> Attempt | None:
    """Return the attempt on finer knots, where they are missing or everywhere; None if none are missing."""
    least, share = (LACK * best.residual, ALIKE) if kind == KNOTS else (0.0, 0.0)
    axes = finer_axes(best.trains, best.axes, task.orders, least, share)
    if all(a is b for a, b in zip(axes, best.axes, strict=True)):
        return None
    trains = tuple(transferred(lower(task, best, train), best.axes, axes) for train in best.trains)
    return Attempt(kind, number, axes, trains)


def richer(task: TrainTask, best: Found, number: int) -> Attempt:
    """Return the attempt with one more random product for every field."""
    generator = np.random.default_rng([task.seed, number])
    trains = []
    for train in best.trains:
        product = algebra.random_product(best.axes, generator)
        factor = best.residual * algebra.size_of(train, best.axes) / algebra.size_of(product, best.axes)
        trains.append(tuple(algebra.balanced(algebra.total(lower(task, best, train), product, factor))))
    return Attempt(RANK, number, best.axes, tuple(trains))


def lower(task: TrainTask, best: Found, train: Train) -> Train:
    """Return a train without the ranks that add nothing."""
    if not any(np.abs(core).max() > 0 for core in train):
        return algebra.zero(best.axes)
    return algebra.rounded(train, best.axes, task.orders, KEPT * min(1.0, best.residual))
