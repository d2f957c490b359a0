"""Conjugate gradients on a least-squares problem (CGLS), preconditioned by a Cholesky factor of JᵀJ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

MAX_ITERATIONS = 40  # largest number of iterations if the factor belongs to the same JᵀJ
TOLERANCE = 1e-15  # the iteration ends if the gradient's norm falls below this share of its initial value
FIRST_JUDGED_ITERATION = 5  # the first iteration at which the rate of convergence is judged
RATE_ALLOWANCE = 1.5  # factor by which the logarithmic rate of convergence is assumed to improve later
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
    `start` is the initial norm of the gradient, in that of the preconditioner.
    """

    step: Tensor
    image: Tensor
    left: float
    iterations: int
    close: bool = False
    start: float = 0.0


def conjugate_gradients(
    linear: Products,
    factor: Preconditioner,
    max_iterations: int = MAX_ITERATIONS,
    tolerance: float = TOLERANCE,
    share: float = 0.0,
    removable: float | None = None,
) -> Solve:
    """Return the p that minimises ‖J p + r‖² + ‖p‖²_S with the factor's S, computed by conjugate gradients.

    The factor is the preconditioner. A Cholesky factor of JᵀJ loses half the digits; the iteration with J itself
    recovers them in a few steps (CGLS: Björck, "Numerical Methods for Least Squares Problems", §7.4). The factor may
    also belong to another J nearby. The iteration ends if the gradient's norm is at most `tolerance` times its initial
    value; if the image of the step's error, whose squared norm gᵀ(JᵀJ)⁻¹g estimates, is at most `share` times the rest
    of the residual; or early if its rate of convergence would not reach that within `max_iterations`.

    The gradient's norm in that of the preconditioner is about the part of the residual that can be removed. If a share
    `removable` is given, the iteration ends when this part is a smaller share of the residual, and no earlier.
    """
    rest = -linear.residual
    step, image = torch.zeros_like(factor.shift), torch.zeros_like(rest)
    gradient = linear.transposed(rest)
    direction = factor.solve(gradient)
    size = best = start = float(gradient @ direction)
    iteration, close = 0, False
    while size > 0 and iteration < max_iterations:
        iteration += 1
        along = linear.product(direction)
        length = size / (along @ along + direction @ (factor.shift * direction))  # stays on the device
        step, image, rest = step + length * direction, image + length * along, rest - length * along
        gradient = linear.transposed(rest) - factor.shift * step
        towards = factor.solve(gradient)
        squares = [gradient @ towards, rest @ rest] if share or removable is not None else [gradient @ towards]
        before, (size, *left_over) = size, torch.stack(squares).tolist()  # the only numbers that an iteration reads
        stalls = size > 0.5 * best and best < STALL * start
        allowed = max(tolerance**2 * start, share**2 * left_over[0] if share else 0.0)
        if size <= allowed or size > 1e3 * best or stalls:
            close = size <= allowed
            break
        best = min(best, size)
        if removable is not None:
            if size <= removable**2 * left_over[0]:
                break
            direction = towards + size / before * direction
            continue
        forecast = (best / start) ** (RATE_ALLOWANCE * max_iterations / iteration)
        if iteration >= FIRST_JUDGED_ITERATION and forecast * start > allowed:
            break
        direction = towards + size / before * direction
    left = min(best, size) if size > 0 else 0.0
    share_left = (left / start) ** 0.5 if start > 0 else 0.0
    return Solve(step, image, share_left, iteration, close, max(start, 0.0) ** 0.5)
