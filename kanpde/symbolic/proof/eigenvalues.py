"""Bound the error of an approximate eigenfunction on a box, and enclose its eigenvalue.

Let M = −Σ a_i ∂_ii with numbers a_i > 0 on a box Ω with sides l_i in at most three dimensions, M u = θ u with u = 0 on
all faces and ∫ u = I, where θ depends on the unknown constant. The eigenvalues are μ_k = Σ a_i (π k_i / l_i)², and the
eigenfunctions φ_k with the norm 1 in L² are at most √(2^d / |Ω|). An approximation v, θ' leaves r = M v − θ' v, the
values m at most on the faces, and δ of the integral. With M h = 0 inside and h = v on the faces, |h| ≤ m, and
v₀ = v − h has (M − θ') v₀ = r + θ' h, whose norm is at most η = ‖r‖ + |θ'| m √|Ω|. Therefore an eigenvalue is as close
to θ' as

    D = η / (‖v‖ − m √|Ω|),     ‖v‖ ≥ |∫ v| / √|Ω|

(D. H. Weinstein, Proc. Natl. Acad. Sci. 20 (1934) 529; T. Kato, J. Phys. Soc. Japan 4 (1949) 334). If μ_j is the only
one, all other parts of v₀ are (r + θ' h, φ_k) / (μ_k − θ'), so that by Cauchy and Schwarz

    |v − α φ_j| ≤ m + S η = ε,     S² = 2^d / |Ω| Σ_{k ≠ j} 1 / (μ_k − θ')².

The solution is u = α φ_j I / ∫ α φ_j, and ∫ α φ_j differs from I by g = |δ| + |Ω| ε at most: if g < |I|, then

    |v − u| ≤ ε + (max |v| + ε) g / (|I| − g).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from kanpde.problem.integral import Integral
from kanpde.symbolic.constants.recognition import exact_number
from kanpde.symbolic.proof.maximum_principle import UPWARD, NoTheorem
from kanpde.symbolic.proof.row import Row, row_with_unknowns
from kanpde.symbolic.proof.spectral import MODES, ConstantOperator, constant_operator, sums, tail
from kanpde.symbolic.proof.statement import Statement

THEOREM = "the eigenvalues of the box (Weinstein, 1934; Kato, 1949)"
KNOWN = "it has unknown constants; bounds are proved for equations that are known, and for eigenvalues on boxes"


@dataclass(frozen=True)
class EigenProblem:
    """M u = θ u with θ = −`operator.reaction` at a value of the constant, `rate` |dθ / dλ|, and the integral of u."""

    operator: ConstantOperator
    rate: float
    amount: float


@dataclass(frozen=True)
class Gap:
    """`sum_` is S, and `distance` bounds that of θ' from the one eigenvalue nearby."""

    sum_: float
    distance: float


def eigen_problem(statement: Statement, value: float) -> EigenProblem:
    """Return the problem with a value of its unknown constant; raise NoTheorem, with the reason, for others."""
    problem = statement.problem
    if problem.domain.time is not None or len(statement.unknowns) != 1 or len(problem.fields) != 1:
        raise NoTheorem(KNOWN)
    (unknown,) = statement.unknowns
    row = row_with_unknowns(statement)
    reaction = sp.expand(row.slope(()))
    rate = sp.expand(sp.diff(reaction, unknown))
    others = {symbol for partial in row.orders for symbol in row.slope(partial).free_symbols}
    if unknown in others or not rate.is_number or rate == 0:
        raise NoTheorem("the unknown constant is no eigenvalue: it does not multiply the value of the field alone")
    linear = sp.expand(row.expression - sum(row.slope(p) * s for p, s in row.symbols.items()))
    if linear != 0:
        raise NoTheorem("the equation has a source, so that its unknown constant is no eigenvalue")
    known = Row(row.expression.xreplace({unknown: sp.Rational(value)}), row.symbols)
    operator = constant_operator(statement, known)
    if operator.moments or any(sp.simplify(form.constant) != 0 for form in operator.values):
        raise NoTheorem("eigenvalues are enclosed where the field is zero on all faces")
    return EigenProblem(operator, abs(float(rate)), _amount(statement))


def _amount(statement: Statement) -> float:
    """Return the prescribed integral of the field."""
    problem = statement.problem
    found = [c for c in problem.conditions().values() if isinstance(c, Integral)]
    if len(found) != 1 or found[0].integrand is not None or found[0].on is not None:
        raise NoTheorem("an eigenfunction is known if its integral is prescribed, by one condition")
    if not isinstance(found[0].value, (int, float)) or not found[0].value:
        raise NoTheorem("the integral of an eigenfunction must be a number other than zero")
    return float(exact_number(float(found[0].value)))


def gap_of(operator: ConstantOperator, distance: float) -> Gap:
    """Return the gap around θ', from which an eigenvalue is known to be closer than a distance; NoTheorem if several.

    The sum leaves out the eigenvalue nearby.
    """
    rates = [a * (math.pi / length) ** 2 for a, length in zip(operator.stiffness, operator.lengths, strict=True)]
    dimension, theta = len(rates), -operator.reaction
    count = MODES[dimension]
    if (count + 1) ** 2 * min(rates) < 2 * UPWARD * abs(theta) or not distance < abs(theta):
        raise NoTheorem("the eigenvalue is too large for those that are summed, or it is not known closely")
    squares = np.arange(1, count + 1, dtype=np.float64) ** 2
    total, rest, near = 0.0, sums([rate * squares for rate in rates[1:]]), []
    for first in (rates[0] * squares).tolist():
        values = first + rest - theta
        slack = 1e-14 * (first + rest + abs(theta))
        sure = np.abs(values) - slack
        close = sure <= distance
        near += (np.abs(values) + slack)[close].tolist()
        total += UPWARD * float((1 / sure[~close] ** 2).sum())
    if len(near) != 1:
        raise NoTheorem("the eigenvalue is not simple, or others are so close that it is not known which one it is")
    rest_of_sum = 4 * UPWARD * sum(tail(rates, axis, count) for axis in range(dimension))
    stability = UPWARD * math.sqrt(2**dimension / operator.volume * (total + rest_of_sum))
    return Gap(stability, UPWARD * min(near[0], distance))


def unknown_name(statement: Statement) -> Any:
    """Return the name of the unknown constant."""
    return str(statement.unknowns[0])
