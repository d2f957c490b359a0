"""Nonlinear least squares, min ‖r(θ)‖²: what a method needs of a problem, and damped solves that keep all digits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from kanpde.device import threads_for

# Dampings below which a solve is refined once, and twice: an error of eps/λ, relative to D's scaling, falls each time.
REFINED_BELOW = (1e-5, 1e-10)
Chunks = Callable[[], Iterable[tuple[Tensor, Tensor]]]


class LeastSquares(Protocol):
    """A residual r: R^P → R^N and its linearisation."""

    def residual(self, vector: Tensor, /) -> Tensor:
        """r(θ), (N,)."""

    def linearise(self, vector: Tensor, /) -> Linearisation:
        """r and J = ∂r/∂θ at θ."""

    def chunks_of_rows(self, vector: Tensor, /) -> Iterable[tuple[Tensor, Tensor]]:
        """(J, r) at θ, a few rows at a time, in the order of r."""

    def gradient(self, vector: Tensor, /) -> tuple[float, Tensor]:
        """‖r‖² and its gradient 2 Jᵀr at θ, for methods that need no more."""


@dataclass(frozen=True)
class Step:
    """What a step did: the new vector, its loss ‖r‖², and whether anything was gained.

    `before` is the loss at the start; `damping` and `probes` are those of methods that have them, `ratio` the actual
    over the predicted reduction.
    """

    vector: Tensor
    loss: float
    accepted: bool = True
    before: float = math.nan
    damping: float = math.nan
    ratio: float = math.nan
    probes: int = 1
    accelerated: bool = False


class Method(Protocol):
    """An optimiser: one step at a time, with a state that can be written down and taken up again."""

    def step(self, problem: LeastSquares, vector: Tensor, /) -> Step:
        """One step from `vector`."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that the next step depends on: tensors, and what goes into JSON."""

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Take up a state."""

    def retreat(self) -> None:
        """Become more careful, after numbers that were not finite."""


class Linearisation:
    """r and J at a point: J itself where it is small, else the triangular factor of [J r], so that memory is O(P²).

    `factor` F and `rest` z satisfy ‖J p + r‖ = ‖F p + z‖ for every p: they are J and r, or R (≤ P + 1, P) and its right
    side. Chunks are folded into R by Householder QR: unlike JᵀJ, which squares the condition number, it keeps the small
    singular values (Golub and Van Loan, "Matrix Computations", §5.3).
    """

    def __init__(self, factor: Tensor, rest: Tensor, residual: Tensor, chunks: Chunks) -> None:
        self.factor, self.rest, self.residual = factor, rest, residual
        self._chunks = chunks

    @classmethod
    def whole(cls, jacobian: Tensor, residual: Tensor) -> Linearisation:
        """J and r as they are."""
        return cls(jacobian, residual, residual, lambda: [(jacobian, residual)])

    @classmethod
    def streamed(cls, chunks: Chunks, size: int) -> Linearisation:
        """The (J, r) chunks folded into a factor of `size` columns; `chunks` gives them anew at each call."""
        residuals: list[Tensor] = []
        waiting: list[Tensor] = []
        factor: Tensor | None = None
        for jacobian, residual in chunks():
            residuals.append(residual)
            waiting.append(torch.cat([jacobian, residual[:, None]], dim=1))
            if sum(len(w) for w in waiting) >= 4 * size:
                factor, waiting = triangle(torch.cat([*([] if factor is None else [factor]), *waiting])), []
        factor = triangle(torch.cat([*([] if factor is None else [factor]), *waiting]))
        return cls(*split(factor), torch.cat(residuals), chunks)

    @property
    def loss(self) -> float:
        """‖r‖²."""
        return float(self.residual.square().sum())

    def product_and_pulled(
        self, step: Tensor, scale: float = 1.0, offset: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """k = scale J p + offset, (N,), and Jᵀ k, (P,)."""
        return product_and_pulled(self._chunks, step, scale, offset)

    def transposed(self, weights: Tensor) -> Tensor:
        """Jᵀ k, (P,)."""
        total, start = torch.zeros_like(self.factor[0]), 0
        for jacobian, residual in self._chunks():
            total += jacobian.T @ weights[start : start + len(residual)]
            start += len(residual)
        return total

    def predicted(self, step: Tensor) -> float:
        """‖r‖² − ‖J p + r‖²."""
        return float(self.rest.square().sum() - (self.factor @ step + self.rest).square().sum())


class Damped:
    """Solves (FᵀF + λ D) p = b for one λ by Cholesky's factorisation and refinement; D is a positive diagonal.

    Refinement with F itself, not FᵀF, gives back the digits that forming the normal equations costs (corrected
    seminormal equations: Björck, Lin. Alg. Appl. 88/89 (1987) 31–48); a large λ costs none.
    """

    def __init__(self, factor: Tensor, gram: Tensor, diagonal: Tensor, damping: float) -> None:
        self._factor, self._shift = factor, damping * diagonal
        with threads_for(len(gram) ** 3 / 3):
            self._cholesky, info = torch.linalg.cholesky_ex(gram + torch.diag(self._shift))
        self.solvable = int(info) == 0
        self._refinements = sum(damping < limit for limit in REFINED_BELOW)

    def descent(self, rest: Tensor, gradient: Tensor) -> Tensor:
        """p that minimises ‖F p + z‖² + λ ‖p‖²_D, with the gradient Fᵀz."""
        step = self._solve(-gradient)
        for _ in range(self._refinements):
            step = step - self._solve(self._factor.T @ (rest + self._factor @ step) + self._shift * step)
        return step

    def solve(self, right: Tensor) -> Tensor:
        """(FᵀF + λ D)⁻¹ b."""
        result = self._solve(right)
        for _ in range(self._refinements - 1):
            result = result + self._solve(right - self._factor.T @ (self._factor @ result) - self._shift * result)
        return result

    def pulled(self, weights: Tensor, right: Tensor) -> Tensor:
        """(FᵀF + λ D)⁻¹ Jᵀk from k and Jᵀk."""
        return self.solve(right)

    def _solve(self, right: Tensor) -> Tensor:
        return torch.cholesky_solve(right[:, None], self._cholesky)[:, 0]


def product_and_pulled(
    chunks: Chunks, step: Tensor, scale: float = 1.0, offset: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """k = scale J p + offset, (N,), and Jᵀ k, (P,), in one pass: J is made once where it is not kept."""
    products, pulled, start = list[Tensor](), torch.zeros_like(step), 0
    for jacobian, _ in chunks():
        product = scale * (jacobian @ step)
        if offset is not None:
            product += offset[start : start + len(product)]
        pulled += jacobian.T @ product
        products.append(product)
        start += len(product)
    return torch.cat(products), pulled


def triangle(rows: Tensor) -> Tensor:
    """The triangular factor of rows, which has the same singular values and fewer rows; few rows stay as they are."""
    return torch.linalg.qr(rows, mode="r").R if rows.shape[0] > rows.shape[1] else rows


def split(factor: Tensor) -> tuple[Tensor, Tensor]:
    """[R z] as R and z."""
    return factor[:, :-1].contiguous(), factor[:, -1].contiguous()
