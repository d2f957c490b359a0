"""Bound the error of an approximation by the eigenvalues of a box, for elliptic equations with constant coefficients.

Let L u = −Σ a_i u_ii + c u = f with numbers a_i > 0 and c on a box with sides l_i in at most three dimensions, u given
on all faces. The eigenvalues of L with zero values are λ_k = Σ a_i (π k_i / l_i)² + c, and its eigenfunctions are
products of sines, φ_k with |φ_k| ≤ √(2^d / |Ω|). If none is zero, an approximation with the residual r and the error m
at most on the faces has an error

    |e| ≤ m + S (‖r‖ + |c| m √|Ω|),     S² = 2^d / |Ω| Σ_k 1 / λ_k²,

in the norm of L²: e = h + e₀, where −Σ a_i h_ii = 0 and h = e on the faces, so that |h| ≤ m by the maximum principle,
and L e₀ = r − c h with zero values, so that e₀ = Σ (r − c h, φ_k) φ_k / λ_k, and Cauchy and Schwarz (W. A. Strauss,
Partial Differential Equations, 2008, section 10.1). It does not matter which sign c has, and a residual that is large
in few places costs little.

For a plate on supports, M² u = f with M = −Σ a_i ∂_ii, where u and M u are given on all faces up to m and m', both come
one after the other: M e is at most m' + S ‖r‖, and |e| ≤ m + (m' + S ‖r‖) min l_i² / (8 a_i).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.symbolic.proof.linear_form import LinearForm, linear_form
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
    values: tuple[LinearForm, ...]
    moments: tuple[LinearForm, ...] = ()  # of M u, for a plate

    def height(self) -> float:
        """Return the largest error that an M e of one can cause."""
        return UPWARD * min(length**2 / (8 * a) for a, length in zip(self.stiffness, self.lengths, strict=True))

    @property
    def volume(self) -> float:
        return math.prod(self.lengths)

    def stability(self) -> float:
        """Return an upper bound of S; raise NoTheorem if an eigenvalue may be zero."""
        rates = [a * (math.pi / length) ** 2 for a, length in zip(self.stiffness, self.lengths, strict=True)]
        dimension = len(rates)
        count = MODES[dimension]
        squares = np.arange(1, count + 1, dtype=np.float64) ** 2
        total, beyond = 0.0, sum(tail(rates, axis, count) for axis in range(dimension))
        if (count + 1) ** 2 * min(rates) < 2 * UPWARD * abs(self.reaction):
            raise NoTheorem("the coefficient of u is too large for the eigenvalues that are summed")
        rest = sums([rate * squares for rate in rates[1:]])
        for first in (rates[0] * squares).tolist():
            values = first + rest + self.reaction
            # Sums and products of a few numbers.
            sure = np.abs(values) - 1e-14 * (first + rest + abs(self.reaction))
            if not (sure > 0).all():
                raise NoTheorem("an eigenvalue of the equation may be zero, so that errors may be of any size")
            total += UPWARD * float((1 / sure**2).sum())
        # For eigenvalues of at least 2 |c| without c, 1 / (λ + c)² ≤ 4 / λ².
        return UPWARD * math.sqrt(2**dimension / self.volume * (total + 4 * UPWARD * beyond))


def sums(axes: Sequence[Array]) -> Array:
    """Return all sums of one number of every axis."""
    total = np.zeros(1)
    for values in axes:
        total = (total[:, None] + values).ravel()
    return total


def tail(rates: Sequence[float], axis: int, count: int) -> float:
    """Return a bound of Σ 1 / (Σ α_i k_i²)² over k_axis > count and all other k_i ≥ 1, by integrals."""
    own, others = rates[axis], [rate for i, rate in enumerate(rates) if i != axis]
    if not others:
        return 1 / (3 * own**2 * count**3)
    if len(others) == 1:
        return math.pi / (8 * own * math.sqrt(own * others[0]) * count**2)
    return math.pi / (4 * own * math.sqrt(others[0] * others[1]) * count)


def constant_operator(statement: Statement, row: Row) -> ConstantOperator:
    """Return a row as an operator with constant coefficients; raise NoTheorem, with the reason, for others."""
    domain = statement.problem.domain
    axes = range(domain.dimension)
    if domain.time is not None or domain.dimension > MOST_DIMENSIONS:
        raise NoTheorem("the equation is not elliptic along all axes")
    slopes = {partial: sp.expand(row.slope(partial)) for partial in row.symbols}
    if not all(slope.is_number for slope in slopes.values()):
        raise NoTheorem("the coefficients are not constant")
    squares = {(a, a): slopes.get((a, a), sp.S.Zero) for a in axes}
    forms = [linear_form(statement, e) for e in statement.equations if e.face is not None]
    lengths = tuple(float(high - low) for low, high in zip(domain.low, domain.high, strict=True))
    if set(row.orders) == set(squares):
        if all(slope.is_positive for slope in squares.values()):
            return constant_operator(statement, row.negative())
        values, others = _on_faces(forms, {(): sp.S.One}, len(axes))
        if others or not all(slope.is_negative for slope in squares.values()):
            raise NoTheorem("the equation is not elliptic, or values are not prescribed on all faces")
        stiffness = tuple(-float(slope) for slope in squares.values())
        return ConstantOperator(row, stiffness, float(slopes.get((), 0)), lengths, values)
    return _plate(row, slopes, forms, lengths)


def _plate(
    row: Row, slopes: Mapping[MultiIndex, Any], forms: Sequence[LinearForm], lengths: tuple[float, ...]
) -> ConstantOperator:
    """Return M for a row M² u."""
    axes = range(len(lengths))
    roots = [sp.sqrt(slopes.get((a, a, a, a), sp.S.Zero)) for a in axes]
    square = {
        tuple(sorted((a, a, b, b))): roots[a] * roots[b] * (1 if a == b else 2) for a in axes for b in axes if a <= b
    }
    same = all(sp.simplify(slope - square.get(partial, 0)) == 0 for partial, slope in slopes.items() if partial)
    if set(row.orders) != set(square) or not same or slopes.get((), 0) or not all(root.is_positive for root in roots):
        raise NoTheorem("the equation is neither elliptic of second order nor that of a plate")
    values, others = _on_faces(forms, {(): sp.S.One}, len(axes))
    moments, rest = _on_faces(others, {(a, a): root for a, root in zip(axes, roots, strict=True)}, len(axes))
    if rest:
        raise NoTheorem("the plate has other conditions than values and moments")
    return ConstantOperator(row, tuple(map(float, roots)), 0.0, lengths, values, moments)


def _on_faces(
    forms: Sequence[LinearForm], wanted: Mapping[MultiIndex, Any], dimension: int
) -> tuple[tuple[LinearForm, ...], tuple[LinearForm, ...]]:
    """Return the forms that are multiples of Σ wanted ∂^α u, scaled to it, which must be on all faces, and others."""
    found, others = [], []
    for form in forms:
        mine = {partial: weight for (_, partial), weight in form.weights.items()}
        ratios = {sp.simplify(mine[p] / w) for p, w in wanted.items()} if set(mine) == set(wanted) else set()
        if len(ratios) == 1 and (ratio := ratios.pop()).is_number and ratio != 0:
            weights = {(0, partial): weight for partial, weight in wanted.items()}
            found.append(LinearForm(form.equation, form.axis, form.side, weights, form.constant / ratio))
        else:
            others.append(form)
    if {(form.axis, form.side) for form in found} != {(a, s) for a in range(dimension) for s in (-1, 1)}:
        raise NoTheorem("values are not prescribed on all faces")
    return tuple(found), tuple(others)
