"""Bound the error of an approximation by the eigenvalues of a box, for elliptic equations with constant coefficients.

Let L u = −Σ a_i u_ii + c u = f with numbers a_i > 0 and c on a box with sides l_i in at most three dimensions, u given on
all faces. The eigenvalues of L with zero values are λ_k = Σ a_i (π k_i / l_i)² + c, and its eigenfunctions are products
of sines, φ_k with |φ_k| ≤ √(2^d / |Ω|). If none is zero, an approximation with the residual r and the error m at most on
the faces has an error

    |e| ≤ m + S (‖r‖ + |c| m √|Ω|),     S² = 2^d / |Ω| Σ_k 1 / λ_k²,

in the norm of L²: e = h + e₀, where −Σ a_i h_ii = 0 and h = e on the faces, so that |h| ≤ m by the maximum principle, and
L e₀ = r − c h with zero values, so that e₀ = Σ (r − c h, φ_k) φ_k / λ_k, and Cauchy and Schwarz (W. A. Strauss, Partial
Differential Equations, 2008, section 10.1). It does not matter which sign c has, and a residual that is large in few
places costs little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from kanpde.symbolic.proof.comparison import ends_of
from kanpde.symbolic.proof.maximum_principle import UPWARD, NoTheorem
from kanpde.symbolic.proof.row import Row
from kanpde.symbolic.proof.statement import Statement

THEOREM = "the eigenvalues of the box (Strauss, 2008)"
MODES = {1: 20000, 2: 1200, 3: 130}  # summed along each axis, by dimension
MOST_DIMENSIONS = 3


@dataclass(frozen=True)
class ConstantOperator:
    """−Σ a_i ∂_ii + c on a box: `stiffness` (d,), `reaction` and `lengths` (d,), with their rounding errors."""

    row: Row
    stiffness: tuple[float, ...]
    reaction: float
    lengths: tuple[float, ...]

    @property
    def volume(self) -> float:
        return math.prod(self.lengths)

    def stability(self) -> float:
        """Return an upper bound of S; raise NoTheorem if an eigenvalue may be zero."""
        rates = [a * (math.pi / length) ** 2 for a, length in zip(self.stiffness, self.lengths, strict=True)]
        dimension = len(rates)
        count = MODES[dimension]
        squares = np.arange(1, count + 1, dtype=np.float64) ** 2
        total, tail = 0.0, sum(_tail(rates, axis, count) for axis in range(dimension))
        if (count + 1) ** 2 * min(rates) < 2 * UPWARD * abs(self.reaction):
            raise NoTheorem("the coefficient of u is too large for the eigenvalues that are summed")
        rest = _sums([rate * squares for rate in rates[1:]])
        for first in (rates[0] * squares).tolist():
            values = first + rest + self.reaction
            # Sums and products of a few numbers.
            sure = np.abs(values) - 1e-14 * (first + rest + abs(self.reaction))
            if not (sure > 0).all():
                raise NoTheorem("an eigenvalue of the equation may be zero, so that errors may be of any size")
            total += UPWARD * float((1 / sure**2).sum())
        # For eigenvalues of at least 2 |c| without c, 1 / (λ + c)² ≤ 4 / λ².
        return UPWARD * math.sqrt(2**dimension / self.volume * (total + 4 * UPWARD * tail))


def _sums(axes: Sequence[np.ndarray]) -> np.ndarray:
    total = np.zeros(1)
    for values in axes:
        total = (total[:, None] + values).ravel()
    return total


def _tail(rates: Sequence[float], axis: int, count: int) -> float:
    """Return a bound of Σ 1 / (Σ α_i k_i²)² over k_axis > count and all other k_i ≥ 1, by integrals."""
    own, others = rates[axis], [rate for i, rate in enumerate(rates) if i != axis]
    if not others:
        return 1 / (3 * own**2 * count**3)
    if len(others) == 1:
        return math.pi / (8 * own**1.5 * math.sqrt(others[0]) * count**2)
    return math.pi / (4 * own * math.sqrt(others[0] * others[1]) * count)


def constant_operator(statement: Statement, row: Row) -> ConstantOperator:
    """Return a row as an operator with constant coefficients; raise NoTheorem, with the reason, for others."""
    domain = statement.problem.domain
    axes = range(domain.dimension)
    if domain.time is not None or set(row.orders) != {(axis, axis) for axis in axes} or domain.dimension > MOST_DIMENSIONS:
        raise NoTheorem("the equation is not elliptic along all axes")
    slopes = [sp.expand(row.slope((axis, axis))) for axis in axes]
    reaction = sp.expand(row.slope(()))
    if not (all(slope.is_number for slope in slopes) and reaction.is_number):
        raise NoTheorem("the coefficients are not constant")
    if all(slope.is_positive for slope in slopes):
        return constant_operator(statement, row.negative())
    if not all(slope.is_negative for slope in slopes):
        raise NoTheorem("the equation is not elliptic")
    if any(end.kind != "values" for axis in axes for end in ends_of(statement, axis)):
        raise NoTheorem("values are not prescribed on all faces")
    lengths = tuple(float(high - low) for low, high in zip(domain.low, domain.high, strict=True))
    return ConstantOperator(row, tuple(-float(slope) for slope in slopes), float(reaction), lengths)
