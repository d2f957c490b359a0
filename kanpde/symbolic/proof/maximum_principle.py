"""Bound the error of an approximation by the maximum principle.

For L u = τ u_t − Σ a_i u_ii + Σ b_i u_i + c u with coefficients that may vary, τ > 0 (or no time), a_i ≥ α_i > 0 and
c ≥ −λ, let u be the classical solution of L u = f with given values on the boundary and at the initial time. If an
approximation v has |L v − f| ≤ Σ_i ρ_i(x_i), then its error e satisfies

    max |e| ≤ G (max |v − u| there + Σ_i max w_i),   L w_i ≥ ρ_i and w_i ≥ 0 if c ≥ 0,

because the sum on the right is a barrier (Protter and Weinberger, Maximum Principles in Differential Equations, 1967,
sections 2.3, 2.6, 3.2 and 3.3). The barriers are, on a side of length l and a time T,

    w' = ∫_s^m e^{B(r−s)/α} ρ(r)/α dr for s < m, and the mirror image for s > m        along a side,
    w = ∫ ρ dt / τ                                                                    in time

with |b| ≤ B and the smallest α and τ, because α |w''| − B |w'| = ρ and w is concave. The largest value is w(m), the
larger of ∫_0^m k(r) ρ dr and ∫_m^l k(l−r) ρ dr with k(r) = (e^{Br/α} − 1)/B, or r/α for B = 0; m is chosen to make them
equal, or m is the side where no value but the normal derivative is prescribed. For B = 0 and constant ρ it is
ρ l²/(8 α). A residual that is large near a side only costs little. If a is constant and b ≥ β > 0, another barrier is
w' = ∫_s^l e^{−β(r−s)/a} ρ(r)/a dr, for which −a w'' + β w' = ρ and w ≤ ∫ ρ dr / β, and its mirror image for b ≤ −β.

G is 1 for λ = 0, otherwise the smaller of e^{λT/τ} and 1/(1 − λ C), if λ C < 1, where C is the least of the max w_i for
ρ_i = 1, because the term c e can be moved to the right. If a function Φ ≥ 0 with L Φ > 0 is known, it is a barrier with
the negative c counted: then C' = max Φ / min L Φ is another C, and 1 + λ C' another G, because G − 1 of every other
barrier is enough of Φ (section 2.5 there: the maximum principle holds for e / Φ).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.errors import KanpdeError
from kanpde.geometry.box import as_box
from kanpde.problem.problem import Problem
from kanpde.symbolic.clock import TimeLimit, time_limit
from kanpde.symbolic.proof.intervals import largest
from kanpde.symbolic.proof.statement import Statement, state

UPWARD = 1 + 1e-11  # exceeds the rounding errors of the last few operations
SLACK = 1e-3  # of the bounds of coefficients, relative to their largest values
LEVELS = (1.0, 0.95, 0.75, 0.5)  # quantiles of the residual that are tried as its even part
LEAST_CELLS = 64  # in which the place m of the largest value of a barrier is looked for
SHARES = (1.0, 0.9, 0.5)  # quantiles of a row of cells that are tried as its share of one coordinate
THEOREM = "the maximum principle (Protter and Weinberger, 1967)"


class NoTheorem(KanpdeError):
    """No theorem in kanpde bounds the error of this problem; the message is the reason."""


@dataclass(frozen=True)
class Operator:
    """L, by bounds of its coefficients: min τ, min a_i and max |b_i| by axis, and λ = max(0, −min c).

    `coefficients` are those of the residual as it is written, which is L u − f or f − L u, by partial derivative.
    """

    lengths: Array
    time: int | None
    rate: float
    diffusion: Mapping[int, float]
    drift: Mapping[int, float]
    growth: float
    coefficients: Mapping[MultiIndex, Any] = field(default_factory=dict)
    free: Mapping[int, int] = field(default_factory=dict)  # axis -> the side without values; 0: neither side has any
    solved: float = math.inf  # C', if Φ is known
    wind: Mapping[int, float] = field(default_factory=dict)  # axis -> β, if a is constant

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that have a barrier."""
        along = (axis for axis in self.diffusion if self.free.get(axis, 1))
        return (*along, *(() if self.time is None else (self.time,)))

    def barrier(self, axis: int, density: Array, widths: Array) -> float:
        """Return max w for ρ = `density` (n,) on cells of these `widths` (n,) along an axis."""
        if axis == self.time:
            return float(density @ widths) / self.rate
        # Divided cells allow m inside them; the trapezoidal rule exceeds the integral of a convex kernel.
        parts = 2 * math.ceil(LEAST_CELLS / len(widths) / 2)
        widths, density = np.repeat(widths / parts, parts), np.repeat(density, parts)
        ends = np.concatenate([[0.0], np.cumsum(widths)])
        a, b = self.diffusion[axis], self.drift[axis]
        with np.errstate(over="ignore", invalid="ignore"):
            kernel = np.expm1(b * ends / a) / b if b else ends / a
            left = np.cumsum(density * widths * (kernel[:-1] + kernel[1:]) / 2)
            kernel = kernel[::-1] * UPWARD
            right = np.cumsum((density * widths * (kernel[:-1] + kernel[1:]) / 2)[::-1])[::-1]
            # At a side without values m lies on it, where the barrier has no slope.
            at_side = {1: float(left[-1]), -1: float(right[0])}
            side = self.free.get(axis)
            highest = at_side[side] if side else float(np.maximum(left[:-1], right[1:]).min())
        if axis in self.wind:
            highest = np.fmin(highest, UPWARD * float(density @ widths) / self.wind[axis])
        return highest if math.isfinite(highest) else math.inf

    def stability(self) -> float:
        """Return C, the largest error that a residual of one can cause if c ≥ 0."""
        return min((self.barrier(axis, np.ones(1), self.lengths[[axis]]) for axis in self.axes), default=math.inf)

    def amplification(self) -> float:
        """Return G; raise NoTheorem if the zeroth-order term is too negative for a bound."""
        if not self.growth:
            return 1.0
        amplifications = []
        if self.time is not None:
            exponent = self.growth * float(self.lengths[self.time]) / self.rate
            amplifications.append(math.exp(exponent) if exponent < 700 else math.inf)
        left = 1 - UPWARD * self.growth * self.stability()
        amplifications += [1 / left] if left > 0 else []
        amplifications += [1 + UPWARD * self.growth * self.solved] if self.solved < math.inf else []
        if not amplifications:
            raise NoTheorem(
                "no maximum principle applies: the coefficient of u has the wrong sign and is too large for this domain"
            )
        return UPWARD * min(amplifications)

    def bound(self, mismatch: float, residual: Array, widths: Sequence[Array]) -> float:
        """Return the bound of |e| from bounds of |v − u| on the boundary and of |L v − f| on every cell.

        `residual` is (*cells); `widths` are those of the cells by axis, (cells,) each.
        """
        inside = min(self._heights(residual, widths))
        return UPWARD * self.amplification() * (mismatch + inside)

    def _heights(self, residual: Array, widths: Sequence[Array]) -> Iterator[float]:
        """Yield Σ max w_i for several ways to share the residual among the axes."""
        steady = self.stability()
        if self.solved < math.inf:
            steady = min(steady, UPWARD * self.solved / self.amplification())
        for level in LEVELS:
            even = float(np.quantile(residual, level))
            rest = np.maximum(residual - even, 0.0) * UPWARD
            for order in itertools.permutations(self.axes):
                for share in SHARES:
                    yield even * steady + self._shared(rest, order, share, widths)

    def _shared(self, rest: Array, order: Sequence[int], share: float, widths: Sequence[Array]) -> float:
        """Return Σ max w_i if every axis in order takes a quantile of what is left, and the last one everything."""
        total = 0.0
        for number, axis in enumerate(order):
            others = tuple(a for a in range(rest.ndim) if a != axis)
            level = 1.0 if number == len(order) - 1 else share
            density = np.quantile(rest, level, axis=others) if level < 1 else rest.max(axis=others)
            total += self.barrier(axis, density, widths[axis])
            shape = [-1 if a == axis else 1 for a in range(rest.ndim)]
            rest = np.maximum(rest - density.reshape(shape), 0.0) * UPWARD
        return total


