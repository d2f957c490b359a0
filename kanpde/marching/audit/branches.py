"""Other solutions of a nonlinear problem, by deflation: Gauss–Newton's iteration with the known solutions as poles.

If u₁ solves F(u) = 0, then M(u) F(u) = 0 with M(u) = 1 + σ²/‖u − u₁‖² has the other solutions, but not u₁. Its step is
the step d of F times 1/(1 − M'd/M), so it costs as much (Farrell, Birkisson, Funke, SIAM J. Sci. Comput. 37 (2015)
A2026). The iteration starts beside u₁ in its weakest direction, along which solutions branch off: first where the
part of the rows that this direction changes least is as at u₁, then at given distances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.jets import JetPlan
from kanpde.collocation.affine import is_affine
from kanpde.marching.audit.correction import Linearised
from kanpde.marching.audit.directions import DAMPINGS, weakest_vector
from kanpde.marching.audit.parts import Part
from kanpde.marching.piece import OnGrids, TensorFunction
from kanpde.marching.split import Split
from kanpde.marching.task import MarchTask
from kanpde.optim.bordered import factor_of, first_solvable
from kanpde.optim.lagged_gauss_newton import own_step

SEARCHED = {1: 100, 2: 300}  # number of unknowns of the search, by the number of coordinates, for each field
MOST = 600  # largest number of unknowns of the search
RICHER = 8.0  # factor on the usual numbers of intervals of the correction, as far as the number of unknowns allows
NOTHING = 1e-15  # size of a known solution that is zero, so that it says nothing of the size of others
FINE = 2  # ratio of the numbers of unknowns of the space in which a solution is confirmed, and of the search
# Distances from the known solution, in multiples of its size, by the number of coordinates.
STARTS = {1: (1.0, -1.0, 4.0, -4.0, 20.0, -20.0), 2: (1.0, -1.0)}
# Multiples of the known size between which the rows are looked at along the direction (nearly every quadratic equation
# has far larger solutions, which nobody means), how many of them, and the largest number of starts from there.
NEAREST, FARTHEST, LOOKED_AT, FROM_ROWS = 1e-4, 20.0, 33, 2
STEPS, DAMPED_STEPS, PATIENT_STEPS = 12, 24, 40  # from each start
HALVED = 4  # so many times at most a step that does not lower the rows is halved
POLISHED = 8  # largest number of steps in the space of the correction
LONGEST = 10.0  # largest factor that deflation puts on a step
SETTLED = 1e-8  # relative change at which the iteration has converged
LINEAR = 1e-6  # share of a start that one step leaves if the problem is linear
DISTINCT = 1e-3  # least distance of two solutions, relative to their size
ROUGHLY = 1e-2  # relative residual of a solution in the space of the search
SOLVES, FALLEN = 1e-4, 0.2  # the same in a richer space, and the share of the first one that is as good


@dataclass(frozen=True, eq=False)
class Branch:
    """Another solution, and the values of it and of the known one of a field, at the point where they differ most."""

    function: TensorFunction
    point: dict[str, float]
    field: str
    known: float
    other: float


def branches_off(task: MarchTask) -> bool:
    """Return True if a problem may have several solutions, and does not say which of them is meant."""
    return not (task.slabbed or task.problem.unknowns or task.guess or isinstance(task.problem, Split))


def searched(task: MarchTask) -> bool:
    """Return True if the problem is small enough for a search for other solutions."""
    return len(task.along) in SEARCHED


def another_branch(
    task: MarchTask, part: Part, constants: Tensor, others: Sequence[OnGrids] = (), *, patient: bool = False
) -> Branch | None:
    """Return another solution than the stationary one of `part` and the `others`; None if none is found.

    A patient search has more starts and more steps.
    """
    if all(is_affine(block, task.problem) for block in task.blocks):
        return None
    most = min(SEARCHED[len(part.axes)] * len(task.problem.fields), MOST)
    small = Search(replace(task, most=min(task.most, most), most_iterated=0), part, constants)
    weakest = weakest_vector(small.system, small.rows.zero, small.rows.at_zero)
    if weakest is None:
        return None
    poles = [small.values(small.rows.zero), *(small.values_of(function) for function in others)]
    size = float(poles[0].norm())
    size = size if size > NOTHING else 1.0
    start = size / float(small.change(weakest).norm()) * weakest
    near = small.shares_of_others(start)
    if not near and small.linear(start):
        return None
    for number, share in enumerate((*near, *(STARTS[1] if patient else STARTS[len(part.axes)]))):
        damped = number < len(near)  # such a start is near a solution, but perhaps not near enough for whole steps
        steps = PATIENT_STEPS if patient else DAMPED_STEPS if damped else STEPS
        found = small.iterate(share * start, steps, poles, size, damped=damped)
        rough = math.inf if found is None else small.residual(found)
        if found is None or rough > ROUGHLY:
            continue
        there = replace(part, function=small.system.at(found))
        fine = Search(replace(task, most=min(task.most, FINE * most), most_iterated=0), there, constants)
        vector = fine.iterate(fine.rows.zero, POLISHED)
        if vector is None or fine.residual(vector) > max(SOLVES, FALLEN * rough):
            continue
        branch = fine.compared(vector, part.function)
        if branch is not None:
            return branch
    return None


class Search:
    """The rows of a stationary problem about a known solution, and Gauss–Newton's iteration from other functions."""

    def __init__(self, task: MarchTask, part: Part, constants: Tensor) -> None:
        self.rows = Linearised(task, part, constants, None, RICHER)
        self.system = self.rows.system
        self.plan = JetPlan(self.system.domain.dimension, [()])
        self.interiors = self.system.interiors(self.plan)
        self.dampings: Sequence[float] = DAMPINGS  # with the first of which there was a factor, the last time

    def values(self, vector: Tensor) -> Tensor:
        """Return the fields at the points inside, with the roots of the weights, so that norms are those of L2."""
        coefficients, _ = self.system.split(vector)
        with torch.no_grad():
            each = [
                share.sqrt()[:, None] * own * image.jets(coefficients)[:, 0] for image, share, own in self.interiors
            ]
        return torch.cat([one.reshape(-1) for one in each])

    def values_of(self, function: OnGrids) -> Tensor:
        """Return the same of any function."""
        with torch.no_grad():
            each = [
                share.sqrt()[:, None] * own * function.jets(function.prepare(image.points, self.plan))[:, 0]
                for image, share, own in self.interiors
            ]
        return torch.cat([one.reshape(-1) for one in each])

    def change(self, step: Tensor) -> Tensor:
        """Return the change of the values by a step, without the rounding errors of a difference."""
        coefficients, _ = self.system.split(step)
        with torch.no_grad():
            each = [
                share.sqrt()[:, None] * own * image.own_jets(coefficients)[:, 0] for image, share, own in self.interiors
            ]
        return torch.cat([one.reshape(-1) for one in each])

    def step(self, vector: Tensor) -> Tensor | None:
        """Return a Gauss–Newton step; None if there is none."""
        linear = self.system.linearise(vector)
        factor = first_solvable(factor_of(linear, damping) for damping in self.dampings)
        if factor is None:
            return None
        self.dampings = [damping for damping in self.dampings if damping >= factor.damping]
        step = own_step(linear, factor, SETTLED).step
        return step if bool(step.isfinite().all()) else None

    def linear(self, start: Tensor) -> bool:
        """Return True if one step from there leads to the known solution, or if there is no step."""
        step = self.step(start)
        return step is None or float(self.change(start + step).norm()) <= LINEAR * float(self.change(start).norm())

    def shares_of_others(self, start: Tensor) -> tuple[float, ...]:
        """Return the least multiples s of `start`, which is the weakest direction v, that could be other solutions.

        They are those at which the part g(s) of the rows F(u + s v) − F(u) along F'(u) v, the rows that only a weak
        direction lacks, has the value 0 again. For the lowest terms in v, this is Lyapunov's and Schmidt's equation.
        """
        zero = self.rows.zero
        here = self.system.residual(zero)
        lacking = self.rows.at_zero.product(start)
        found = list[float]()
        for sign in (1.0, -1.0):
            shares, before = sign * np.geomspace(NEAREST, FARTHEST, LOOKED_AT), 1.0
            for nearer, share in pairwise([0.0, *shares]):
                slope = float(lacking @ (self.system.residual(zero + share * start) - here)) / share
                if not math.isfinite(slope):
                    break
                if slope <= 0 < before and nearer:
                    found.append(nearer + (share - nearer) * before / (before - slope))
                before = slope
        return tuple(sorted(found, key=abs)[:FROM_ROWS])

    def iterate(
        self, vector: Tensor, steps: int, poles: Sequence[Tensor] = (), size: float = 1.0, *, damped: bool = False
    ) -> Tensor | None:
        """Return where at most this number of steps leads, deflated by the poles; None if they do not converge."""
        self.system.rescale(vector)
        for _ in range(steps):
            step = self.step(vector)
            if step is None:
                return None
            here = self.values(vector)
            change = self.change(step)
            share = deflation([here - pole for pole in poles], change, size)
            if damped:
                share *= self.shortened(vector, share * step)
            vector = vector + share * step
            if float(change.norm()) <= SETTLED * max(float(here.norm()), 1e-300):
                return vector
        return None

    def shortened(self, vector: Tensor, step: Tensor) -> float:
        """Return the largest share of a step, of 1, 1/2, 1/4, …, that lowers the rows; the least one if none does."""
        before = float(self.system.residual(vector).norm())
        shares = [0.5**power for power in range(HALVED + 1)]
        lower = (each for each in shares if float(self.system.residual(vector + each * step).norm()) < before)
        return next(lower, shares[-1])

    def residual(self, vector: Tensor) -> float:
        """Return the relative residual, with the sizes of the terms there."""
        self.system.rescale(vector)
        return float(self.system.residual(vector).norm())

    def compared(self, vector: Tensor, known: OnGrids) -> Branch | None:
        """Return the solution as a branch, compared with the known one; None if they are the same."""
        here, there = self.values(vector), self.values_of(known)
        if not float((here - there).norm()) > DISTINCT * max(float(here.norm()), float(there.norm())):
            return None
        function, found = self.system.at(vector), list[tuple[float, Branch]]()
        for image, _, own in self.interiors:
            one, other = (f.jets(f.prepare(image.points, self.plan))[:, 0] * own for f in (known, function))
            n, f = divmod(int((other - one).abs().argmax()), one.shape[1])
            point = dict(zip(self.system.domain.names, image.points[n].tolist(), strict=True))
            branch = Branch(function, point, self.system.fields[f], float(one[n, f]), float(other[n, f]))
            found.append((abs(branch.other - branch.known), branch))
        return max(found, key=lambda pair: pair[0])[1]


def deflation(gaps: Sequence[Tensor], change: Tensor, size: float) -> float:
    """Return 1/(1 − M'd/M) with M = Π (1 + σ²/‖gap‖²), at most `LONGEST`; 1 without gaps."""
    slope = 0.0
    for gap in gaps:
        square = max(float(gap.square().sum()), 1e-300) / size**2
        slope -= 2 * float(gap @ change) / size**2 / (square * (square + 1))
    share = 1 / (1 - slope) if slope != 1 else math.inf
    return math.copysign(min(abs(share), LONGEST), share)
