"""Nonlinear least squares, min ‖r(θ)‖²: the interfaces of problems and methods, linearisations and damped solves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from kanpde.calculus import processes
from kanpde.calculus.devices import threads_for
from kanpde.optim.cholesky import solve_with

# A solve is refined once below the first damping and twice below the second: each reduces the relative error eps/λ.
REFINED_BELOW = (1e-5, 1e-10)
# (J, r) of a few rows after the other; J is None where another process has it, and then the sums are over all of them.
Rows = Iterable[tuple["Tensor | None", Tensor]]
Chunks = Callable[[], Rows]


class LeastSquares(Protocol):
    """A residual r: R^P → R^N and its linearisation."""

    def residual(self, vector: Tensor, /) -> Tensor:
        """Return r(θ), (N,)."""

    def linearise(self, vector: Tensor, /) -> Linearisation:
        """Return r and J = ∂r/∂θ at θ."""

    def chunks_of_rows(self, vector: Tensor, /) -> Rows:
        """Return (J, r) at θ in chunks of a few rows, in the order of r."""

    def gradient(self, vector: Tensor, /) -> tuple[float, Tensor]:
        """Return ‖r‖² and its gradient 2 Jᵀr, (P,), at θ."""


@dataclass(frozen=True)
class Step:
    """The result of a step: the new vector (P,), its loss ‖r‖², and whether the step was accepted.

    If the step `lags`, `loss` is that at its start, because the method evaluates no other. `before` is the loss at the
    step's start, `ratio` the actual over the predicted reduction. `damping`, `ratio` and `probes` keep their defaults
    in methods that have no damping.
    """

    vector: Tensor
    loss: float
    accepted: bool = True
    before: float = math.nan
    damping: float = math.nan
    ratio: float = math.nan
    probes: int = 1
    accelerated: bool = False
    lags: bool = False


@dataclass
class Footing:
    """The parameters (P,) found so far, and those at which the loss is known to be finite.

    They differ by the last step of a method whose steps lag: its loss is evaluated by the next one.
    """

    vector: Tensor
    safe: Tensor

    def take(self, step: Step) -> bool:
        """Go on to a step's parameters and return True; go back to the safe ones if a number is not finite."""
        finite = math.isfinite(step.loss) and bool(torch.isfinite(step.vector).all())
        if finite:
            self.safe = self.vector if step.lags else step.vector
        self.vector = step.vector if finite else self.safe
        return finite


class Method(Protocol):
    """An optimiser: it takes one step at a time, and its state can be saved and restored."""

    def step(self, problem: LeastSquares, vector: Tensor, /) -> Step:
        """Return one step from `vector`, (P,)."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the state on which the next step depends, as tensors and JSON."""

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""

    def retreat(self) -> None:
        """Make later steps shorter, after values that were not finite."""