def error_bound(problem: Problem, fields: tuple[Any, ...], seconds: float = 10.0) -> float | None:
    """Return a bound on |u − fields| over the closed domain, None without a maximum principle or after `seconds`."""
    try:
        with time_limit(seconds):
            statement = state(problem, [])
            operator = operator_of(statement)
            maxima = {e.title: _largest(statement, e.face, e.of(fields)) for e in statement.equations}
            inside = maxima.pop("residual")
            ones = (1,) * problem.domain.dimension
            bound = operator.bound(max(maxima.values()), np.full(ones, inside), np.split(operator.lengths, len(ones)))
    except (KanpdeError, TimeLimit, ArithmeticError, TypeError, ValueError):
        return None
    return bound if math.isfinite(bound) else None


def _largest(statement: Statement, face: str | None, expression: Any) -> float:
    return largest(sp.expand(expression), _boxes(statement, None if face is None else face[:-1]))


def _boxes(statement: Statement, without: str | None = None) -> dict[Any, tuple[float, float]]:
    names = statement.problem.domain.names
    bounds = zip(names, statement.coordinates, statement.bounds, strict=True)
    return {symbol: (float(a), float(b)) for name, symbol, (a, b) in bounds if name != without}


def operator_of(statement: Statement) -> Operator:
    """Return the operator of a problem with a maximum principle; raise NoTheorem, with the reason, for others."""
    problem = statement.problem
    if as_box(problem.domain) is None:
        raise NoTheorem(f"the domain is {problem.domain}; bounds are proved on boxes only")
    operator = _linear_operator(statement)
    _check_values_given(problem, operator)
    operator.amplification()
    return operator


