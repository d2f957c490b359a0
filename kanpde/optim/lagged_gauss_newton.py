"""Gauss–Newton with as little damping as a step bears, for residuals that are nearly linear from where they start."""

from __future__ import annotations

import math
from typing import Protocol

from torch import Tensor

from kanpde.optim.band import Factor, LocalLinearisation
from kanpde.optim.cgls import Solve, conjugate_gradients
from kanpde.optim.least_squares import Step

LEAST, MOST = 1e-15, 1e3  # the range of the damping λ
FACTOR = 100.0  # the ratio of neighbouring dampings
RATIO = 0.05  # least actual over predicted reduction of an accepted step
SLIGHT = 1e-12  # the largest damping of a factor that may be used again
REUSED = 24  # the most CGLS iterations with a factor that is used again
ENOUGH = 1e-10  # the share of the gradient that CGLS aims to leave with a factor used again


class LocalLeastSquares(Protocol):
    """A residual and its local linearisation."""

    def residual(self, vector: Tensor, /) -> Tensor:
        """r(θ), (N,)."""

    def linearise(self, vector: Tensor, /) -> LocalLinearisation:
        """r and J at θ."""


class LaggedGaussNewton:
    """p = argmin ‖J p + r‖² + λ ‖p‖²_D, D = diag(JᵀJ) (Marquardt, J. SIAM 11 (1963) 431), λ from `damping` up.

    The state is the λ of the last step, and a `factor` of an earlier JᵀJ: that is far dearer than a few more products
    with J, and is used again as long as conjugate gradients bear it.
    """

    def __init__(self, factor: Factor | None = None) -> None:
        self.damping, self.factor = LEAST, factor

    def step(self, problem: LocalLeastSquares, vector: Tensor) -> Step:
        """One step from `vector`; not accepted where no damping helps."""
        linear = problem.linearise(vector)
        before = float(linear.residual.square().sum())
        if self.factor is not None and self.factor.damping <= SLIGHT and self.factor.storage is linear.storage:
            descent = conjugate_gradients(linear, self.factor, REUSED, ENOUGH)
            if descent.left <= 1e3 * ENOUGH:
                loss, ratio, _ = self._tried(problem, vector, linear, descent, before)
                if ratio >= RATIO:
                    return Step(vector + descent.step, loss, True, before, self.factor.damping, ratio, 1)
        damping, probes = max(self.damping / FACTOR, LEAST), 0
        while damping <= MOST:
            probes += 1
            factor = Factor(linear, damping)
            if factor.solvable:
                descent = conjugate_gradients(linear, factor)
                loss, ratio, predicted = self._tried(problem, vector, linear, descent, before)
                if ratio >= RATIO:
                    self.damping, self.factor = damping, factor
                    return Step(vector + descent.step, loss, True, before, damping, ratio, probes)
                if predicted <= 1e-12 * before:
                    break
            damping *= FACTOR
        return Step(vector, before, False, before, damping=self.damping, probes=probes)

    @staticmethod
    def _tried(
        problem: LocalLeastSquares, vector: Tensor, linear: LocalLinearisation, descent: Solve, before: float
    ) -> tuple[float, float, float]:
        """The loss after a step, its actual over its predicted reduction, and this."""
        predicted = before - float((linear.residual + descent.image).square().sum())
        loss = float(problem.residual(vector + descent.step).square().sum())
        loss = loss if math.isfinite(loss) else math.inf
        return loss, (before - loss) / predicted if predicted > 0 else -math.inf, predicted
