"""Gauss–Newton with probed damping and geodesic acceleration.

Each step computes the Jacobian once and tries several dampings λ in

    p = argmin ‖J p + r‖² + λ ‖p‖²_D,    D = diag(JᵀJ) (Marquardt's scaling) + a floor.

It takes the smallest λ whose actual reduction is at least `MIN_REDUCTION_RATIO` times the predicted one, so steps are
long if the linear model allows it (Webb, Jerad and Cartis, arXiv 2607.02194). Half the geodesic acceleration is added
to each trial step: a = −(JᵀJ + λD)⁻¹ Jᵀ r_pp, with r_pp = d²r(θ + h p)/dh² by a finite difference (Transtrum and
Sethna, arXiv 1201.5885, eq. (17)–(19)).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from scipy.linalg.blas import dsyrk
from torch import Tensor

from kanpde.calculus.devices import threads_for
from kanpde.optim.least_squares import Damped, LeastSquares, Linearisation, Step
from kanpde.optim.woodbury import Woodbury

MIN_REDUCTION_RATIO = 0.075  # smallest actual over predicted reduction of an accepted step, as in arXiv 2607.02194
FLOOR = 1e-5  # smallest entry of D, relative to the largest; it damps parameters with hardly any effect
MIN_DAMPING, MAX_DAMPING = 1e-16, 1e12  # the range of λ
FINE_FACTOR, COARSE_FACTOR = 4.0, 16.0  # ratios of successive λ: in the first probes, and in later ones
FINE_PROBES = 3  # number of probes, the first included, before FINE_FACTOR gives way to COARSE_FACTOR
MAX_ACCELERATION = 1.5  # largest 2‖a‖/‖p‖ of an acceleration that is used
DIFFERENCE = 0.1  # the h of the finite difference


@dataclass(frozen=True)
class Trial:
    """The result of a trial step with one damping that was good enough."""

    vector: Tensor
    loss: float
    damping: float
    ratio: float
    accelerated: bool


class GaussNewton:
    """Gauss–Newton with at most `probes` dampings a step; its state is `damping`, the λ of the last accepted step."""

    def __init__(self, damping: float = 1e-3, probes: int = 16) -> None:
        self.damping, self.probes = damping, probes

    def step(self, problem: LeastSquares, vector: Tensor) -> Step:
        """Return one step from `vector`, (P,); it is not accepted if no damping within the range succeeds."""
        search = Search(problem, vector, problem.linearise(vector))
        best, count = self._search(search)
        if best is None:
            return Step(vector, search.linear.loss, False, search.linear.loss, damping=self.damping, probes=count)
        self.damping = best.damping
        return Step(best.vector, best.loss, True, search.linear.loss, best.damping, best.ratio, count, best.accelerated)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the damping as JSON; there are no tensors."""
        return {}, {"damping": self.damping}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore the damping."""
        self.damping = float(numbers["damping"])

    def retreat(self) -> None:
        """Increase the damping."""
        self.damping = clamp_damping(self.damping * COARSE_FACTOR**2)

    def _search(self, search: Search) -> tuple[Trial | None, int]:
        """Return the best trial and the number of trials.

        Decrease λ while trials succeed; if the first one fails, increase λ until one succeeds.
        """
        damping = clamp_damping(self.damping / FINE_FACTOR)
        best = search.trial(damping)
        count, down = 1, best is not None
        while count < self.probes and (damping > MIN_DAMPING if down else damping < MAX_DAMPING):
            factor = FINE_FACTOR if count < FINE_PROBES else COARSE_FACTOR
            damping = clamp_damping(damping * factor ** (-1 if down else 1))
            trial = search.trial(damping)
            count += 1
            if down and trial is None:
                break
            best = trial
            if not down and trial is not None:
                break
        return best, count


class Search:
    """Trial steps from one point with one Jacobian."""

    def __init__(self, problem: LeastSquares, vector: Tensor, linear: Linearisation) -> None:
        self._problem, self._vector, self.linear = problem, vector, linear
        self._scale, self._system = damped_systems(linear.factor)
        self._gradient = linear.factor.T @ linear.rest

    def trial(self, damping: float) -> Trial | None:
        """Return the step for one damping, accelerated if that is good enough, else plain; None if neither is."""
        system = self._system(damping)
        if not system.solvable:
            return None
        step = system.descent(self.linear.rest, self._gradient)
        image = self.linear.factor @ step
        predicted = self.linear.predicted(image)
        accelerated = self._accelerated_step(system, step, image)
        for candidate in ([] if accelerated is None else [accelerated]) + [step]:
            vector = self._vector + candidate
            loss = self._loss(vector)
            ratio = (self.linear.loss - loss) / predicted if predicted > 0 else -math.inf
            if ratio >= MIN_REDUCTION_RATIO:
                return Trial(vector, loss, damping, ratio, candidate is accelerated)
        return None

    def _loss(self, vector: Tensor) -> float:
        loss = float(self._problem.residual(vector).square().sum())
        return loss if math.isfinite(loss) else math.inf

    def _accelerated_step(self, system: Damped | Woodbury, step: Tensor, image: Tensor) -> Tensor | None:
        """Return p + a/2 from p and F p; None if the acceleration a is too large for the second-order model to hold."""
        ahead = self._problem.residual(self._vector + DIFFERENCE * step)
        # r_pp = 2/h ((r(θ + h p) − r)/h − J p)
        chord = 2 / DIFFERENCE**2 * (ahead - self.linear.residual)
        acceleration = -system.solve_transposed(*self.linear.product_and_pullback(step, -2 / DIFFERENCE, chord, image))
        if not 2 * self._norm(acceleration) <= MAX_ACCELERATION * self._norm(step):
            return None
        return step + acceleration / 2

    def _norm(self, step: Tensor) -> float:
        return float(torch.sqrt((self._scale * step.square()).sum()))


def damped_systems(factor: Tensor) -> tuple[Tensor, Callable[[float], Damped | Woodbury]]:
    """Return D (P,) and a function from λ to the damped system: of size P, or of size N if there are fewer rows."""
    wide = factor.shape[0] < factor.shape[1]
    with threads_for(2 * len(factor) * factor.shape[1] ** 2):
        gram = gram_matrix(factor) if not wide else None
    squares = factor.square().sum(dim=0) if gram is None else gram.diagonal()
    scale = squares + FLOOR * squares.max()
    if gram is None:
        rows = (factor / scale) @ factor.T
        return scale, lambda damping: Woodbury(factor, rows, scale, damping)
    return scale, lambda damping: Damped(factor, gram, scale, damping)


def gram_matrix(factor: Tensor) -> Tensor:
    """Return the lower triangle of FᵀF of F (N, P): BLAS computes no more on the CPU, in half the time of a product."""
    by_columns = factor.T.is_contiguous()
    if factor.device.type != "cpu" or factor.dtype != torch.float64 or not (factor.is_contiguous() or by_columns):
        return factor.T @ factor
    # BLAS stores columns, so it sees the transpose of rows.
    values = factor.numpy() if by_columns else factor.numpy().T
    return torch.as_tensor(dsyrk(1.0, values, trans=by_columns, lower=1))


def clamp_damping(damping: float) -> float:
    """Return the damping clipped to its range."""
    return min(max(damping, MIN_DAMPING), MAX_DAMPING)
