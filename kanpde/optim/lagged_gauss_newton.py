"""Gauss–Newton with little damping and a factor that several steps use, for residuals that are nearly linear."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from kanpde.optim.band import MIN_DAMPING, Factor
from kanpde.optim.bordered import AnyFactor, BorderedFactor, BorderedLinearisation, factor_of, function_factor
from kanpde.optim.cgls import TOLERANCE, Solve, conjugate_gradients
from kanpde.optim.least_squares import Step

MAX_DAMPING = 1e3  # the largest damping λ
DAMPING_FACTOR = 100.0  # ratio of successive dampings
MIN_REDUCTION_RATIO = 0.05  # smallest ratio of actual to predicted reduction of an accepted step
MAX_LAGGED_DAMPING = 1e-12  # largest damping of a factor that later steps may use
LAGGED_ITERATIONS = 24  # largest number of CGLS iterations with the factor of an earlier step
# Dampings of unknown constants, tried if a step does not reduce the loss as predicted.
DAMPINGS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)
AS_PREDICTED = (0.5, 1.2)  # ratios of the actual to the predicted reduction that need none of them
ROUND_OFF = 1e-10  # predicted reduction, relative to the loss, of which rounding errors leave nothing
SHORTEST = 1e-12  # length of a step, relative to the vector, below which it is a rounding error
LITTLE = 1e-3  # predicted reduction, relative to the loss, that may be exceeded
FOLLOWED = 1e-6  # largest remaining gradient of a step at fixed constants with the factor of another vector
SOLVED = 1e-3  # relative residual below which a step may raise the loss, if the steps after it lower it
LONGEST_WAY = 20  # largest number of these steps
GROWTH = 3.0  # largest ratio of the lengths of two of them
SHORTENINGS = 6  # number of shorter steps that are tried
SHORT_RATIO = 0.25  # smallest ratio of the actual to the predicted reduction of a shorter step
LAGGED_TOLERANCE = 1e-10  # CGLS with the factor of an earlier step ends at this share of the gradient's norm
LAGGED_PRECISE = 1e-13  # the same for an orthogonal factor, because coefficients that hardly matter then stay small


class LocalLeastSquares(Protocol):
    """A residual and its local linearisation."""

    def residual(self, vector: Tensor, /) -> Tensor:
        """Return r(θ), (N,)."""

    def linearise(self, vector: Tensor, /) -> BorderedLinearisation:
        """Return r and J at θ."""


class LaggedGaussNewton:
    """p = argmin ‖J p + r‖² + λ ‖p‖²_D with D = diag(JᵀJ) (Marquardt, J. SIAM 11 (1963) 431) and increasing λ.

    The state is `damping`, the λ of the last step, and `factor`, that of an earlier JᵀJ. A factorisation costs far more
    than a few products with J, so the factor is kept as long as conjugate gradients converge with it.

    If there are unknown constants z beside coefficients x, a step to (x + p, z + q) is followed by a step of x alone,
    at fixed constants. Then ‖r‖ is compared on the curve x(z) that the equation describes, so a small weight of
    measurements beside an exact equation does not force small steps (Kaufman, BIT 15 (1975) 49). The constants have
    dampings of their own.

    A step with its own factor is solved to the last digit; one with an earlier factor, if another step follows anyway,
    until its error would change the residual by no more than a `share` of it.

    `nearby` returns the factor of a matrix near JᵀJ of a linearisation, if there is one that costs far less than its
    own. It is tried as an earlier factor is, and after that.
    """

    def __init__(
        self,
        factor: AnyFactor | None = None,
        share: float = 0.0,
        nearby: Callable[[Any], AnyFactor | None] | None = None,
    ) -> None:
        self.damping, self.factor, self.share, self.nearby = MIN_DAMPING, factor, share, nearby

    def step(self, problem: LocalLeastSquares, vector: Tensor) -> Step:
        """Return one step from `vector`, (P,); it is not accepted if no damping succeeds."""
        linear = problem.linearise(vector)
        before = float(linear.residual.square().sum())
        for near in self._near(linear):
            tolerance = LAGGED_PRECISE if linear.storage.orthogonal else LAGGED_TOLERANCE
            descent = conjugate_gradients(linear, near, LAGGED_ITERATIONS, tolerance, self.share)
            if descent.close or descent.left <= 1e3 * LAGGED_TOLERANCE:
                trial = trial_of(problem, vector, linear, near, descent)
                if trial.ratio >= MIN_REDUCTION_RATIO:
                    self.factor = near
                    return Step(trial.vector, trial.loss, True, before, near.damping, trial.ratio, 1)
                if is_round_off(trial, vector):
                    return Step(vector, before, False, before, damping=self.damping, probes=1)
        damping, probes = max(self.damping / DAMPING_FACTOR, MIN_DAMPING), 0
        while damping <= MAX_DAMPING:
            probes += 1
            factor = factor_of(linear, damping)
            if factor.solvable:
                trial = best_trial(problem, vector, linear, factor)
                if trial.ratio >= MIN_REDUCTION_RATIO:
                    self.damping, self.factor = damping, factor
                    return Step(trial.vector, trial.loss, True, before, damping, trial.ratio, probes)
                if trial.predicted <= ROUND_OFF * before or is_round_off(trial, vector):
                    break
                if probes == 1 and before < SOLVED**2:
                    over = across(problem, vector, trial.vector, before)
                    if over is not None:
                        self.damping, self.factor = damping, None
                        return Step(*over, True, before, damping, 1.0, probes)
                shorter = shortened(problem, vector, trial, before) if probes == 1 else None
                if shorter is not None:
                    self.damping, self.factor = damping, factor
                    return Step(shorter.vector, shorter.loss, True, before, damping, shorter.ratio, probes)
            damping *= DAMPING_FACTOR
        return Step(vector, before, False, before, damping=self.damping, probes=probes)

    def _near(self, linear: BorderedLinearisation) -> Iterator[AnyFactor]:
        """Yield the factor of an earlier step, if it may be used, and one that is nearby; later ones are not made."""
        lagged = self.factor
        usable = lagged is not None and lagged.reusable and lagged.damping <= MAX_LAGGED_DAMPING
        if lagged is not None and usable and lagged.storage is linear.storage:
            yield lagged
        near = None if self.nearby is None else self.nearby(linear)
        if near is not None:
            yield near


def across(problem: LocalLeastSquares, start: Tensor, vector: Tensor, before: float) -> tuple[Tensor, float] | None:
    """Return where undamped steps from `vector` lead, and the loss there, if that is smaller than `before` at `start`.

    A small residual may leave the place of a front or a spike open. Damped steps stay in that valley, whose floor is
    all but level, while a step along it leaves the floor where it is curved; the next one leads back to it. So the loss
    may rise on the way, as long as the steps do not grow (the watchdog of Chamberlain, Powell, Lemarechal and Pedersen,
    Math. Program. Study 16 (1982) 1; natural level functions: Deuflhard, Newton Methods for Nonlinear Problems, 2004).
    """
    length = float((vector - start).norm())
    for _ in range(LONGEST_WAY):
        linear = problem.linearise(vector)
        loss = float(linear.residual.square().sum())
        if loss < before:
            return vector, loss
        factor = factor_of(linear, MIN_DAMPING)
        step = own_step(linear, factor).step if math.isfinite(loss) and factor.solvable else None
        if step is None or not float(step.norm()) <= GROWTH * length:
            return None
        vector, length = vector + step, float(step.norm())
    return None


@dataclass(frozen=True)
class Trial:
    """A vector, its loss, the ratio of the loss's actual to its predicted reduction, and the predicted one."""

    vector: Tensor
    loss: float
    ratio: float
    predicted: float


