"""Gauss–Newton with probed damping and geodesic acceleration.

At every step the Jacobian is made once, and several dampings λ are tried for

    p = argmin ‖J p + r‖² + λ ‖p‖²_D,    D = diag(JᵀJ) (Marquardt's scaling) + a floor.

The smallest λ whose actual reduction is at least `ratio` of the predicted one wins: bold steps where the model allows
them (Webb, Jerad and Cartis, arXiv 2607.02194). Each trial step is bent along the valley by half the geodesic
acceleration a = −(JᵀJ + λD)⁻¹ Jᵀ r_pp, with r_pp = d²r(θ + h p)/dh² by a finite difference (Transtrum and Sethna, arXiv
1201.5885, eq. (17)–(19)).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kanpde.device import threads_for
from kanpde.optim.least_squares import Damped, LeastSquares, Linearisation, Step
from kanpde.optim.woodbury import Woodbury

RATIO = 0.075  # least actual over predicted reduction of an accepted step, as in the paper
FLOOR = 1e-5  # the least entry of D, relative to the largest: columns that hardly act are held, not freed
SMALLEST, LARGEST = 1e-16, 1e12  # the range of λ
STEP, STRIDE = 4.0, 16.0  # the factors between neighbouring λ: near the last one, and farther away
NEAR = 3  # how many probes go in small factors
BEND = 1.5  # largest 2‖a‖/‖p‖ of an acceleration that is used
DIFFERENCE = 0.1  # the h of the finite difference


@dataclass(frozen=True)
class Trial:
    """A step tried for one damping."""

    vector: Tensor
    loss: float
    damping: float
    ratio: float
    accelerated: bool


class GaussNewton:
    """The method's state is one number, `damping`, the λ of the last step."""

    def __init__(self, damping: float = 1e-3, probes: int = 16) -> None:
        self.damping, self.probes = damping, probes

    def step(self, problem: LeastSquares, vector: Tensor) -> Step:
        """One step from `vector`."""
        search = Search(problem, vector, problem.linearise(vector))
        best, count = self._search(search)
        if best is None:
            return Step(vector, search.linear.loss, False, search.linear.loss, damping=self.damping, probes=count)
        self.damping = best.damping
        return Step(best.vector, best.loss, True, search.linear.loss, best.damping, best.ratio, count, best.accelerated)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The damping."""
        return {}, {"damping": self.damping}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take up a damping."""
        self.damping = float(numbers["damping"])

    def retreat(self) -> None:
        """More damping."""
        self.damping = clamped(self.damping * STRIDE**2)

    def _search(self, search: Search) -> tuple[Trial | None, int]:
        """Down from the last damping while trials are good; up, if the first was not, until one is."""
        damping = clamped(self.damping / STEP)
        best = search.trial(damping)
        count, down = 1, best is not None
        while count < self.probes and (damping > SMALLEST if down else damping < LARGEST):
            damping = clamped(damping * (STEP if count < NEAR else STRIDE) ** (-1 if down else 1))
            trial = search.trial(damping)
            count += 1
            if down and trial is None:
                break
            best = trial
            if not down and trial is not None:
                break
        return best, count


class Search:
    """Trial steps from one point."""

    def __init__(self, problem: LeastSquares, vector: Tensor, linear: Linearisation) -> None:
        self._problem, self._vector, self.linear = problem, vector, linear
        self._scale, self._system = systems(linear.factor)
        self._gradient = linear.factor.T @ linear.rest

    def trial(self, damping: float) -> Trial | None:
        """The step for one damping, bent where that is good enough, else straight; None where neither is."""
        system = self._system(damping)
        if not system.solvable:
            return None
        step = system.descent(self.linear.rest, self._gradient)
        predicted = self.linear.predicted(step)
        bent = self._bent(system, step)
        for candidate in ([] if bent is None else [bent]) + [step]:
            loss = self._loss(candidate)
            ratio = (self.linear.loss - loss) / predicted if predicted > 0 else -math.inf
            if ratio >= RATIO:
                return Trial(self._vector + candidate, loss, damping, ratio, candidate is bent)
        return None

    def _loss(self, step: Tensor) -> float:
        loss = float(self._problem.residual(self._vector + step).square().sum())
        return loss if math.isfinite(loss) else math.inf

    def _bent(self, system: Damped | Woodbury, step: Tensor) -> Tensor | None:
        """p + a/2, None where the second order is too large to be trusted."""
        ahead = self._problem.residual(self._vector + DIFFERENCE * step)
        # r_pp = 2/h ((r(θ + h p) − r)/h − J p)
        chord = 2 / DIFFERENCE**2 * (ahead - self.linear.residual)
        acceleration = -system.pulled(*self.linear.product_and_pulled(step, -2 / DIFFERENCE, chord))
        if not 2 * self._norm(acceleration) <= BEND * self._norm(step):
            return None
        return step + acceleration / 2

    def _norm(self, step: Tensor) -> float:
        return float(torch.sqrt((self._scale * step.square()).sum()))


def systems(factor: Tensor) -> tuple[Tensor, Callable[[float], Damped | Woodbury]]:
    """D, and the damped system of every λ: in the space of parameters, or of rows where these are fewer."""
    wide = factor.shape[0] < factor.shape[1]
    with threads_for(2 * len(factor) * factor.shape[1] ** 2):
        gram = factor.T @ factor if not wide else None
    squares = factor.square().sum(dim=0) if gram is None else gram.diagonal()
    scale = squares + FLOOR * squares.max()
    if gram is None:
        rows = (factor / scale) @ factor.T
        return scale, lambda damping: Woodbury(factor, rows, scale, damping)
    return scale, lambda damping: Damped(factor, gram, scale, damping)


def clamped(damping: float) -> float:
    """The damping within its range."""
    return min(max(damping, SMALLEST), LARGEST)
