"""The correction of a solution: one Gauss–Newton step about it on finer splines, which estimates its error.

If u solves F(u) = 0 and v is the computed solution, then u - v = e with F'(v) e = -F(v) to first order. The equation of
e is solved in a richer space than that of v, so that e has the parts of the error which the training's own rows cannot
show: an error between the knots, a growth in time, a nearly singular direction. This is an a posteriori estimate by
defect correction (Stetter, Numer. Math. 29 (1978) 425) and it uses no known solution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from kanpde.marching import circulant
from kanpde.marching.audit.directions import DAMPINGS, DETERMINED, LARGEST_DAMPING, Direction, weakest_direction
from kanpde.marching.audit.iterated_correction import iterated_correction
from kanpde.marching.audit.noise import Noise, measurements, noise_of
from kanpde.marching.audit.parts import Part
from kanpde.marching.axes import Axis, LegendreAxis, SplineAxis
from kanpde.marching.enriched_product import product_of
from kanpde.marching.iteration import iterated, operations
from kanpde.marching.linearisation import TensorLinearisation
from kanpde.marching.piece import OnGrids, TensorFunction
from kanpde.marching.slab_system import least_sizes, periodic, rms_of_fields, rows_of_part
from kanpde.marching.smoothing import loosen, tune
from kanpde.marching.system import System
from kanpde.marching.task import MarchTask, times_of
from kanpde.marching.time_blocks import time_blocks
from kanpde.optim.band import MIN_DAMPING
from kanpde.optim.bordered import AnyFactor, factor_of, first_solvable
from kanpde.optim.lagged_gauss_newton import LaggedGaussNewton, own_step
from kanpde.optim.least_squares import Step

# Ratio of the numbers of intervals of the correction and of the solution, by the number of axes in space, at most two.
FINER = {0: 1.0, 1: 1.5, 2: 1.2}
FINER_ITERATED = {1: 1.5, 2: 1.2, 3: 1.1}  # the same of large parts
COARSER = 0.9  # factor on this ratio as long as there are too many unknowns
SUSPECT = 0.05  # a direction that the rows notice less is looked for in finer spaces
# Rows that a correction leaves, and the share of those before together with a least size, from which any direction of a
# steady solution is looked for there too: the correction's space may be too coarse for it. On one axis it always is.
UNRESOLVED, UNLOWERED, LEAST = 3e-6, 0.3, 1e-9
NOTICED = 1.0  # a direction that the rows notice more is none of these
NOISY = 10.0  # ratio of the rows of measurements to all others from which their misfit is noise
# Relative change of the rows by a change of a constant as large as itself from which measurements see the constant.
SEEN = 1e-7
REFINEMENTS = 3  # largest number of these spaces
# Ratio of their numbers of intervals, by the number of axes: a factor on two axes costs its fourth power.
STEP = {1: 2.0, 2: 1.5}
FALLEN = 0.3  # ratio for twice the number below which a direction is noticed much less
MOST_HELD = 1e9  # operations of a factor from which what training did not reach is not corrected, and counts as lost
WATCHED = 30  # first parts whose weakest direction is looked for; in later ones it is determined by the same conditions
ALIKE = 4.0  # ratio of the scales of two slabs of a linear problem below which they are the same
KEPT_AXES = 8  # number of axes that are kept for later slabs
HIGHER_IN_TIME = 2  # difference of their degrees in time


@dataclass(frozen=True, eq=False)
class Corrected:
    """A corrected part: its function, its weakest direction, its rows and the noise of its measurements.

    `before` and `after` are the norms of the rows of every block without measurements, which may be noisy. `expected`
    is the share of them that finer splines leave of a smooth solution; 0 if it is small.
    """

    function: OnGrids
    weakest: Direction | None
    before: dict[str, float]
    after: dict[str, float]
    noise: Noise | None = None
    expected: float = 0.0


class Linearised:
    """The rows of one part about its solution, linearised at `zero`, the vector of the correction 0."""

    def __init__(
        self,
        task: MarchTask,
        part: Part,
        constants: Tensor,
        before: TensorFunction | None,
        finer: float = 1.0,
        earlier: System | None = None,
        *,
        around: bool = False,
        quick: bool = False,
        least: Tensor | None = None,
    ) -> None:
        """Join the corrected part `before`, if that is given; `finer` multiplies the usual numbers of intervals.

        The unknowns are numbered as in the `earlier` system, if that has as many along each axis; they are no more than
        a factor is quick for if it is to be `quick`. No field is taken for smaller than its size in `least` (f,).
        """
        space = product_of(finer_axes(task, part, finer, around=around, quick=quick), task.more_singular)
        numbered = earlier.numbered if earlier is not None and earlier.space.shape == space.shape else None
        self.system = rows_of_part(
            task, space, part.low, part.high, before, numbered=numbered, about=part.function, least=least
        )
        self.zero = torch.zeros(self.system.size, dtype=torch.float64, device=task.device)
        self.zero[self.system.size - len(constants) :] = constants
        self.system.rescale(self.zero)
        own = self.system.scales
        if task.linear and earlier is not None:
            scale_alike(self.system, earlier)
        self._ratios = [used / each for used, each in zip(self.system.scales, own, strict=True)]
        tune(self.system, self.zero)
        loosen(self.system)

    @cached_property
    def at_zero(self) -> TensorLinearisation:
        """The rows and their Jacobian at the correction 0."""
        return self.system.linearise(self.zero)

    @cached_property
    def factor(self) -> AnyFactor | None:
        """The factor at the correction 0 with the least damping with which it exists; None if there is none."""
        return first_solvable(factor_of(self.at_zero, damping) for damping in DAMPINGS)

    @property
    def noisy(self) -> bool:
        """True if the measurements contradict the other rows, which the solution satisfies far better."""
        rows = self.at_zero.residual
        squares = sum(float(rows[each].square().sum()) for each in measurements(self.system))
        return squares > NOISY**2 * (float(rows.square().sum()) - squares)

    def residual(self, vector: Tensor) -> Tensor:
        """Return the rows (N,) at any vector."""
        return self.system.residual(vector)

    def norms_by_block(self, rows: Tensor) -> dict[str, float]:
        """Return the norm of every block's part of the rows (N,) with its own scales, without measurements."""
        found: dict[str, float] = {}
        parts = torch.split(rows, [piece.factors.numel() for piece in self.system.pieces])
        for piece, part, ratio in zip(self.system.pieces, parts, self._ratios, strict=True):
            if piece.placed.block.points is None:
                name = piece.placed.block.name
                own = ratio[:, None] * part.view(len(ratio), -1)
                found[name] = math.hypot(found.get(name, 0.0), float(own.norm()))
        return found

    def linearise(self, vector: Tensor) -> TensorLinearisation:
        """Return the rows and their Jacobian."""
        return self.at_zero if vector is self.zero else self.system.linearise(vector)