def shortened(problem: LocalLeastSquares, vector: Tensor, trial: Trial, before: float) -> Trial | None:
    """Return the trial of the longest of the steps p/2, p/4, ... that reduces the loss as predicted, if any does.

    An undamped step p solves the linearised equations, so that r(θ + αp) = (1 - α) r(θ) + O(α²) decreases, however long
    p is; a damped step turns to the gradient, which is steep in other directions than those of the solution
    (Deuflhard, Newton Methods for Nonlinear Problems, 2004).
    """
    step = trial.vector - vector
    for power in range(1, SHORTENINGS + 1):
        share = 0.5**power
        predicted = share * (2 - share) * trial.predicted
        after = vector + share * step
        loss = float(problem.residual(after).square().sum())
        if before - loss >= SHORT_RATIO * predicted:
            return Trial(after, loss, (before - loss) / predicted, predicted)
    return None


def is_round_off(trial: Trial, vector: Tensor) -> bool:
    """Return True if a step is so short that no damping of it helps: rounding errors make the loss what it is."""
    return float((trial.vector - vector).norm()) <= SHORTEST * float(vector.norm())


def best_trial(problem: LocalLeastSquares, vector: Tensor, linear: BorderedLinearisation, factor: AnyFactor) -> Trial:
    """Return the step; or, if it does not reduce the loss as predicted, the best of those with damped constants."""
    descent = own_step(linear, factor)
    if isinstance(factor, BorderedFactor):
        descent = factor.held(descent, float((linear.residual + descent.image).square().sum()))
    trials = [trial_of(problem, vector, linear, factor, descent)]
    if isinstance(factor, BorderedFactor):
        for damping in DAMPINGS:
            if needs_no_damping(trials[-1]):
                break
            descent = own_step(linear, factor.damped(damping))
            trials.append(trial_of(problem, vector, linear, factor, descent))
    return min(trials, key=lambda trial: trial.loss)


