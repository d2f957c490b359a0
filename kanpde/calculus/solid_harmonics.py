"""Functions singular at a point of space: solid harmonics of negative degree, times even powers of r, and their jets.

With ∂± = ∂_x ± i ∂_y, the functions I_lm = ∂+^m ∂_z^{l-m} (1/r) of 0 ≤ m ≤ l are multiples of r^{-l-1} Y_lm (E. W.
Hobson, "The Theory of Spherical and Ellipsoidal Harmonics", 1931, ch. 4). They are harmonic, so that ∂+∂- = -∂_z² and
every derivative is one of them again: ∂_z I_lm = I_{l+1,m}, ∂+ I_lm = I_{l+1,m+1} and ∂- I_lm = -I_{l+1,m-1}, with
the conjugate of I_lm for I_{l,-m}. A linear map of space serves other principal parts than Laplace's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus import jets
from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.jets import JetPlan

Sum = dict[tuple[int, int], complex]  # Σ c I_lm by (l, m); m may be negative


@dataclass(frozen=True)
class Centre:
    """The point `at`, and the rows of the map (x - at) ↦ ξ to the space of the functions, one after the other."""

    at: tuple[float, float, float]
    rows: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    @property
    def matrix(self) -> Array:
        """The map (3, 3)."""
        return np.array(self.rows).reshape(3, 3)


@dataclass(frozen=True)
class SolidHarmonic:
    """|ξ|^{2k} Im I_lm(ξ), with k = `power`, l = `degree` and m = `order`; Re if `even`; at most about 1 if |ξ| = 1."""

    corner: Centre
    degree: int
    order: int
    power: int = 0
    even: bool = True

    @property
    def in_hole(self) -> bool:
        """True because the function is not smooth at the centre."""
        return True


def harmonic_jets(functions: Sequence[SolidHarmonic], points: Tensor, plan: JetPlan) -> Tensor:
    """Return the partials (n, S, K) of K functions of one centre at points (n, 3)."""
    centre = functions[0].corner
    matrix = torch.as_tensor(centre.matrix).to(points)
    away = (points - points.new_tensor(centre.at)) @ matrix.T
    highest = max(function.degree for function in functions) + plan.order
    table = solid_harmonics(away, highest)
    found = torch.stack([table @ _combined(functions, p, highest).to(table) for p in plan.partials], dim=1)
    powers = torch.tensor([function.power for function in functions], device=points.device)
    if powers.any():
        square = _square(away, matrix, plan)[:, :, None]
        for k in range(1, int(powers.max()) + 1):
            some = powers >= k
            found[:, :, some] = jets.product(plan, square, found[:, :, some])
    return found


def solid_harmonics(points: Tensor, highest: int) -> Tensor:
    """Return Re and Im of I_lm of 0 ≤ m ≤ l ≤ `highest` at points (n, 3), two columns after the other by `column`."""
    x, y, z = points.unbind(dim=1)
    square = (points * points).sum(dim=1)
    away, along, round_ = 1 / square, z / square, torch.complex(x, y)
    found: list[Tensor | None] = [None] * ((highest + 1) * (highest + 2) // 2)
    first = torch.complex(square.rsqrt(), torch.zeros_like(x))
    for m in range(highest + 1):
        before, here = torch.zeros_like(first), first
        for n in range(m, highest + 1):
            found[column(n, m)] = here
            before, here = here, -(2 * n + 1) * along * here - (n * n - m * m) * away * before
        first = -(2 * m + 1) * away * round_ * first
    table = torch.stack([each for each in found if each is not None], dim=1)
    return torch.view_as_real(table).flatten(1)


def column(degree: int, order: int) -> int:
    """Return the place of I_lm of m ≥ 0 among all of them."""
    return degree * (degree + 1) // 2 + order


def _combined(functions: Sequence[SolidHarmonic], partial: MultiIndex, highest: int) -> Tensor:
    """Return the matrix (columns, K) that takes Re and Im of all I_lm to a partial of the functions without powers."""
    matrix = functions[0].corner.matrix
    found = np.zeros((highest + 1) * (highest + 2), dtype=np.float64)[:, None].repeat(len(functions), axis=1)
    for k, function in enumerate(functions):
        terms: Sum = {(function.degree, function.order): _scale(function)}
        for axis in partial:
            terms = _derivative(terms, matrix[:, axis])
        for (degree, order), c in terms.items():
            sign = 1 if order >= 0 else -1  # Im of the conjugate
            parts = (c.real, -sign * c.imag) if function.even else (c.imag, sign * c.real)
            place = 2 * column(degree, abs(order))
            found[place : place + 2, k] += parts
    return torch.from_numpy(found)


def _scale(function: SolidHarmonic) -> complex:
    above, below = function.degree + function.order, function.degree - function.order
    return 1 / math.sqrt(math.factorial(below) * math.factorial(above))


def _derivative(terms: Sum, direction: Array) -> Sum:
    """Return the derivative of a sum along a direction (3,)."""
    plus = (direction[0] - 1j * direction[1]) / 2  # of ∂+; that of ∂- is its conjugate
    found: Sum = {}
    for (degree, m), c in terms.items():
        rising, falling = (1 if m >= 0 else -1), (1 if m <= 0 else -1)
        shares = ((m, direction[2]), (m + 1, rising * plus), (m - 1, falling * plus.conjugate()))
        for order, share in shares:
            if share:
                found[degree + 1, order] = found.get((degree + 1, order), 0.0) + c * complex(share)
    return found


def _square(away: Tensor, matrix: Tensor, plan: JetPlan) -> Tensor:
    """Return the jets (n, S) of |ξ|²."""
    found, gram = away.new_zeros(len(away), len(plan)), matrix.T @ matrix
    slopes = 2 * away @ matrix
    for s, partial in enumerate(plan.partials):
        if not partial:
            found[:, s] = (away * away).sum(dim=1)
        elif len(partial) == 1:
            found[:, s] = slopes[:, partial[0]]
        elif len(partial) == 2:
            found[:, s] = 2 * gram[partial[0], partial[1]]
    return found