def scale_alike(system: System, earlier: System) -> None:
    """Divide the rows by the scales of an earlier system, if those are nearly its own: then both have one factor."""
    names = [[piece.placed.block.name for piece in each.pieces] for each in (system, earlier)]
    if names[0] != names[1]:
        return
    ratios = torch.cat([own / other for own, other in zip(system.scales, earlier.scales, strict=True)])
    if bool((ratios.log().abs() <= math.log(ALIKE)).all()):
        system.scale(earlier.scales)


@lru_cache(maxsize=KEPT_AXES)
def spline_axis(breakpoints: bytes, degree: int, periodic: bool, sparse: bool = False) -> SplineAxis:
    """Return the splines on these breakpoints, the same ones for slabs with equal knots: an axis keeps its values."""
    return SplineAxis(np.frombuffer(breakpoints).copy(), degree, periodic, sparse)


def finer_axes(task: MarchTask, part: Part, finer: float, *, around: bool = False, quick: bool = False) -> list[Axis]:
    """Return the axes of a correction: more intervals along each axis in space, a higher degree in time.

    They are coarser if there would be too many unknowns. One `around` periodic axes may have many, and one that is
    `quick` has no more than can be factored.
    """
    large = around or (iterated(task, part.axes, once=True) and not quick)
    ratio = finer * (FINER_ITERATED[len(part.axes)] if large else FINER[min(len(part.axes), 2)])
    each = len(task.problem.fields) * (1 if task.degree_in_time is None else task.degree_in_time + HIGHER_IN_TIME + 1)
    most = task.largest if large else task.factored
    while each * math.prod(math.ceil(ratio * axis.intervals) + axis.size - axis.intervals for axis in part.axes) > most:
        ratio *= COARSER
        if ratio * max((axis.intervals for axis in part.axes), default=0) < 1:
            break
    axes: list[Axis] = []
    for axis in part.axes:
        count = math.ceil(ratio * axis.intervals)
        places = np.linspace(0, axis.intervals, count + 1)
        breakpoints = np.interp(places, np.arange(axis.intervals + 1), axis.breakpoints)
        axes.append(spline_axis(breakpoints.tobytes(), axis.degree, axis.periodic, around and axis.sparse))
    if task.degree_in_time is not None:
        ends = times_of(task.part(part.low, part.high))
        axes.insert(task.time, LegendreAxis(ends, task.degree_in_time + HIGHER_IN_TIME))
    return axes


