"""Self-scaled quasi-Newton methods with a dense inverse Hessian H: SSBFGS and SSBroyden.

With s = θ⁺ − θ, y = g⁺ − g and v = √(yᵀHy) (s/yᵀs − Hy/yᵀHy), every member of the self-scaled Broyden family is

    H⁺ = (H − Hy yᵀH/yᵀHy + φ v vᵀ)/τ + s sᵀ/yᵀs

(Al-Baali, Comput. Optim. Appl. 9 (1998) 191–203). Where the eigenvalues of the Hessian span many decades, as for
residuals of differential equations, τ < 1 and a φ computed at each step correct H much faster than BFGS, τ = φ = 1:
Urbán, Stefanou and Pons, arXiv 2405.04230; Kiyani, Shukla, Urbán, Darbon and Karniadakis, arXiv 2501.16371.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from kanpde.optim.least_squares import LeastSquares, Step
from kanpde.optim.line_search import Point, strong_wolfe

UPDATES_PER_STEP = 10  # updates of H in one step: the gradient at a step's start is then rarely computed twice
Rule = Callable[[float, float, int], tuple[float, float]]


def scaled_bfgs(b: float, h: float, size: int) -> tuple[float, float]:
    """Return (τ, φ) of SSBFGS: τ = min(1, 1/b), φ = 1, with b = sᵀH⁻¹s/yᵀs and h = yᵀHy/yᵀs."""
    return min(1.0, 1 / b), 1.0


def scaled_broyden(b: float, h: float, size: int) -> tuple[float, float]:
    """Return (τ, φ) of SSBroyden, the second of the self-scaled Broyden methods in arXiv 2405.04230.

    With a = bh − 1 ≥ 0 (Cauchy–Schwarz), θ is (1 − b)/b, clipped to an interval in which H⁺ is positive definite.
    """
    a = max(b * h - 1, 1e-14)
    least = min(1.0, h * (1 - math.sqrt(a / (1 + a))))
    theta = max((least - 1) / a, min(1 / least, (1 - b) / b))
    sigma = 1 + theta * a
    root = sigma ** (-1 / max(size - 1, 1))
    first = min(1.0, 1 / b)
    tau = first * min(root, 1 / theta) if theta > 0 else min(first * root, sigma)
    return tau, (1 - theta) / sigma


class QuasiNewton:
    """A quasi-Newton method: one step is `inner` line searches, each followed by an update of H, which is the state.

    The gradient is recomputed when a step begins, because points may have moved: no secant pair mixes two losses.
    """

    def __init__(self, rule: Rule, inner: int = UPDATES_PER_STEP) -> None:
        self._rule, self._inner = rule, inner
        self._inverse: Tensor | None = None
        self._scaled = False  # True once a secant pair has scaled H; until then H is the identity
        self._correlated = False  # True if H has off-diagonal entries

    def step(self, problem: LeastSquares, vector: Tensor) -> Step:
        """Return one step from `vector`, (P,)."""
        loss, gradient = problem.gradient(vector)
        start = here = Point(0.0, loss, math.nan, gradient)
        position = vector
        for _ in range(self._inner):
            direction = self._direction(here.gradient)
            found = self._search(problem, position, here, direction)
            if found.step == 0:
                if not self._drop_correlations():
                    break
                continue
            moved = found.step * direction
            self._update(moved, found.gradient - here.gradient, -found.step * float(moved @ here.gradient))
            position, here = position + moved, found
        return Step(position, here.value, accepted=here is not start, before=loss)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return H if it exists, and as JSON whether it is scaled and whether it has off-diagonal entries."""
        numbers = {"scaled": self._scaled, "correlated": self._correlated}
        return {} if self._inverse is None else {"inverse": self._inverse.clone()}, numbers

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._inverse = tensors["inverse"].clone() if "inverse" in tensors else None
        self._scaled, self._correlated = bool(numbers["scaled"]), bool(numbers["correlated"])

    def retreat(self) -> None:
        """Reset H to the identity."""
        self._inverse, self._scaled, self._correlated = None, False, False

    def _drop_correlations(self) -> bool:
        """After a line search without gain, keep only the diagonal of H, the scales of the parameters.

        Reset H and return False if H is diagonal already, or not finite.
        """
        if self._inverse is None or not self._correlated or not bool(torch.isfinite(self._inverse).all()):
            self.retreat()
            return False
        self._inverse, self._correlated = torch.diag(self._inverse.diagonal()), False
        return True

    def _direction(self, gradient: Tensor) -> Tensor:
        """Return −H g; steepest descent if rounding errors have made H indefinite."""
        if self._inverse is None or len(self._inverse) != len(gradient):
            self.retreat()
            self._inverse = torch.eye(len(gradient), dtype=gradient.dtype, device=gradient.device)
        direction = -(self._inverse @ gradient)
        if float(direction @ gradient) < 0 or not self._scaled:
            return direction
        self.retreat()
        return self._direction(gradient)

    def _search(self, problem: LeastSquares, position: Tensor, here: Point, direction: Tensor) -> Point:
        slope = float(direction @ here.gradient)
        if not slope < 0:
            return replace(here, step=0.0)

        def evaluate(step: float) -> Point:
            loss, gradient = problem.gradient(position + step * direction)
            return Point(step, loss, float(gradient @ direction), gradient)

        first = 1.0 if self._scaled else min(1.0, 1 / float(here.gradient.abs().sum()))
        return strong_wolfe(evaluate, replace(here, step=0.0, slope=slope), first)

    def _update(self, moved: Tensor, change: Tensor, curved: float) -> None:
        """Update H from s, y and sᵀH⁻¹s = −α sᵀg, which needs no solve.

        H is unchanged if rounding errors leave yᵀs or yᵀHy without a reliable positive sign.
        """
        assert self._inverse is not None
        product = float(change @ moved)
        if not product > torch.finfo(moved.dtype).eps * float(moved.norm() * change.norm()):
            return
        if not self._scaled:
            # The first pair sets the scale: Nocedal and Wright, "Numerical Optimization", eq. (6.20).
            self._inverse *= product / float(change @ change)
        pulled = self._inverse @ change
        squared = float(change @ pulled)
        if not squared > 0:
            return
        tau, phi = self._rule(curved / product, squared / product, len(moved)) if self._scaled else (1.0, 1.0)
        self._scaled = self._correlated = True
        mixed = math.sqrt(squared) * (moved / product - pulled / squared)
        self._inverse.addr_(pulled, pulled, alpha=-1 / squared).addr_(mixed, mixed, alpha=phi).div_(tau)
        self._inverse.addr_(moved, moved, alpha=1 / product)


def ssbfgs() -> QuasiNewton:
    """Return BFGS whose inverse Hessian is scaled down if it is too large along the last step."""
    return QuasiNewton(scaled_bfgs)


def ssbroyden() -> QuasiNewton:
    """Return the self-scaled Broyden method."""
    return QuasiNewton(scaled_broyden)
