"""Gauss–Newton with as little damping as a step bears, for residuals that are nearly linear from where they start."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor

from kanpde.optim.least_squares import Step
from kanpde.optim.local import LocalLinearisation

LEAST, MOST = 1e-15, 1e3  # the range of λ
FACTOR = 100.0  # between neighbouring λ
RATIO = 0.05  # least actual over predicted reduction of an accepted step
FLOOR = 1e-12  # the least entry of D, relative to the largest


class LocalLeastSquares(Protocol):
    """A residual and its local linearisation."""

    def residual(self, vector: Tensor, /) -> Tensor:
        """r(θ), (N,)."""

    def linearise(self, vector: Tensor, /) -> LocalLinearisation:
        """r and J at θ."""


class Newton:
    """p = argmin ‖J p + r‖² + λ ‖p‖²_D, D = diag(JᵀJ) (Marquardt, J. SIAM 11 (1963) 431), λ from `damping` up.

    The state is one number, the λ of the last step; the next one begins `FACTOR` below it.
    """

    def __init__(self, damping: float = LEAST) -> None:
        self.damping = damping

    def step(self, problem: LocalLeastSquares, vector: Tensor) -> Step:
        """One step from `vector`; not accepted where no damping helps."""
        linear = problem.linearise(vector)
        scale = linear.squares + FLOOR * linear.squares.max()
        damping, probes = max(self.damping / FACTOR, LEAST), 0
        while damping <= MOST:
            probes += 1
            system = linear.damped(scale, damping)
            if system.solvable:
                step = system.descent()
                predicted = linear.loss - float((linear.residual + linear.product(step)).square().sum())
                loss = self._loss(problem, vector + step)
                ratio = (linear.loss - loss) / predicted if predicted > 0 else -math.inf
                if ratio >= RATIO:
                    self.damping = damping
                    return Step(vector + step, loss, True, linear.loss, damping, ratio, probes)
                if predicted <= 1e-12 * linear.loss:
                    break
            damping *= FACTOR
        return Step(vector, linear.loss, False, linear.loss, damping=self.damping, probes=probes)

    @staticmethod
    def _loss(problem: LocalLeastSquares, vector: Tensor) -> float:
        loss = float(problem.residual(vector).square().sum())
        return loss if math.isfinite(loss) else math.inf

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The damping."""
        return {}, {"damping": self.damping}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take up a damping."""
        self.damping = float(numbers["damping"])