def finer_splines(task: MarchTask, part: Part, finer: float = 1.0) -> list[SplineAxis]:
    """Return the axes of a correction in space."""
    return [axis for axis in finer_axes(task, part, finer) if isinstance(axis, SplineAxis)]


def corrections(
    task: MarchTask, parts: Sequence[Part], constants: Tensor, finer: float = 1.0, *, directions: bool = True
) -> list[Corrected]:
    """Return the corrections of all parts in order of time; each starts from the end of the one before.

    `finer` multiplies the usual numbers of intervals. Without `directions` no weakest ones are looked for.
    """
    found: list[Corrected] = []
    before: TensorFunction | None = None
    earlier: System | None = None
    method = LaggedGaussNewton(nearby=time_blocks)
    past = list[Tensor]()
    for number, part in enumerate(parts):
        if part.held and operations(task, finer_splines(task, part, finer)) > MOST_HELD:
            found.append(Corrected(part.function, DETERMINED, {}, {"residual": 1.0}))
            continue
        by_iteration = iterated_correction(task, part, finer_axes(task, part, finer), before)
        if by_iteration is not None:
            before, direction, left, right = by_iteration
            found.append(Corrected(before, direction, left, right, expected=expected_share(task, part)))
            continue
        corrected = corrected_around(task, part, constants, before, finer, watched=directions and number < WATCHED)
        if corrected is not None:
            assert isinstance(corrected.function, TensorFunction)
            found.append(corrected)
            before = corrected.function
            continue
        least = least_sizes(task, past)
        joined, rows = before, Linearised(task, part, constants, before, finer, earlier, least=least)
        if number < 2:  # the joints of the second slab are rows like those of all later ones
            method = LaggedGaussNewton(nearby=time_blocks)
        noisy = rows.noisy
        if noisy:  # finer splines would only follow the noise
            rows = Linearised(task, part, constants, before, 1 / FINER[min(len(part.axes), 2)], least=least)
        system, (taken, shown) = rows.system, taken_and_shown(task, rows, method)
        before, earlier = system.at(shown), system
        factor = method.factor if method.factor and method.factor.storage is system.numbered.storage else None
        watched = directions and number < WATCHED and not part.held
        usable = factor if factor is not None and factor.damping <= LARGEST_DAMPING else None
        weakest: Direction | None = DETERMINED
        if watched:
            weakest = weakest_direction(system, rows.zero, rows.at_zero, usable or rows.factor)
        left, right = (rows.norms_by_block(each) for each in (rows.at_zero.residual, rows.residual(taken)))
        resolvable = watched and not (noisy or task.shaped)
        if resolvable and weakest is not None and suspected(task, weakest, left, right):
            weakest = resolved_direction(task, part, constants, joined, weakest, least)
        if factor is None and measurements(system):  # no step was accepted, as the solution is the best one here too
            factor = first_solvable([factor_of(rows.at_zero, MIN_DAMPING)])
        noise = None if factor is None else noise_of(system, rows.at_zero, factor, rows.residual(taken))
        if noise is not None:
            changes = system.split(taken - rows.zero)[1]
            noise = noise.beside({name: float(each) for name, each in changes.items()})  # errors of the space
            noise, weakest = judged_by_deviation(noise, weakest)
        found.append(Corrected(before, weakest, left, right, noise))
        if task.slabbed:
            past.append(rms_of_fields(before, task, part.low, part.high))
    return found


def around(task: MarchTask, part: Part) -> bool:
    """Return True if a part is corrected by the iteration for periodic evolutions, as it was solved."""
    known = not part.held and all(axis.periodic for axis in part.axes)
    return known and periodic(part.function) and circulant.iterated(task, part.axes)