def operator_on_shape(statement: Statement, sloped: Collection[str] = ()) -> Operator:
    """Return the operator of a problem on any domain whose boundary has values; it is that on the bounding box.

    The conditions named `sloped` are on normal derivatives.
    """
    problem = statement.problem
    operator = _linear_operator(statement)
    free = {e.face for e in statement.equations if e.name in sloped}
    missing = sorted(set(problem.domain.faces) - _faces_with_values(problem, sloped) - free)
    if missing:
        raise NoTheorem(f"no values are prescribed on {', '.join(missing)}, which a maximum principle needs")
    operator.amplification()
    return operator


def _linear_operator(statement: Statement) -> Operator:
    problem = statement.problem
    equations = [e for e in statement.equations if e.name == "residual"]
    if len(equations) != 1 or len(problem.fields) != 1:
        raise NoTheorem("it is a system; bounds are proved for one equation of one field")
    if problem.unknowns:
        raise NoTheorem("it has unknown constants; bounds are proved for equations that are known")
    u = sp.Function("u")(*statement.coordinates)
    return _operator(statement, _linear_coefficients(statement, equations[0].of((u,)), u))


def _linear_coefficients(statement: Statement, row: Any, u: Any) -> dict[MultiIndex, Any]:
    """Return the coefficients of u and its partial derivatives in a linear row."""
    derivatives = [*row.atoms(sp.Derivative), u]
    placeholders = {derivative: sp.Dummy() for derivative in derivatives}
    row = row.subs(dict(sorted(placeholders.items(), key=lambda pair: -sp.count_ops(pair[0]))))
    coefficients = {d: sp.expand(sp.diff(row, symbol)) for d, symbol in placeholders.items()}
    if not all(c.free_symbols <= set(statement.coordinates) for c in coefficients.values()):
        raise NoTheorem("the equation is not linear; bounds are proved for linear equations")
    return {_axes(d, statement): c for d, c in coefficients.items() if c != 0}


