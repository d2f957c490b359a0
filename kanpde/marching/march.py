"""A problem solved in a tensor product: slab after slab of time, pass after pass to a smaller error.

An evolution is solved in slabs of time, each a boundary value problem that goes on from the one before, so that
Newton's method starts near what it looks for and the unknowns stay few. In time a slab has Legendre polynomials, whose
last coefficients say whether it is short enough; in space it has splines, and where the residual is too large it is
solved again with more knots where these miss the solution. Other problems are one slab, with splines along every axis.
A pass over all slabs gives a complete solution; each pass asks for more digits than the one before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.arrays import Array
from kanpde.calculus.jets import JetPlan
from kanpde.marching import knot_placement
from kanpde.marching.axes import Axis, LegendreAxis, SplineAxis, norm
from kanpde.marching.evolution import box, evolves
from kanpde.marching.piece import Image, Shapes
from kanpde.marching.slabs import Pass, Slab, going_on, held, tail_of
from kanpde.marching.system import Numbered, System
from kanpde.marching.tensor_product import TensorProduct
from kanpde.optim.band import Factor
from kanpde.optim.lagged_gauss_newton import Newton
from kanpde.optim.least_squares import Step
from kanpde.problem.lift import Ansatz
from kanpde.problem.problem import Problem

TOLERANCES = (1e-3, 1e-5, 1e-7, 1e-9, 1e-11)  # of one pass after the other, for the residual relative to its terms
IN_TIME = 1e-2  # the same for the last coefficients in time, as a share
FIRST = {1: 8, 2: 8, 3: 2}  # intervals that the first pass' axes begin with, by the number of coordinates
GROWTH = 2.5  # of an axis' intervals from one try to the next
UNRESOLVED = 0.03  # a residual above this says that derivatives are not to be trusted; then axes grow by at least
DENSER = 1.6
GAIN = 0.5  # more knots that leave more of the residual than this do not help;
STALLS = 2  # so many times, and there are no more
HALVED = 3.0  # a residual above so many tolerances calls for a shorter slab then
DEGREE_IN_TIME = {0: 15, 1: 11, 2: 9}  # by the number of axes in space
FIRST_SLAB = 0.05  # its share of time
SHORTEST = 1e-13  # share of time
STRETCH = 1.5  # of a slab after one whose last coefficients in time are noise, which says nothing of its length
LONGER = 3.0  # than the one before, the most that a slab is
AT_START = 0.1  # the first slab is cut to this share: data that do not agree at a corner leave their mark there
SLIGHT = 0.1  # a residual over so short a time that its share of the pass is this part of the tolerance may stay
ITERATIONS = 15  # of Newton's method in a slab
STUCK = 0.5  # a step that leaves more of the loss than this is the last one, too
ENOUGH = 1e-4  # a next step of this share of the tolerance need not be taken
TRIES = 30  # at one slab
CHECKED = 16  # points along each axis, at least, at which a slab's residual is measured, and two in each interval


@dataclass(frozen=True)
class Anchor:
    """Where the factor was found that steps are using: the part of time, the vector, and the scales of the rows."""

    low: float
    high: float
    vector: Tensor
    scales: tuple[Tensor, ...]
    damping: float


class March:
    """The state machine: `step` takes one step of Newton's method, and opens and closes slabs and passes around it."""

    def __init__(
        self, problem: Problem, *, degree: int, intervals: int | None, affine: bool, most: int, device: torch.device
    ) -> None:
        self.problem, self.most, self.device = problem, most, device
        self.affine = affine and not problem.unknowns  # a constant times a field is linear in the field only
        self.domain, self.ansatz = problem.domain, Ansatz.of(problem)
        periodic = (False,) * self.domain.dimension if self.ansatz is None else self.ansatz.periodic
        self.slabbed = evolves(problem)
        self.along = self.domain.space if self.slabbed else tuple(range(self.domain.dimension))
        count = intervals or FIRST[self.domain.dimension]
        self.axes = tuple(
            SplineAxis(np.linspace(self.domain.low[a], self.domain.high[a], count + 1), degree, periodic[a])
            for a in self.along
        )
        self.names = tuple(block.name for block in problem.blocks(hard=True))
        starts = {name for name, c in problem.conditions().items() if c.is_start}
        self._first = problem.blocks()
        self._starts = tuple(b for b in self._first if b.name in starts)
        self._later = tuple(b for b in self._first if b.name not in starts)
        self._going_on = tuple(b for b in problem.blocks(hard=True) if b.name in starts)
        self.degree = degree
        self.level, self.passes, self.length, self.done = 0, 0, FIRST_SLAB, ""
        self.best: Pass | None = None
        self.slabs: list[Slab] = []
        time = self.domain.time if self.slabbed else None
        needed = (p for partials in self._first[0].partials.values() for p in partials)
        self.order = max(sum(axis != time for axis in partial) for partial in needed)
        self.seen: tuple[dict[str, float], System]  # the rows and the system of the last step
        self._numbered: dict[tuple[object, ...], Numbered] = {}
        self.method, self.anchor = Newton(), None  # type: Newton, Anchor | None
        self._begin()

    @property
    def tolerance(self) -> float:
        """The relative residual that the pass under way aims at."""
        return TOLERANCES[self.level]

    # Slabs ------------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """The slab after the last one, as long as `length` says and the rest of time allows."""
        self.tries, self.stalls, self.reached, self.uncut = 0, 0, math.inf, math.inf
        self.low, self.high = self.slabs[-1].high if self.slabs else 0.0, 1.0
        if self.slabbed:
            left = 1.0 - self.low
            pieces = max(1, math.ceil(left / self.length - 0.2))
            self.high = 1.0 if pieces == 1 else self.low + min(self.length, left / pieces)
        self._open(None)

    def _open(self, failed: Slab | None) -> None:
        """A try at the slab, from what a failed one found where there is such."""
        last = self.slabs[-1] if self.slabs else None
        self.system = self._system(last)
        self.vector = torch.as_tensor(self._start(last, failed), device=self.device)
        self.iteration, self.moved, self.method = 0, 0.0, Newton(self.method.factor)
        self.fresh = not (failed or self.slabbed)
        if not self.fresh:
            self.system.rescale(self.vector)

    def reopen(self, vector: Tensor, scales: Sequence[Tensor], anchor: Anchor | None) -> None:
        """The slab under way again, with a vector found before, and the factor that was in use."""
        last = self.slabs[-1] if self.slabs else None
        self.method, self.anchor = Newton(), anchor
        if anchor is not None:
            bounds = self.low, self.high
            self.low, self.high = anchor.low, anchor.high
            system = self._system(last)
            system.scale(anchor.scales)
            self.method.factor = Factor(system.linearise(anchor.vector), anchor.damping)
            self.low, self.high = bounds
        self.system, self.vector = self._system(last), vector
        self.system.scale(scales)

    @property
    def anchored(self) -> bool:
        """Whether the last factor found is of use for the slab under way."""
        factor = self.method.factor
        return factor is not None and factor.storage is self.system.numbered.storage

    def so_far(self) -> Pass:
        """The pass under way as if it were complete: the slab under way, and the rest of time as that ends."""
        here = self._slab()
        if self.high == 1.0:
            return Pass((*self.slabs, here))
        self.low, self.high, bounds = self.high, 1.0, (self.low, self.high)
        space = self._space()
        self.low, self.high = bounds
        rest = held(here, space, self.domain.time or 0)
        return Pass((*self.slabs, here, Slab(self.high, 1.0, space, rest, here.constants, here.residual, 0.0)))

    def _system(self, last: Slab | None) -> System:
        def before(points: Tensor, plan: JetPlan, shapes: Shapes) -> Tensor:
            assert last is not None
            return Image.of(points, last.space, plan, self.ansatz, shapes).jets(last.tensor(self.device))

        space = self._space()
        key = (last is not None, *self.axes)
        system = System(
            space,
            box(self.problem, self.slabbed, self.low, self.high),
            self._later if last else self._first,
            self.problem.fields,
            ansatz=self.ansatz,
            unknowns=tuple(self.problem.unknowns),
            device=self.device,
            going_on=self._going_on if last else (),
            before=before if last else None,
            numbered=self._numbered.get(key),
        )
        self._numbered = {key: system.numbered, **{k: n for k, n in self._numbered.items() if k[1:] == key[1:]}}
        return system

    def _space(self) -> TensorProduct:
        axes: list[Axis] = [*self.axes]
        if self.slabbed:
            assert self.domain.time is not None
            times = np.array(box(self.problem, True, self.low, self.high).bounds()["t"])
            axes.insert(self.domain.time, LegendreAxis(times, DEGREE_IN_TIME[len(self.along)]))
        return TensorProduct(axes)

    def _start(self, last: Slab | None, failed: Slab | None) -> Array:
        """The failed try's solution; else what the last slab ended with, going on as it did; else nothing."""
        space, fields = self.system.space, len(self.problem.fields)
        if failed is not None:
            return np.concatenate([space.transferred(failed.space, failed.coefficients).ravel(), failed.constants])
        if last is not None:
            return going_on(last, space, self.domain.time or 0).ravel()
        if self.slabbed and self._starts:
            return self._at_first()
        given = np.array([*self.problem.unknowns.values()], dtype=np.float64)
        constants = self.best.slabs[0].constants if self.best else given
        return np.concatenate([np.zeros(space.size * fields), constants])

    def _at_first(self) -> Array:
        """What the initial conditions alone say: the values, going on with the velocity where that is prescribed."""
        time = self.domain.time or 0
        order = max(len(p) for block in self._starts for partials in block.partials.values() for p in partials)
        axes = [LegendreAxis(a.breakpoints, order) if i == time else a for i, a in enumerate(self.system.space.axes)]
        space, fields = TensorProduct(axes), self.problem.fields
        fit = System(space, self.system.box, self._starts, fields, ansatz=self.ansatz, device=self.device)
        found = Newton().step(fit, torch.zeros(fit.size, dtype=torch.float64, device=self.device)).vector
        start = np.zeros((*self.system.space.shape, len(self.problem.fields)))
        in_time = np.moveaxis(start, time, 0)
        known = found.cpu().numpy().reshape(*fit.space.shape, len(self.problem.fields))
        in_time[: order + 1] = np.moveaxis(known, time, 0)
        return start.ravel()

    def step(self) -> Step:
        """One step of Newton's method in the slab under way."""
        if self.iteration == 1 and self.fresh:
            self.system.rescale(self.vector)
        before, factor = self.vector, self.method.factor
        step = self.method.step(self.system, before)
        if self.method.factor is not None and self.method.factor is not factor:
            self.anchor = Anchor(self.low, self.high, before, self.system.scales, self.method.factor.damping)
        self.vector = step.vector
        self.iteration += 1
        self.seen = self.system.rms(self.vector), self.system
        moved = float((self.vector - before).norm() / self.vector.norm().clamp_min(1e-300))
        first = self.iteration == 1 and self.fresh
        if not math.isfinite(step.loss):
            self.done = "diverged"
        elif not first and (self.affine or self._ended(step, moved)):
            self._close()
        return step

    def _ended(self, step: Step, moved: float) -> bool:
        """Whether Newton's method has found what it can, or finds no more; steps shrink at least as they did."""
        expected = moved * min(1.0, moved / self.moved) if self.moved else moved
        self.moved = moved
        stuck = not step.accepted or (step.loss > STUCK * step.before and self.iteration > (6 if self.fresh else 2))
        return expected <= ENOUGH * self.tolerance or stuck or self.iteration >= ITERATIONS

    def _close(self) -> None:
        """Keep the slab, or solve it again: a shorter one where time is too long, or with more knots."""
        slab = self._slab()
        self.tries += 1
        if self.tries < TRIES and (self._shortened(slab) or self._refined(slab)):
            self._open(slab if slab.residual < UNRESOLVED else None)
            return
        if slab.residual > self.tolerance:  # it is as good as it gets: the next one need not be as short
            self.length = LONGER * (self.high - self.low)
        self.slabs.append(slab)
        if self.high < 1.0:
            self._begin()
        else:
            self._finish()

    def _shortened(self, slab: Slab) -> bool:
        """Choose the next slab's length; where this one is too long, make it shorter instead."""
        if not self.slabbed:
            return False
        span, allowed = self.high - self.low, IN_TIME * self.tolerance
        factor = 0.9 * (allowed / max(slab.tail, 1e-300)) ** (1 / DEGREE_IN_TIME[len(self.along)])
        solved = slab.residual <= self.tolerance
        least = 0.25 if not solved else STRETCH if slab.flat else 1.0
        self.length = span * float(np.clip(factor, least, LONGER))
        noise = slab.flat and slab.residual < UNRESOLVED
        return not solved and slab.tail > 2 * allowed and not noise and self._cut(self.length)

    def _cut(self, length: float) -> bool:
        """Make the slab this long, if it may be so short."""
        if not self.slabbed or length < SHORTEST:
            return False
        self.length, self.high, self.reached, self.stalls = length, self.low + length, math.inf, 0
        return True

    def _refined(self, slab: Slab) -> bool:
        """More knots where the residual is too large; a shorter slab where these did not help the last time."""
        slight = slab.residual * math.sqrt(slab.high - slab.low) <= SLIGHT * self.tolerance
        if slight or slab.residual <= self.tolerance:
            return False
        self.stalls += slab.residual > GAIN * self.reached
        self.reached = slab.residual
        if self.stalls < STALLS and self._refine(slab):
            return True
        if slab.residual <= HALVED * self.tolerance or (self.slabs and slab.residual > GAIN * self.uncut):
            return False
        self.uncut = slab.residual
        return self._cut((self.high - self.low) * (0.5 if self.slabs else AT_START))

    def _slab(self) -> Slab:
        coefficients, _ = self.system.split(self.vector)
        space = self.system.space
        array = coefficients.cpu().numpy().reshape(*space.shape, len(self.problem.fields)).copy()
        constants = self.vector[coefficients.numel() :].cpu().numpy()
        tail, flat = tail_of(space, self.domain.time or 0, array) if self.slabbed else (0.0, False)
        return Slab(self.low, self.high, space, array, constants, self._residual(), tail, flat)

    def _residual(self) -> float:
        """The equation's relative residual on a grid of its own, as fine as the intervals, and the conditions'."""
        random = np.random.default_rng(0)
        lines, weights = [], np.ones(1)
        for axis in self.system.space.axes:
            b, each = axis.breakpoints, max(2, math.ceil(CHECKED / axis.intervals))
            places = (np.arange(axis.intervals * each) + random.random(axis.intervals * each)) / each
            lines.append((np.interp(places, np.arange(len(b)), b) - b[0]) / (b[-1] - b[0]))
            weights = np.multiply.outer(weights, np.repeat(np.diff(b), each)).ravel()
        unit = np.stack([line.ravel() for line in np.meshgrid(*lines, indexing="ij")], axis=-1)
        points = torch.as_tensor(self.system.box.interior(unit), device=self.device)
        shape = tuple(len(line) for line in lines)
        squares = self.system.relative_squares(self.vector, points, shape).cpu().numpy()
        return math.sqrt(float(weights @ squares / weights.sum()) + self.system.conditions_loss(self.vector))

    def _refine(self, slab: Slab) -> bool:
        """Axes with knots placed anew, and more of them."""
        if not self.axes:
            return False
        old, aim = self.axes, self.tolerance / 3
        for _ in range(60):
            self.axes = self._finer(slab, old, aim)
            if self._space().size * len(self.problem.fields) <= self.most:
                return any(a.intervals != b.intervals for a, b in zip(self.axes, old, strict=True))
            aim *= 2
        self.axes = old
        return False

    def _finer(self, slab: Slab, old: tuple[SplineAxis, ...], aim: float) -> tuple[SplineAxis, ...]:
        """Axes on which the residual is to fall to `aim`: it falls with h to the power of degree + 1 − order."""
        shrink = aim / max(slab.residual, 1e-300)
        each = []
        for a, axis in zip(self.along, old, strict=True):
            along = slab.space.values(a, slab.coefficients)
            sizes = knot_placement.derivative_sizes(axis, along) / max(norm(axis, along), 1e-300)
            each.append((axis, sizes, float(knot_placement.errors(axis, sizes).max())))
        worst = max(missed for _, _, missed in each)
        return tuple(
            knot_placement.respaced(
                axis, sizes, worst * shrink ** ((k + 1) / (k + 1 - self.order)), self._bounds(axis, slab)
            )
            for axis, sizes, _ in each
            for k in [axis.degree]
        )

    def _bounds(self, axis: SplineAxis, slab: Slab) -> tuple[int, int]:
        """How many intervals an axis may be given: more than now where estimates have failed or cannot be trusted."""
        least = DENSER if slab.residual > UNRESOLVED or self.stalls else 1.0
        return math.ceil(least * axis.intervals), math.ceil(GROWTH * axis.intervals)

    # Passes -----------------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Compare the pass with the best one, and begin the next where there is something to gain."""
        found = Pass(tuple(self.slabs))
        self.passes += 1
        better = self.best is None or found.residual < GAIN * self.best.residual
        if self.best is None or found.residual < self.best.residual:
            self.best = found
        reached = found.residual <= 30 * self.tolerance
        while self.level < len(TOLERANCES) and found.residual <= 2 * TOLERANCES[self.level]:
            self.level += 1
        if self.level == len(TOLERANCES) or not (better and reached):
            self.done = "converged: finer knots gain nothing"
            return
        self.axes = tuple(a for a in self.slabs[0].space.axes if isinstance(a, SplineAxis))
        self.length = self.slabs[0].high - self.slabs[0].low
        self.slabs = []
        self._begin()
