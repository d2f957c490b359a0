"""Gauss–Newton with little damping and a factor that several steps use, for residuals that are nearly linear."""

from __future__ import annotations

import math
from typing import Protocol

from torch import Tensor

from kanpde.optim.band import MIN_DAMPING, Factor, LocalLinearisation
from kanpde.optim.cgls import Solve, conjugate_gradients
from kanpde.optim.least_squares import Step

MAX_DAMPING = 1e3  # the largest damping λ
DAMPING_FACTOR = 100.0  # ratio of successive dampings
MIN_REDUCTION_RATIO = 0.05  # smallest ratio of actual to predicted reduction of an accepted step
MAX_LAGGED_DAMPING = 1e-12  # largest damping of a factor that later steps may use
LAGGED_ITERATIONS = 24  # largest number of CGLS iterations with the factor of an earlier step
LAGGED_TOLERANCE = 1e-10  # CGLS with the factor of an earlier step ends at this share of the gradient's norm


class LocalLeastSquares(Protocol):
    """A residual and its local linearisation."""

    def residual(self, vector: Tensor, /) -> Tensor:
        """Return r(θ), (N,)."""

    def linearise(self, vector: Tensor, /) -> LocalLinearisation:
        """Return r and J at θ."""


class LaggedGaussNewton:
    """p = argmin ‖J p + r‖² + λ ‖p‖²_D with D = diag(JᵀJ) (Marquardt, J. SIAM 11 (1963) 431) and increasing λ.

    The state is `damping`, the λ of the last step, and `factor`, that of an earlier JᵀJ. A factorisation costs far more
    than a few products with J, so the factor is kept as long as conjugate gradients converge with it.
    """

    def __init__(self, factor: Factor | None = None) -> None:
        self.damping, self.factor = MIN_DAMPING, factor

    def step(self, problem: LocalLeastSquares, vector: Tensor) -> Step:
        """Return one step from `vector`, (P,); it is not accepted if no damping succeeds."""
        linear = problem.linearise(vector)
        before = float(linear.residual.square().sum())
        lagged = self.factor
        if lagged is not None and lagged.damping <= MAX_LAGGED_DAMPING and lagged.storage is linear.storage:
            descent = conjugate_gradients(linear, lagged, LAGGED_ITERATIONS, LAGGED_TOLERANCE)
            if descent.left <= 1e3 * LAGGED_TOLERANCE:
                loss, ratio, _ = self._evaluate(problem, vector, linear, descent, before)
                if ratio >= MIN_REDUCTION_RATIO:
                    return Step(vector + descent.step, loss, True, before, lagged.damping, ratio, 1)
        damping, probes = max(self.damping / DAMPING_FACTOR, MIN_DAMPING), 0
        while damping <= MAX_DAMPING:
            probes += 1
            factor = Factor(linear, damping)
            if factor.solvable:
                descent = conjugate_gradients(linear, factor)
                loss, ratio, predicted = self._evaluate(problem, vector, linear, descent, before)
                if ratio >= MIN_REDUCTION_RATIO:
                    self.damping, self.factor = damping, factor
                    return Step(vector + descent.step, loss, True, before, damping, ratio, probes)
                if predicted <= 1e-12 * before:
                    break
            damping *= DAMPING_FACTOR
        return Step(vector, before, False, before, damping=self.damping, probes=probes)

    @staticmethod
    def _evaluate(
        problem: LocalLeastSquares, vector: Tensor, linear: LocalLinearisation, descent: Solve, before: float
    ) -> tuple[float, float, float]:
        """Return the loss after a step, the ratio of its actual to its predicted reduction, and the latter."""
        predicted = before - float((linear.residual + descent.image).square().sum())
        loss = float(problem.residual(vector + descent.step).square().sum())
        loss = loss if math.isfinite(loss) else math.inf
        return loss, (before - loss) / predicted if predicted > 0 else -math.inf, predicted