class Linearisation:
    """The residual r and J at a point: J itself if it is small, else the triangular factor of [J r], in O(P²) memory.

    `factor` F and `rest` z satisfy ‖J p + r‖ = ‖F p + z‖ for every p: they are J and r, or R (≤ P + 1, P) and the
    right-hand side. R is computed from chunks of rows by Householder QR. Unlike JᵀJ, which squares the condition
    number, it keeps the small singular values (Golub and Van Loan, "Matrix Computations", §5.3).
    """

    def __init__(self, factor: Tensor, rest: Tensor, residual: Tensor, chunks: Chunks) -> None:
        self.factor, self.rest, self.residual = factor, rest, residual
        self._chunks = chunks

    @classmethod
    def whole(cls, jacobian: Tensor, residual: Tensor) -> Linearisation:
        """Return the linearisation that stores J (N, P) and r (N,) themselves."""
        return cls(jacobian, residual, residual, lambda: [(jacobian, residual)])

    @classmethod
    def streamed(cls, chunks: Chunks, size: int) -> Linearisation:
        """Return the linearisation with a triangular factor of `size` columns; `chunks` yields (J, r) at each call."""
        residuals: list[Tensor] = []
        waiting: list[Tensor] = []
        factor: Tensor | None = None
        shared = False
        for jacobian, residual in chunks():
            residuals.append(residual)
            if jacobian is None:
                shared = True
                continue
            waiting.append(torch.cat([jacobian, residual[:, None]], dim=1))
            if sum(len(w) for w in waiting) >= 4 * size:
                factor, waiting = triangular_factor(torch.cat([*([] if factor is None else [factor]), *waiting])), []
        none = residuals[0].new_zeros(0, size + 1)
        factor = triangular_factor(torch.cat([none if factor is None else factor, *waiting]))
        if shared:
            factor = triangular_factor(processes.stacked(factor))
        return cls(*split(factor), torch.cat(residuals), chunks)

    @property
    def loss(self) -> float:
        """The loss ‖r‖²."""
        return float(self.residual.square().sum())

    def product_and_pullback(
        self, step: Tensor, scale: float = 1.0, offset: Tensor | None = None, image: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return k = scale J p + offset, (N,), and Jᵀ k, (P,); `image` is F p if that is known."""
        if image is None or self.rest is not self.residual:
            return product_and_pullback(self._chunks, step, scale, offset)
        product = scale * image if offset is None else scale * image + offset
        return product, self.factor.T @ product

    def transposed(self, weights: Tensor) -> Tensor:
        """Return Jᵀ k, (P,)."""
        total, start, shared = torch.zeros_like(self.factor[0]), 0, False
        for jacobian, residual in self._chunks():
            if jacobian is None:
                shared = True
            else:
                total += jacobian.T @ weights[start : start + len(residual)]
            start += len(residual)
        return processes.total(total) if shared else total

    def predicted(self, image: Tensor) -> float:
        """Return the predicted reduction ‖r‖² − ‖J p + r‖² from the image F p."""
        return float(self.rest.square().sum() - (image + self.rest).square().sum())


class Damped:
    """Solve (FᵀF + λ D) p = b for one λ by Cholesky factorisation and iterative refinement; D is a positive diagonal.

    Refinement with F itself, not FᵀF, recovers the digits that the normal equations lose (corrected seminormal
    equations: Björck, Lin. Alg. Appl. 88/89 (1987) 31–48); if λ is large, no digits are lost. `solvable` is False if
    the factorisation fails.
    """

    def __init__(self, factor: Tensor, gram: Tensor, diagonal: Tensor, damping: float) -> None:
        self._factor, self._shift = factor, damping * diagonal
        with threads_for(len(gram) ** 3 / 3):
            shifted = gram.clone()
            shifted.diagonal().add_(self._shift)
            self._cholesky, info = torch.linalg.cholesky_ex(shifted)
        self.solvable = int(info) == 0
        self._refinements = sum(damping < limit for limit in REFINED_BELOW)

    def descent(self, rest: Tensor, gradient: Tensor) -> Tensor:
        """Return the p (P,) that minimises ‖F p + z‖² + λ ‖p‖²_D, from z and `gradient` Fᵀz."""
        step = self._solve(-gradient)
        for _ in range(self._refinements):
            step = step - self._solve(self._factor.T @ (rest + self._factor @ step) + self._shift * step)
        return step

    def solve(self, right: Tensor) -> Tensor:
        """Return (FᵀF + λ D)⁻¹ b, (P,)."""
        result = self._solve(right)
        for _ in range(self._refinements - 1):
            result = result + self._solve(right - self._factor.T @ (self._factor @ result) - self._shift * result)
        return result

    def solve_transposed(self, weights: Tensor, right: Tensor) -> Tensor:
        """Return (FᵀF + λ D)⁻¹ Jᵀk, (P,), from k (N,) and Jᵀk (P,)."""
        return self.solve(right)

    def _solve(self, right: Tensor) -> Tensor:
        return solve_with(self._cholesky, right)


def product_and_pullback(
    chunks: Chunks, step: Tensor, scale: float = 1.0, offset: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return k = scale J p + offset, (N,), and Jᵀ k, (P,), in one pass over the rows of J."""
    products, gradient, start, shared = list[Tensor](), torch.zeros_like(step), 0, False
    for jacobian, residual in chunks():
        if jacobian is None:
            shared = True
            products.append(torch.zeros_like(residual))
            start += len(residual)
            continue
        product = scale * (jacobian @ step)
        if offset is not None:
            product += offset[start : start + len(product)]
        gradient += jacobian.T @ product
        products.append(product)
        start += len(product)
    if not shared:
        return torch.cat(products), gradient
    found = processes.total(torch.cat([*products, gradient]))
    return found[: len(found) - len(gradient)], found[len(found) - len(gradient) :]


def triangular_factor(rows: Tensor) -> Tensor:
    """Return the triangular QR factor of a matrix, or the matrix itself if it has no more rows than columns."""
    return torch.linalg.qr(rows, mode="r").R if rows.shape[0] > rows.shape[1] else rows


def split(factor: Tensor) -> tuple[Tensor, Tensor]:
    """Split [R z] into R and z."""
    return factor[:, :-1].contiguous(), factor[:, -1].contiguous()