def _axes(derivative: Any, statement: Statement) -> MultiIndex:
    if not isinstance(derivative, sp.Derivative):
        return ()
    return tuple(sorted(statement.coordinates.index(symbol) for symbol in derivative.variables))


def _operator(statement: Statement, coefficients: Mapping[MultiIndex, Any]) -> Operator:
    """Return the operator with bounds of its coefficients."""
    domain = statement.problem.domain
    ranges = {partial: between(c, _boxes(statement)) for partial, c in coefficients.items()}
    if any(len(partial) > 2 or len(set(partial)) > 1 for partial in ranges):
        raise NoTheorem("the equation has a mixed derivative or one of order above two")
    seconds = {partial[0]: bounds for partial, bounds in ranges.items() if len(partial) == 2}
    if not seconds or domain.time in seconds:
        raise NoTheorem("the equation is neither elliptic nor parabolic: no maximum principle applies")
    sign = -1.0 if min(low for low, _ in seconds.values()) > 0 else 1.0
    signed = {partial: bounds if sign > 0 else (-bounds[1], -bounds[0]) for partial, bounds in ranges.items()}
    diffusion = {axis: -signed[axis, axis][1] for axis in seconds}
    drift = {axis: max(map(abs, signed.get((axis,), (0.0, 0.0)))) for axis in diffusion}
    rate = 0.0 if domain.time is None else signed.get((domain.time,), (0.0, 0.0))[0]
    along = {partial[0] for partial in ranges if partial} - {domain.time}
    if min(diffusion.values()) <= 0 or not along <= set(diffusion) or (domain.time is not None and rate <= 0):
        raise NoTheorem("the equation is neither elliptic nor parabolic: no maximum principle applies")
    growth = max(0.0, -signed.get((), (0.0, 0.0))[0])
    slowest = {axis: max(signed[axis,][0], -signed[axis,][1]) for axis in diffusion if (axis,) in signed}
    wind = {axis: beta for axis, beta in slowest.items() if beta > 0 and coefficients[axis, axis].is_number}
    lengths = domain.high - domain.low
    return Operator(lengths, domain.time, rate, diffusion, drift, growth, dict(coefficients), wind=wind)


def between(expression: Any, boxes: Mapping[Any, tuple[float, float]]) -> tuple[float, float]:
    """Return rigorous bounds of an expression on a box; raise NoTheorem if there are none."""
    if expression.is_Rational and sp.Rational(float(expression)) == expression:
        return float(expression), float(expression)
    size = largest(expression, boxes, SLACK)
    if not math.isfinite(size):
        raise NoTheorem(f"no bounds are known of the coefficient {expression}")
    shift = sp.Rational(size)
    low, high = (-largest(shift - expression, boxes, SLACK), largest(shift + expression, boxes, SLACK))
    return size + low - 1e-15 * size, high - size + 1e-15 * size


def _check_values_given(problem: Problem, operator: Operator) -> None:
    """Raise NoTheorem unless the field's values are given on the whole boundary and, with time, at the initial time.

    The faces of a parameter, by which the equation does not differentiate, need no values.
    """
    given = _faces_with_values(problem)
    box = as_box(problem.domain)
    assert box is not None, "the operator is made on boxes only"
    wanted = {name for name, face in box.faces.items() if face.axis in operator.diffusion}
    missing = sorted((wanted | ({"t-"} & set(box.faces))) - given)
    if missing:
        raise NoTheorem(f"no values are prescribed on {', '.join(missing)}, which a maximum principle needs")


def _faces_with_values(problem: Problem, sloped: Collection[str] = ()) -> set[str]:
    """Return the faces with prescribed values; raise NoTheorem if there are conditions besides those named `sloped`."""
    given: set[str] = set()
    for name, condition in problem.conditions().items():
        values = condition.boundary_values(problem)
        if condition.is_measured or name in sloped:
            continue
        if not values or any(value.order for value in values):
            raise NoTheorem(f"the condition {name!r} is not on values; bounds are proved for prescribed values only")
        given |= {face.name for value in values for face in value.faces}
    return given
