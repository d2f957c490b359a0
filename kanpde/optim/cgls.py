"""Conjugate gradients on a least-squares problem (CGLS), preconditioned by a Cholesky factor of JᵀJ."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kanpde.optim.band import Factor, LocalLinearisation

ITERATIONS = 40  # the most iterations with a factor of the same JᵀJ
CONVERGED = 1e-15  # the share of the gradient's norm at which the iteration ends
TRIED = 5  # the iteration from which the pace of convergence is judged
PATIENCE = 1.5  # the factor by which that pace may still improve
STALL = 1e-6  # the share of the preconditioned gradient's square below which a stall ends the iteration


@dataclass(frozen=True)
class Solve:
    """A step p, its `image` J p, and the share of the gradient's norm that is `left` after `iterations`."""

    step: Tensor
    image: Tensor
    left: float
    iterations: int


def conjugate_gradients(
    linear: LocalLinearisation, factor: Factor, most: int = ITERATIONS, enough: float = CONVERGED
) -> Solve:
    """p that minimises ‖J p + r‖² + ‖p‖²_S with the factor's S, by conjugate gradients on the least-squares problem.

    The factor is the preconditioner: Cholesky's of JᵀJ costs half the digits, which the iteration with J itself gives
    back in a few steps (CGLS: Björck, "Numerical Methods for Least Squares Problems", §7.4); and it may be that of
    another J nearby. They end where so little of the gradient is left that it is `enough`, or early where the way they
    go `most` iterations would not lead there.
    """
    rest = -linear.residual
    step, image = torch.zeros_like(factor.shift), torch.zeros_like(rest)
    gradient = linear.transposed(rest)
    direction = factor.solve(gradient)
    size = best = start = float(gradient @ direction)
    iteration = 0
    while size > 0 and iteration < most:
        iteration += 1
        along = linear.product(direction)
        length = size / float(along @ along + direction @ (factor.shift * direction))
        step, image, rest = step + length * direction, image + length * along, rest - length * along
        gradient = linear.transposed(rest) - factor.shift * step
        towards = factor.solve(gradient)
        before, size = size, float(gradient @ towards)
        stalls = size > 0.5 * best and best < STALL * start
        if size <= enough**2 * start or size > 1e3 * best or stalls:
            break
        best = min(best, size)
        if iteration >= TRIED and (best / start) ** (PATIENCE * most / iteration) > enough**2:
            break
        direction = towards + size / before * direction
    left = min(best, size) if size > 0 else 0.0
    return Solve(step, image, (left / start) ** 0.5 if start > 0 else 0.0, iteration)
