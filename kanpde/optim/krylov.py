"""Gauss–Newton in a Krylov subspace, for networks too large to form JᵀJ.

With D = diag(JᵀJ) + a floor and A = J D^(−1/2), the step is computed in D^(−1/2) times the Krylov space

    span {g, (AᵀA) g, …, (AᵀA)^(k−1) g},    g = Aᵀr,

which contains LSQR's iterates (Paige and Saunders, ACM TOMS 8 (1982) 43–71). Its orthonormal basis V is computed with
full reorthogonalisation. The restricted problem has k columns, J D^(−1/2) V, and `GaussNewton` searches its dampings. A
pass over J costs 4 N P operations, so a step costs 4 N P k instead of the 2 N P² of JᵀJ; memory is O((N + P) k) in
addition to J, which is recomputed in each pass if it is large.

At equal k this space is far better than random subspaces, with one power of AᵀA (Halko, Martinsson and Tropp, SIAM Rev.
53 (2011) 217) or without, as in randomised subspace methods (Cartis, Fowkes and Shao, arXiv 2211.09873).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from kanpde.calculus import processes
from kanpde.optim.gauss_newton import FLOOR, GaussNewton
from kanpde.optim.least_squares import Chunks, LeastSquares, Linearisation, Rows, Step, product_and_pullback

DIMENSION = 64  # k, the dimension of the Krylov space
MAX_STORED_ENTRIES = 2**27  # largest number of entries of a Jacobian that is stored rather than recomputed in each pass
MIN_ORTHOGONAL_SHARE = 1e-10  # the basis ends if a new direction's orthogonal part is below this share of its norm


class KrylovGaussNewton:
    """Gauss–Newton in the Krylov space of `dimension` k; its state is the damping."""

    def __init__(self, dimension: int = DIMENSION) -> None:
        self._dimension, self._inner = dimension, GaussNewton()

    def step(self, problem: LeastSquares, vector: Tensor) -> Step:
        """Return one step from `vector`, (P,)."""
        subspace = Subspace(problem, vector, self._dimension)
        step = self._inner.step(subspace, vector.new_zeros(subspace.basis.shape[1]))
        return replace(step, vector=vector + subspace.basis @ step.vector if step.accepted else vector)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the damping as JSON; there are no tensors."""
        return self._inner.state()

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore the damping."""
        self._inner.restore(tensors, numbers)

    def retreat(self) -> None:
        """Increase the damping."""
        self._inner.retreat()


class Subspace:
    """The least-squares problem restricted to θ + Q y, as a function of y (k,); `basis` is Q, (P, k)."""

    def __init__(self, problem: LeastSquares, vector: Tensor, dimension: int) -> None:
        self._problem, self._vector = problem, vector
        self._residual = problem.residual(vector)
        self.basis, self._jacobian = krylov(rows_of(problem, vector, len(self._residual)), dimension)

    def residual(self, reduced: Tensor) -> Tensor:
        """Return r(θ + Q y), (N,)."""
        return self._problem.residual(self._vector + self.basis @ reduced)

    def linearise(self, reduced: Tensor) -> Linearisation:
        """Return the linearisation at y = 0, the only y at which J Q is known."""
        return Linearisation.whole(self._jacobian, self._residual)

    def chunks_of_rows(self, reduced: Tensor) -> Rows:
        """Return [(J Q, r)], one chunk, at y = 0."""
        return [(self._jacobian, self._residual)]

    def gradient(self, reduced: Tensor) -> tuple[float, Tensor]:
        """Return ‖r‖² and 2 (J Q)ᵀr, (k,), at y = 0."""
        return float(self._residual.square().sum()), 2 * self._jacobian.T @ self._residual


def rows_of(problem: LeastSquares, vector: Tensor, count: int) -> Chunks:
    """Return a function that yields (J, r) in chunks at each call, from memory if J is small."""
    if count * len(vector) > MAX_STORED_ENTRIES:
        return lambda: problem.chunks_of_rows(vector)
    kept = list(problem.chunks_of_rows(vector))
    return lambda: kept


def krylov(rows: Chunks, dimension: int) -> tuple[Tensor, Tensor]:
    """Return Q = D^(−1/2) V (P, k) and J Q (N, k); k is below `dimension` if the Krylov space is smaller."""
    gradient, squares = gradient_and_squares(rows)
    root = torch.sqrt(squares + FLOOR * squares.max())
    direction = gradient / root
    basis, products = [direction / direction.norm()], []
    while True:
        product, gradient = product_and_pullback(rows, basis[-1] / root)
        products.append(product)
        if len(basis) == min(dimension, len(root)):
            break
        direction = gradient / root
        remainder = orthogonal_part(direction, torch.stack(basis, dim=1))
        if not remainder.norm() > MIN_ORTHOGONAL_SHARE * direction.norm():
            break
        basis.append(remainder / remainder.norm())
    return torch.stack(basis, dim=1) / root[:, None], torch.stack(products, dim=1)


def gradient_and_squares(rows: Chunks) -> tuple[Tensor, Tensor]:
    """Return Jᵀr and diag(JᵀJ), (P,) each, in one pass over the rows."""
    parts, shared = [], False
    for jacobian, residual in rows():
        if jacobian is None:
            shared = True
        else:
            parts.append(torch.stack([jacobian.T @ residual, jacobian.square().sum(dim=0)]))
    gradient, squares = processes.total(torch.stack(parts).sum(dim=0)) if shared else torch.stack(parts).sum(dim=0)
    return gradient, squares


def orthogonal_part(direction: Tensor, basis: Tensor) -> Tensor:
    """Return the part of a direction (P,) orthogonal to an orthonormal basis (P, j).

    Two projections suffice to working precision (Kahan and Parlett).
    """
    for _ in range(2):
        direction = direction - basis @ (basis.T @ direction)
    return direction
