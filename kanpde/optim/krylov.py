"""Gauss–Newton in a subspace that a few products with J and Jᵀ span, for networks too large for the whole of JᵀJ.

With D = diag(JᵀJ) + a floor and A = J D^(−1/2), a step is sought in D^(−1/2) times the Krylov space

    span {g, (AᵀA) g, …, (AᵀA)^(k−1) g},    g = Aᵀr,

in which LSQR's iterates lie (Paige and Saunders, ACM TOMS 8 (1982) 43–71), with an orthonormal basis V made by full
reorthogonalisation. There ‖J p + r‖ is a problem of k columns, J D^(−1/2) V, and the search over dampings is that of
`GaussNewton`. A pass over J costs 4 N P operations, so a step costs 4 N P k instead of the 2 N P² of JᵀJ, and memory is
O((N + P) k) beside J, which is not kept where it is large.

At equal k the space does far better than random ones, with one power of AᵀA (Halko, Martinsson and Tropp, SIAM Rev. 53
(2011) 217) or without, as in randomised subspace methods (Cartis, Fowkes and Shao, arXiv 2211.09873).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from kanpde.optim.gauss_newton import FLOOR, GaussNewton
from kanpde.optim.least_squares import Chunks, LeastSquares, Linearisation, Step, product_and_pulled

DIMENSION = 64  # k
KEPT = 2**27  # a Jacobian of at most so many entries is kept between passes, else made anew in each
INDEPENDENT = 1e-10  # a direction of which no larger share is new ends the basis


class KrylovGaussNewton:
    """The method's state is that of the search for a damping."""

    def __init__(self, dimension: int = DIMENSION) -> None:
        self._dimension, self._inner = dimension, GaussNewton()

    def step(self, problem: LeastSquares, vector: Tensor) -> Step:
        """One step from `vector`."""
        subspace = Subspace(problem, vector, self._dimension)
        step = self._inner.step(subspace, vector.new_zeros(subspace.basis.shape[1]))
        return replace(step, vector=vector + subspace.basis @ step.vector if step.accepted else vector)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The damping."""
        return self._inner.state()

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take up a damping."""
        self._inner.restore(tensors, numbers)

    def retreat(self) -> None:
        """More damping."""
        self._inner.retreat()


class Subspace:
    """The problem restricted to θ + Q y, as one of y: `basis` is Q, (P, k)."""

    def __init__(self, problem: LeastSquares, vector: Tensor, dimension: int) -> None:
        self._problem, self._vector = problem, vector
        self._residual = problem.residual(vector)
        self.basis, self._jacobian = krylov(rows_of(problem, vector, len(self._residual)), dimension)

    def residual(self, reduced: Tensor) -> Tensor:
        """r(θ + Q y)."""
        return self._problem.residual(self._vector + self.basis @ reduced)

    def linearise(self, reduced: Tensor) -> Linearisation:
        """At y = 0, where alone J Q is known."""
        return Linearisation.whole(self._jacobian, self._residual)

    def chunks_of_rows(self, reduced: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
        """(J Q, r) in one piece, at y = 0."""
        return [(self._jacobian, self._residual)]

    def gradient(self, reduced: Tensor) -> tuple[float, Tensor]:
        """‖r‖² and 2 (J Q)ᵀr, at y = 0."""
        return float(self._residual.square().sum()), 2 * self._jacobian.T @ self._residual


def rows_of(problem: LeastSquares, vector: Tensor, count: int) -> Chunks:
    """(J, r) in chunks, again and again: from memory where J is small."""
    if count * len(vector) > KEPT:
        return lambda: problem.chunks_of_rows(vector)
    kept = list(problem.chunks_of_rows(vector))
    return lambda: kept


def krylov(rows: Chunks, dimension: int) -> tuple[Tensor, Tensor]:
    """Q = D^(−1/2) V (P, k) and J Q (N, k); k is smaller where the space ends."""
    gradient, squares = gradient_and_squares(rows)
    root = torch.sqrt(squares + FLOOR * squares.max())
    direction = gradient / root
    basis, products = [direction / direction.norm()], []
    while True:
        product, pulled = product_and_pulled(rows, basis[-1] / root)
        products.append(product)
        if len(basis) == min(dimension, len(root)):
            break
        direction = pulled / root
        left = orthogonal(direction, torch.stack(basis, dim=1))
        if not left.norm() > INDEPENDENT * direction.norm():
            break
        basis.append(left / left.norm())
    return torch.stack(basis, dim=1) / root[:, None], torch.stack(products, dim=1)


def gradient_and_squares(rows: Chunks) -> tuple[Tensor, Tensor]:
    """Jᵀr and diag(JᵀJ) in one pass."""
    parts = [(jacobian.T @ residual, jacobian.square().sum(dim=0)) for jacobian, residual in rows()]
    gradients, squares = zip(*parts, strict=True)
    return torch.stack(gradients).sum(dim=0), torch.stack(squares).sum(dim=0)


def orthogonal(direction: Tensor, basis: Tensor) -> Tensor:
    """What of a direction is orthogonal to an orthonormal basis; twice is enough (Kahan and Parlett)."""
    for _ in range(2):
        direction = direction - basis @ (basis.T @ direction)
    return direction