def corrected_around(
    task: MarchTask, part: Part, constants: Tensor, before: TensorFunction | None, finer: float, *, watched: bool
) -> Corrected | None:
    """Return a part corrected on finer periodic axes; None if it is small, or if the iteration lowers no rows.

    Axes of as many splines as can be factored have no short waves, of which errors of a pattern consist; but the
    weakest direction, which is looked for on them, has none either.
    """
    if not around(task, part):
        return None
    rows = Linearised(task, part, constants, before, finer, around=True)
    step = circulant.take_step(task, rows.zero, rows.system).step
    if not step.accepted:
        return None
    weakest: Direction | None = DETERMINED
    if watched:
        few = Linearised(task, part, constants, before, finer)
        weakest = weakest_direction(few.system, few.zero, few.at_zero, few.factor)
    left, right = (rows.norms_by_block(rows.residual(each)) for each in (rows.zero, step.vector))
    return Corrected(rows.system.at(step.vector), weakest, left, right, expected=expected_share(task, part))


def suspected(task: MarchTask, weakest: Direction, left: Mapping[str, float], right: Mapping[str, float]) -> bool:
    """Return True if a part may have a weaker direction in finer spaces.

    That is if its own one is weak; or if the correction of a steady solution leaves many rows, or most of those that it
    was to lower, as it does where its space resolves no front.
    """
    if weakest.noticed < SUSPECT or task.slabbed:
        return weakest.noticed < SUSPECT
    before, after = (math.hypot(*each.values()) for each in (left, right))
    unresolved = len(task.along) == 1 or after > UNRESOLVED or after > max(UNLOWERED * before, LEAST)
    return weakest.noticed < NOTICED and unresolved


def taken_and_shown(task: MarchTask, rows: Linearised, method: LaggedGaussNewton) -> tuple[Tensor, Tensor]:
    """Return the vectors after a step that lowers the rows, and after one that shows all of a large error."""
    steady = not (task.slabbed or measurements(rows.system))
    if steady and task.linear and rows.factor is not None:  # no damping lowers what is left, which is round-off
        shown = rows.zero + own_step(rows.at_zero, rows.factor).step
        if bool(shown.isfinite().all()):
            lower = bool(rows.residual(shown).norm() < rows.at_zero.residual.norm())
            return shown if lower else rows.zero, shown
    step = method.step(rows, rows.zero)
    return step.vector, undamped(rows, step) if steady else step.vector


def undamped(rows: Linearised, step: Step) -> Tensor:
    """Return the vector after a step without damping, which shows all of a large error, as far as that is linear.

    The rows may be larger there, so that Gauss–Newton damps such a step until it shows but a share of the error. It is
    that of the given step if this has no damping, or if there is no factor.
    """
    if step.accepted and step.damping <= LARGEST_DAMPING:
        return step.vector
    if rows.factor is None:
        return step.vector
    vector = rows.zero + own_step(rows.at_zero, rows.factor).step
    return vector if bool(vector.isfinite().all()) else step.vector


def judged_by_deviation(noise: Noise, weakest: Direction | None) -> tuple[Noise, Direction | None]:
    """Return the noise, with an infinite deviation of a constant that nothing determines, and the weakest direction,
    which is not weak if it is a change of a constant of known deviation."""
    if weakest is None or weakest.unknown is None or weakest.unknown not in noise.known:
        return noise, weakest
    if weakest.noticed > SEEN:
        return noise, replace(weakest, noticed=1.0)
    return noise.beside({weakest.unknown: math.inf}), weakest


def resolved_direction(
    task: MarchTask,
    part: Part,
    constants: Tensor,
    before: TensorFunction | None,
    weakest: Direction,
    least: Tensor | None,
) -> Direction:
    """Return a part's weakest direction in finer spaces, as long as the rows notice it much less there.

    The space of the correction may be too coarse for a direction that oscillates more than the solution does.
    """
    ratio = STEP[min(max(len(part.axes), 1), 2)]
    fallen = FALLEN ** math.log2(ratio)
    for power in range(1, REFINEMENTS + 1):
        rows = Linearised(task, part, constants, before, ratio**power, quick=True, least=least)
        finer = weakest_direction(rows.system, rows.zero, rows.at_zero)
        if finer is None or finer.noticed > fallen * weakest.noticed:
            return weakest if finer is None else replace(weakest, resolved=True)
        weakest = finer
    return weakest


def expected_share(task: MarchTask, part: Part) -> float:
    """Return the share of the equation's residual, which is as h^{degree + 1 - order}, that finer splines leave."""
    pairs = zip(part.axes, finer_splines(task, part), strict=True)
    return max(float((one.intervals / other.intervals) ** (one.degree + 1 - task.order)) for one, other in pairs)
