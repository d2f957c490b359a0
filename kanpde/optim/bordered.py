"""The factor of JᵀJ for an unknown function and a few unknown constants, whose columns of J are full.

With J = (A, C), A the columns of the function's coefficients and C those of the constants,

    AᵀA x + AᵀC z = a,   CᵀA x + CᵀC z = b   ⟺   S z = b − Xᵀ a,  x = (AᵀA)⁻¹ a − X z,

X = argmin ‖A X − C‖ and S = RᵀR, R = C − A X: the part of a constant's influence that no change of the function can
undo. Only AᵀA is factored, so it stays a band; S is computed from R, so it keeps the digits of J (variable projection:
Golub and Pereyra, SIAM J. Numer. Anal. 10 (1973) 413).
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import replace
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from kanpde.optim.band import MIN_DAMPING, Factor, LocalLinearisation
from kanpde.optim.cgls import Solve, conjugate_gradients
from kanpde.optim.orthogonal import OrthogonalFactor

OPEN = 1e-24  # smallest entry of S, relative to the squared norm of the constant's column
# Changes of the constants that change the equation by this many times its size, and all rows by no more than what is
# left of them, are not taken: the measurements leave them open.
FARTHEST = 1e3


class BorderedLinearisation(LocalLinearisation, Protocol):
    """A linearisation whose last unknowns are constants with full columns."""

    @property
    def border(self) -> Tensor:
        """The columns of the constants, (N, U)."""

    @property
    def coefficients(self) -> BorderedLinearisation:
        """The linearisation by the other unknowns, at fixed constants."""

    def against(self, residual: Tensor, /) -> BorderedLinearisation:
        """The same Jacobian with another residual (N,)."""


class BorderedFactor:
    """A factor like `Factor`, of a linearisation with a border; `inner` is that of the coefficients alone."""

    reusable = False  # because constants change J too much

    def __init__(self, linear: BorderedLinearisation, damping: float) -> None:
        self.storage, self.damping, inner = linear.storage, damping, linear.coefficients
        columns = linear.border
        self.inner = function_factor(inner, damping, columns)
        self.solvable, self.precise = self.inner.solvable, self.inner.precise
        if not self.solvable:
            return
        if damping <= MIN_DAMPING:  # even this is much for a constant whose influence the coefficients nearly undo
            self.inner.shift = torch.zeros_like(self.inner.shift)
        self._gradient: Tensor | None = None
        if isinstance(self.inner, OrthogonalFactor):
            self._solved = self.inner.others
            rest = columns - torch.stack([inner.product(each) for each in self._solved.T], dim=1)
            self._gradient = rest.T @ (linear.residual + inner.product(self.inner.own))
        else:
            solves = [conjugate_gradients(inner.against(-column), self.inner) for column in columns.T]
            self._solved = torch.stack([each.step for each in solves], dim=1)
            rest = columns - torch.stack([each.image for each in solves], dim=1)
        squares = columns.square().sum(0)
        self.rest = rest  # R, the constants' influence on the rows
        squares = torch.where(squares > 0, squares, 1.0)
        self._norms = squares.sqrt()  # a change of a constant by 1 / norm changes the equation by its size
        self._schur, self._least = rest.T @ rest, OPEN * squares
        self._shift_constants(damping)

    def damped(self, damping: float) -> BorderedFactor:
        """Return this factor with another damping of the constants, at almost no cost."""
        other = copy(self)
        other._shift_constants(damping)
        return other

    def _shift_constants(self, damping: float) -> None:
        shift = damping * self._schur.diagonal() + self._least
        self.shift = torch.cat([self.inner.shift, shift])
        self._scale = (self._schur.diagonal() + shift).rsqrt()
        shifted = (self._schur + torch.diag(shift)) * self._scale * self._scale[:, None]
        self._triangle, info = torch.linalg.cholesky_ex(shifted)
        self.solvable = int(info) == 0 and bool(torch.isfinite(self._scale).all())

    def held(self, descent: Solve, left: float) -> Solve:
        """Return a step without its share of the directions that measurements leave open.

        In these the rows, of which the step leaves the squared norm `left`, hardly change, however far the constants
        go, so that noise and rounding alone decide (truncated singular values: Hansen, BIT 27 (1987) 534).
        """
        sizes, directions = torch.linalg.eigh(self._schur / self._norms / self._norms[:, None])
        free = directions[:, sizes * FARTHEST**2 < left]
        count = len(self._solved)
        away = free @ (free.T @ (descent.step[count:] * self._norms)) / self._norms
        step = descent.step - torch.cat([-self._solved @ away, away])
        return replace(descent, step=step, image=descent.image - self.rest @ away)

    @property
    def own(self) -> Tensor | None:
        """The step of the linearisation's own residual, if the inner factor is orthogonal."""
        if self._gradient is None or not isinstance(self.inner, OrthogonalFactor):
            return None
        constants = -self._scale * torch.cholesky_solve((self._scale * self._gradient)[:, None], self._triangle)[:, 0]
        return torch.cat([self.inner.own - self._solved @ constants, constants])

    def solve(self, right: Tensor) -> Tensor:
        """Return (JᵀJ + S)⁻¹ b, (P + U,), up to rounding errors."""
        count = len(self._solved)
        share = self._scale * (right[count:] - right[:count] @ self._solved)
        constants = self._scale * torch.cholesky_solve(share[:, None], self._triangle)[:, 0]
        return torch.cat([self.inner.solve(right[:count]) - self._solved @ constants, constants])


AnyFactor = Factor | OrthogonalFactor | BorderedFactor
SomeFactor = TypeVar("SomeFactor", bound=AnyFactor)


def first_solvable(factors: Iterable[SomeFactor]) -> SomeFactor | None:
    """Return the first factor that exists, None if there is none; later ones are not made."""
    return next((factor for factor in factors if factor.solvable), None)


def function_factor(
    linear: LocalLinearisation, damping: float, right: Tensor | None = None
) -> Factor | OrthogonalFactor:
    """Return the factor of a linearisation without constants, in the way that its storage asks for.

    An orthogonal factor also solves for the columns of `right`.
    """
    return OrthogonalFactor(linear, damping, right) if linear.storage.orthogonal else Factor(linear, damping)


def factor_of(linear: BorderedLinearisation, damping: float) -> AnyFactor:
    """Return the factor of a linearisation, with a border if its storage leaves out constants."""
    return BorderedFactor(linear, damping) if linear.storage.border else function_factor(linear, damping)
