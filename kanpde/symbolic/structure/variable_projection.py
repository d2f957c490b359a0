"""Variable projection: linear constants eliminated, nonlinear ones by Levenberg–Marquardt from many guesses at once.

Golub and Pereyra, SIAM J. Numer. Anal. 10 (1973) 413; the Jacobian is Kaufman's, BIT 15 (1975) 49.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.symbolic.structure.atoms import VARIABLE, Basis

# The number of Levenberg–Marquardt steps.
ITERATIONS = 16
# The number of guesses that are iterated on.
KEPT_STARTS = 6
# The smallest diagonal entry of R, with unit columns, of linearly independent functions.
INDEPENDENT = 1e-9


@dataclass(frozen=True)
class Target:
    """Functions of one variable to approximate in a span: `values` (n, r) at `variable` (n,)."""

    variable: Tensor
    values: Tensor
    root: Tensor  # square roots of the quadrature weights, (n, 1)

    @classmethod
    def of(cls, variable: Array, values: Array, weights: Array) -> Target:
        """Return a target with the values scaled to the weighted norm one."""
        root = np.sqrt(weights)[:, None]
        size = max(float(np.linalg.norm(root * values)), 1e-300)
        return cls(torch.as_tensor(variable), torch.as_tensor(values / size), torch.as_tensor(root))

    @property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest value of the variable."""
        return float(self.variable.min()), float(self.variable.max())


@dataclass(frozen=True)
class Fit:
    """A sum of bases with their constants; `misfit` is the relative distance of the target from their span."""

    bases: tuple[Basis, ...]
    parameters: Array
    misfit: float

    @property
    def size(self) -> int:
        """The number of functions plus the number of nonlinear constants."""
        return sum(len(basis.functions) + len(basis.parameters) for basis in self.bases)

    def resembles(self, other: Fit) -> bool:
        """Return True if constants agree up to sign, which does not change the span of waves, steps and Gaussians."""
        if self.parameters.shape != other.parameters.shape:
            return False
        near = np.allclose(np.abs(self.parameters), np.abs(other.parameters), rtol=1e-3, atol=1e-6)
        return near and bool(np.isclose(self.misfit, other.misfit, rtol=0.1, atol=1e-14))

    def functions(self, variable: sp.Expr, constants: Sequence[sp.Symbol]) -> list[sp.Expr]:
        """Return the distinct functions as expressions of `variable` and the symbols `constants`."""
        found, given = [], iter(constants)
        for basis in self.bases:
            names = {p: next(given) for p in basis.parameters}
            found += [f.subs({VARIABLE: variable, **names}, simultaneous=True) for f in basis.functions]
        return list(dict.fromkeys(found))


def fit(target: Target, bases: tuple[Basis, ...], starts: Array, keep: int = 1) -> list[Fit]:
    """Return at most `keep` distinct fits from many guesses (S, p), the best first."""
    guesses = torch.as_tensor(starts, dtype=torch.float64)
    if not guesses.shape[1]:
        return [Fit(bases, np.zeros(0), float(_Projection(target, bases, guesses[:1]).cost[0].sqrt()))]
    cost = _Projection(target, bases, guesses).cost
    order = cost.argsort(stable=True)[:KEPT_STARTS]
    guesses, cost = _descended(target, bases, guesses[order[cost[order].isfinite()]])
    found: list[Fit] = []
    for i in cost.argsort(stable=True).tolist():
        parameters = guesses[i].numpy()
        candidate = Fit(bases, parameters, float(cost[i].sqrt()))
        if not any(candidate.resembles(other) for other in found):
            found.append(candidate)
    return found[:keep]


def _descended(target: Target, bases: tuple[Basis, ...], guesses: Tensor) -> tuple[Tensor, Tensor]:
    """Return guesses after Levenberg–Marquardt steps, batched over all guesses, and their costs (S,)."""
    damping = torch.full((len(guesses), 1, 1), 1e-2, dtype=torch.float64)
    if not len(guesses):
        return guesses, torch.zeros(0)
    here = _Projection(target, bases, guesses)
    for _ in range(ITERATIONS):
        gradient, curvature = here.quadratic_model()
        diagonal = torch.diag_embed(curvature.diagonal(dim1=1, dim2=2) + 1e-300)
        step = torch.linalg.lstsq(curvature + damping * diagonal, -gradient[:, :, None]).solution[:, :, 0]
        there = _Projection(target, bases, guesses + step.nan_to_num(0.0, 0.0, 0.0))
        better = there.cost < here.cost
        damping = torch.where(better[:, None, None], damping / 5, damping * 5).clamp(1e-12, 1e8)
        if bool((~better | (here.cost - there.cost <= 1e-9 * here.cost)).all()) and bool((damping > 1).any()):
            break
        guesses = torch.where(better[:, None], there.guesses, guesses)
        here = _Projection(target, bases, guesses)
    return guesses, here.cost


class _Projection:
    """The residual of the target after projection onto the span of the bases, for each guess."""

    def __init__(self, target: Target, bases: tuple[Basis, ...], guesses: Tensor) -> None:
        self.target, self.bases, self.guesses = target, bases, guesses
        functions = torch.cat([b.values(target.variable, g) for b, g in self._split()], dim=2) * target.root
        usable = functions.isfinite().all(dim=(1, 2))
        functions = torch.where(usable[:, None, None], functions, 1.0)
        self._scale = functions.norm(dim=1, keepdim=True).clamp_min(1e-300)
        self._q, self._r = torch.linalg.qr(functions / self._scale)
        diagonal = self._r.diagonal(dim1=1, dim2=2).abs()
        usable &= diagonal.amin(dim=1) > INDEPENDENT
        self.outside = self._reject(self.target.root * self.target.values)
        self.cost = torch.where(usable, self.outside.square().sum(dim=(1, 2)), torch.inf)

    def _split(self) -> list[tuple[Basis, Tensor]]:
        sizes = [len(basis.parameters) for basis in self.bases]
        parts: tuple[Tensor, ...] = self.guesses.split(sizes, dim=1)  # type: ignore[no-untyped-call]
        return list(zip(self.bases, parts, strict=True))

    def _reject(self, vectors: Tensor) -> Tensor:
        """Return the component of the vectors orthogonal to the span."""
        inside: Tensor = self._q @ (self._q.transpose(1, 2) @ vectors)
        return vectors - inside

    def quadratic_model(self) -> tuple[Tensor, Tensor]:
        """Return the gradient (S, p) and Gauss–Newton Hessian (S, p, p) of half the cost."""
        inside = self._q.transpose(1, 2) @ (self.target.root * self.target.values)
        regular = self._r + 1e-14 * torch.eye(self._r.shape[1], dtype=torch.float64)
        coefficients = torch.linalg.solve_triangular(regular, inside, upper=True) / self._scale.transpose(1, 2)
        columns, first = [], 0
        for basis, guesses in self._split():
            last = first + len(basis.functions)
            if basis.parameters:
                slopes = (basis.slopes(self.target.variable, guesses) * self.target.root[..., None]).nan_to_num()
                for k in range(len(basis.parameters)):
                    columns.append(-self._reject(slopes[..., k] @ coefficients[:, first:last]).flatten(1))
            first = last
        jacobian = torch.stack(columns, dim=2).nan_to_num()
        gradient = (jacobian.transpose(1, 2) @ self.outside.flatten(1)[:, :, None])[:, :, 0]
        return gradient, jacobian.transpose(1, 2) @ jacobian