def own_step(linear: BorderedLinearisation, factor: AnyFactor, tolerance: float = TOLERANCE) -> Solve:
    """Return the step of a linearisation with its own factor, to the last digit if no other `tolerance` is given.

    One iteration leaves little of the residual, but what it finds along directions that hardly change it, such as the
    place of a front, is the rounding of JᵀJ.
    """
    own = None if isinstance(factor, Factor) else factor.own
    if own is not None:
        return Solve(own, linear.product(own), 0.0, 0)
    return conjugate_gradients(linear, factor, tolerance=tolerance)


def needs_no_damping(trial: Trial) -> bool:
    """Return True if a step reduces the loss as predicted, or if there is nothing left to gain."""
    gain = trial.predicted / max(trial.loss, 1e-300)
    most = math.inf if gain <= LITTLE else AS_PREDICTED[1]
    return AS_PREDICTED[0] <= trial.ratio <= most or gain <= ROUND_OFF


def trial_of(
    problem: LocalLeastSquares, vector: Tensor, linear: BorderedLinearisation, factor: AnyFactor, descent: Solve
) -> Trial:
    """Return the trial of a step, which coefficients follow at fixed constants."""
    after = vector + descent.step
    if isinstance(factor, BorderedFactor):
        after = followed(problem, after, factor)
    rows = (linear.residual, linear.residual + descent.image, problem.residual(after))
    before, linear_loss, loss = torch.stack([each.square().sum() for each in rows]).tolist()
    predicted = before - linear_loss
    loss = loss if math.isfinite(loss) else math.inf
    return Trial(after, loss, (before - loss) / predicted if predicted > 0 else -math.inf, predicted)


def followed(problem: LocalLeastSquares, vector: Tensor, factor: BorderedFactor) -> Tensor:
    """Return the vector after a Gauss–Newton step of the coefficients alone; `factor` is that of a vector nearby."""
    linear = problem.linearise(vector).coefficients
    descent = None
    if not linear.storage.orthogonal:
        descent = conjugate_gradients(linear, factor.inner, LAGGED_ITERATIONS, LAGGED_TOLERANCE)
    if descent is None or descent.left > FOLLOWED:
        inner = function_factor(linear, factor.damping)
        if inner.solvable:
            descent = own_step(linear, inner)
    if descent is None:
        return vector
    return torch.cat([vector[: len(descent.step)] + descent.step, vector[len(descent.step) :]])
