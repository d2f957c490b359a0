"""Damped solves by a factorisation of the size of the rows, if there are fewer rows than parameters."""

from __future__ import annotations

import torch
from torch import Tensor

from kanpde.optim.cholesky import solve_with
from kanpde.optim.least_squares import REFINED_BELOW


class Woodbury:
    """Solve with FᵀF + λ D for F (N, P) of few rows, N < P, by a factorisation of size N.

    By the identity of Sherman, Morrison and Woodbury, in its push-through form (Golub and Van Loan, "Matrix
    Computations", §2.1.4),

        (FᵀF + λ D)⁻¹ Fᵀ = D⁻¹ Fᵀ (F D⁻¹ Fᵀ + λ I)⁻¹,

    so each step is D⁻¹Fᵀ w with w (N,). `gram` is F D⁻¹ Fᵀ; refinement with F itself recovers the digits that forming
    it loses. `solvable` is False if the factorisation fails.
    """

    def __init__(self, factor: Tensor, gram: Tensor, diagonal: Tensor, damping: float) -> None:
        self._factor, self._diagonal, self._damping = factor, diagonal, damping
        shifted = gram.clone()
        shifted.diagonal().add_(damping)
        self._cholesky, info = torch.linalg.cholesky_ex(shifted)
        self.solvable = int(info) == 0
        self._refinements = sum(damping < limit for limit in REFINED_BELOW)

    def descent(self, rest: Tensor, gradient: Tensor) -> Tensor:
        """Return the p (P,) that minimises ‖F p + z‖² + λ ‖p‖²_D."""
        return self.solve_transposed(-rest, gradient)

    def solve_transposed(self, weights: Tensor, right: Tensor) -> Tensor:
        """Return (FᵀF + λ D)⁻¹ Fᵀk, (P,), from k (N,)."""
        rows = self._solve(weights)
        for _ in range(self._refinements):
            rows = rows + self._solve(weights - self._factor @ self._step(rows) - self._damping * rows)
        return self._step(rows)

    def _step(self, rows: Tensor) -> Tensor:
        """Return D⁻¹Fᵀ w, (P,)."""
        return (self._factor.T @ rows) / self._diagonal

    def _solve(self, right: Tensor) -> Tensor:
        return solve_with(self._cholesky, right)
