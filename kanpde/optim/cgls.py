"""Conjugate gradients on a least-squares problem (CGLS), preconditioned by a Cholesky factor of JᵀJ."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

MAX_ITERATIONS = 40  # largest number of iterations if the factor belongs to the same JᵀJ
TOLERANCE = 1e-15  # the iteration ends if the gradient's norm falls below this share of its initial value
FIRST_JUDGED_ITERATION = 5  # the first iteration at which the rate of convergence is judged
RATE_ALLOWANCE = 1.5  # factor by which the logarithmic rate of convergence is assumed to improve later
PATIENCE = 8  # iterations in which the squared gradient is to be halved, if a `removable` share is given
STALL = 1e-6  # a stall ends the iteration if the squared preconditioned gradient is below this share of its start


class Preconditioner(Protocol):
    """A factor of JᵀJ + S with S = diag(shift), or of a matrix close to it."""

    shift: Tensor

    def solve(self, right: Tensor, /) -> Tensor:
        """Return (JᵀJ + S)⁻¹ b, (P,), approximately."""


class Products(Protocol):
    """A linearisation that need not have a factor."""

    @property
    def residual(self) -> Tensor:
        """r, (N,)."""

    def product(self, step: Tensor, /) -> Tensor:
        """Return J p, (N,)."""

    def transposed(self, weights: Tensor, /) -> Tensor:
        """Return Jᵀ k, (P,)."""


@dataclass(frozen=True)
class Solve:
    """A `step` p (P,), its `image` J p (N,), and the share of the gradient's norm `left` after `iterations`.

    `close` is True if the image is known to be within the share of what it leaves of the residual that was asked for.
    `start` is the initial norm of the gradient, in that of the preconditioner, and `error` an estimate of the norm of
    the image's error.
    """

    step: Tensor
    image: Tensor
    left: float
    iterations: int
    close: bool = False
    start: float = 0.0
    error: float = 0.0


def conjugate_gradients(
    linear: Products,
    factor: Preconditioner,
    max_iterations: int = MAX_ITERATIONS,
    tolerance: float = TOLERANCE,
    share: float = 0.0,
    removable: float | None = None,
    delay: int = 0,
    first_judged: int = FIRST_JUDGED_ITERATION,
) -> Solve:
    """Return the p that minimises ‖J p + r‖² + ‖p‖²_S with the factor's S, computed by conjugate gradients.

    The factor is the preconditioner. A Cholesky factor of JᵀJ loses half the digits; the iteration with J itself
    recovers them in a few steps (CGLS: Björck, "Numerical Methods for Least Squares Problems", §7.4). The factor may
    also belong to another J nearby. The iteration ends if the gradient's norm is at most `tolerance` times its initial
    value; if the image of the step's error, whose squared norm gᵀ(JᵀJ)⁻¹g estimates, is at most `share` times the rest
    of the residual; or early, from the iteration `first_judged` on, if its rate of convergence would not reach that
    within `max_iterations`.

    The gradient's norm in that of the preconditioner is about the part of the residual that can be removed. If a share
    `removable` is given, the iteration ends when this part is a smaller share of the residual, and no earlier.

    A preconditioner of another J may find the gradient too small. If a `delay` is given, the decreases of the squared
    residual in as many iterations are therefore to be as small, before the image's error counts as small: their sum is
    nearly the square of that before them (Strakoš, Tichý, ETNA 13 (2002) 56).
    """
    rest = -linear.residual
    step, image = torch.zeros_like(factor.shift), torch.zeros_like(rest)
    gradient = linear.transposed(rest)
    direction = factor.solve(gradient)
    size = best = start = float(gradient @ direction)
    iteration, close, error, decreases = 0, False, size, deque[float](maxlen=delay)
    bests = deque[float](maxlen=1 if removable is None else PATIENCE)
    while size > 0 and iteration < max_iterations:
        iteration += 1
        along = linear.product(direction)
        length = size / (along @ along + direction @ (factor.shift * direction))  # stays on the device
        step, image, rest = step + length * direction, image + length * along, rest - length * along
        gradient = linear.transposed(rest) - factor.shift * step
        towards = factor.solve(gradient)
        squares = [gradient @ towards, length, rest @ rest]
        before, (size, factor_of_last, squared_rest) = size, torch.stack(squares).tolist()  # all that is read
        decreases.append(factor_of_last * before)
        error = max(size, sum(decreases))
        bests.append(best)
        stalls = size > 0.5 * bests[0] and best < STALL * start
        allowed = max(tolerance**2 * start, share**2 * squared_rest)
        small = size <= tolerance**2 * start or error <= share**2 * squared_rest
        if small or size > 1e3 * best or stalls:
            close = small
            break
        best = min(best, size)
        if removable is not None:
            if size <= removable**2 * squared_rest:
                break
            direction = towards + size / before * direction
            continue
        forecast = (best / start) ** (RATE_ALLOWANCE * max_iterations / iteration)
        if iteration >= first_judged and forecast * start > allowed:
            break
        direction = towards + size / before * direction
    left = min(best, size) if size > 0 else 0.0
    share_left = (left / start) ** 0.5 if start > 0 else 0.0
    return Solve(step, image, share_left, iteration, close, max(start, 0.0) ** 0.5, max(error, 0.0) ** 0.5)
