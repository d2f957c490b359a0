"""Bound the error of an approximation by comparison, for nonlinear parabolic and first-order equations.

Let F(x, t, u, ∇u, ∂_ii u, u_t) = 0 be affine in u_t and in the ∂_ii u, with coefficients τ > 0 and −a_i ≤ 0, and let u
be a classical solution. An approximation v leaves F[v] = r, and e = v − u. For a function Z > 0 that first touches |e|
at a point inside, e_i = Z_i, e_ii ≤ Z_ii and e_t ≥ Z_t hold there (up to the sign of e), so that it never does if

    τ Z_t − Σ a_i Z_ii + Σ b_i Z_i + c Z > |r|   for all τ, a, b, c that are partial derivatives of F between v and u,

where c = ∂F/∂u may be taken at the derivatives of v, and τ and a_i at the gradient of v: the value is exchanged first,
the gradient last. This is the theorem of Nagumo and Westphal (W. Walter, Differential and Integral Inequalities,
1970); without second derivatives it is Haar's. Here Z = z(t) + Σ h_i(x_i), with

    z' = Λ z + max |r| / τ + …,   Λ(t) = max (−c / τ),   z ≥ |e| at the initial time and where values are prescribed.

h_i = l (γ₋ (1 − s)² + γ₊ s²) / 2 has the outward slopes γ± where a normal derivative is prescribed, s = x_i / l, and
h_i = l γ (s − 1/2)² / 2 has a jump γ of the slope between periodic ends. Without second derivatives along x_i no data
are needed where characteristics leave.

A residual ρ(x_i) that is large in few places is taken out by a part w(x_i) of Z with w' = 0 at the ends, or periodic:

    w' = (κ + m x − ∫ ρ dx) / α,   −a w'' ≥ ρ − m A / α   for α ≤ a ≤ A and the mean m of ρ,

so that only its mean is left, and |b w'|.

The partial derivatives are known if |e| ≤ δ is known. It holds at first, and as long as the bound so found is below δ,
|e| cannot reach δ: a bound below δ holds for all time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.problem.conditions import OnFaces
from kanpde.problem.equation import Equation
from kanpde.symbolic.constants.recognition import exact_number
from kanpde.symbolic.proof.maximum_principle import UPWARD, NoTheorem
from kanpde.symbolic.proof.row import Row
from kanpde.symbolic.proof.statement import Statement

THEOREM = "comparison (Nagumo and Westphal; Walter, 1970)"


@dataclass(frozen=True)
class End:
    """What is known on a face of a box: "values", "slopes", "periodic", or "nothing".

    `equation` is the condition on the face; for slopes it is a u + b ∂u/∂n = value with `weights` a ≥ 0 and b > 0.
    """

    axis: int
    side: int
    kind: str
    equation: Equation | None = None
    weights: tuple[Any, Any] = (sp.S.One, sp.S.Zero)


def ends_of(statement: Statement, axis: int) -> tuple[End, End]:
    """Return what is known on both faces of an axis."""
    problem = statement.problem
    closings = [c.closing(problem) for c in problem.conditions().values()]
    orders = [closing.order for closing in closings if closing is not None and closing.axis == axis]
    if orders:
        kind = "periodic" if max(orders) else "periodic values"
        return End(axis, -1, kind), End(axis, 1, kind)
    low, high = (_end(statement, axis, side) for side in (-1, 1))
    return low, high


def _end(statement: Statement, axis: int, side: int) -> End:
    problem = statement.problem
    face = problem.domain.names[axis] + ("+" if side > 0 else "-")
    found = [End(axis, side, "nothing")]
    for name, condition in problem.conditions().items():
        equations = [e for e in statement.equations if e.name == name and e.face == face]
        if condition.is_measured or len(equations) != 1:
            continue
        values = condition.boundary_values(problem)
        if values and not any(value.order for value in values):
            return End(axis, side, "values", equations[0])
        if isinstance(condition, OnFaces):
            a, b = (exact_number(float(c)) for c in condition.coefficients())
            if b and a / b >= 0:
                found.append(End(axis, side, "slopes", equations[0], (a, b)))
    return found[-1]


def start_of(statement: Statement, order: int = 0) -> Equation:
    """Return the equation that prescribes a derivative in time, or the value, at the initial time."""
    problem = statement.problem
    for name, condition in problem.conditions().items():
        values = () if condition.is_measured else condition.boundary_values(problem)
        (equation,) = [e for e in statement.equations if e.name == name and e.face == "t-"][:1] or (None,)
        if equation is not None and any(value.order == order for value in values):
            return equation
    what = "values are" if order == 0 else "velocity is"
    raise NoTheorem(f"no {what} prescribed at the initial time")


@dataclass(frozen=True)
class Evolution:
    """F with τ = ∂F/∂u_t, a_i = −∂F/∂(∂_ii u), b_i = ∂F/∂(∂_i u) and c = ∂F/∂u, and what is known on the faces."""

    row: Row
    time: int
    rate: Any
    diffusion: Mapping[int, Any]
    drift: Mapping[int, Any]
    growth: Any
    start: Equation
    ends: Mapping[int, tuple[End, End]]

    def coefficients(self) -> Iterator[Any]:
        yield from (self.rate, self.growth, *self.diffusion.values(), *self.drift.values())

    @property
    def is_linear(self) -> bool:
        """Whether no coefficient depends on the field."""
        return not {s for c in self.coefficients() for s in c.free_symbols} & set(self.row.symbols.values())

    @property
    def tops(self) -> set[MultiIndex]:
        """The highest derivatives."""
        return {(self.time,), *((axis, axis) for axis in self.diffusion)}

    def drift_varies_with(self, axis: int) -> set[MultiIndex]:
        """Return the partials besides the value that the coefficient of a first derivative depends on."""
        symbols = self.drift[axis].free_symbols
        return {partial for partial in self.row.orders if self.row.symbols[partial] in symbols}


def evolution_of(statement: Statement, row: Row) -> Evolution:
    """Return a row as an evolution equation of first order in time; raise NoTheorem, with the reason, for others."""
    time = statement.problem.domain.time
    if time is None or (time,) not in row.symbols:
        raise NoTheorem("the equation is neither elliptic nor parabolic: no maximum principle applies")
    along = sorted({axis for partial in row.orders for axis in partial} - {time})
    tops = [(time,), *((axis, axis) for axis in along if (axis, axis) in row.symbols)]
    allowed = {*tops, *((axis,) for axis in along)}
    if not set(row.orders) <= allowed:
        raise NoTheorem("the equation has a mixed derivative, or one of an order too high for a maximum principle")
    for top in tops:
        if row.slope(top).free_symbols & {row.symbols[other] for other in tops}:
            raise NoTheorem("the equation is nonlinear in its highest derivatives")
    return Evolution(
        row,
        time,
        sp.expand(row.slope((time,))),
        {axis: sp.expand(-row.slope((axis, axis))) for axis in along},
        {axis: sp.expand(row.slope((axis,))) for axis in along},
        sp.expand(row.slope(())),
        start_of(statement),
        {axis: ends_of(statement, axis) for axis in along},
    )


@dataclass(frozen=True)
class Bump:
    """h along an axis: bounds of its height, of |h'| and of h''."""

    height: float = 0.0
    slope: float = 0.0
    bend: float = 0.0

    @classmethod
    def of_slopes(cls, length: float, low: float, high: float) -> Bump:
        """Return h with outward slopes at both ends."""
        return cls(UPWARD * length * max(low, high) / 2, max(low, high), UPWARD * (low + high) / length)

    @classmethod
    def of_jump(cls, length: float, jump: float) -> Bump:
        """Return h with a jump of its slope between periodic ends."""
        return cls(UPWARD * length * jump / 8, jump / 2, UPWARD * jump / length)


def smoothing(density: Array, widths: Array, smallest: float, largest: float, periodic: bool) -> tuple[Bump, float]:
    """Return w for ρ = `density` (n,) on cells of `widths` (n,) and α ≤ a ≤ A, and the m A / α that is left of ρ."""
    mean = UPWARD * float(density @ widths / widths.sum())
    slope = np.concatenate([[0.0], np.cumsum((mean - density) * widths)])  # its last entry is positive by rounding
    if periodic:
        slope = slope - float(((slope[1:] + slope[:-1]) / 2) @ widths / widths.sum())
    # The mean and the sums are rounded by a share of the integral of the density.
    rounding = 1e-11 * float(density @ widths)
    steepest = UPWARD * (np.maximum(np.abs(slope[1:]), np.abs(slope[:-1])) + rounding) / smallest
    height = UPWARD * float(steepest @ widths)
    return Bump(height, float(steepest.max()), 0.0), UPWARD * mean * largest / smallest + rounding


def growing(start: float, floor: float, growth: Array, residual: Array, steps: Array) -> float:
    """Return max z of z' = Λ z + ρ, z(0) = `start`, z ≥ `floor`, for Λ and ρ (n,) on steps of time (n,)."""
    z = highest = max(start, floor)
    for rate, rho, step in zip(growth.tolist(), residual.tolist(), steps.tolist(), strict=True):
        exponent = rate * step * (UPWARD if rate > 0 else 1 / UPWARD)
        if not exponent < 600:
            return math.inf
        mean = math.expm1(exponent) / exponent if exponent else 1.0
        # Where z falls to the floor it may stay there, because the floor then satisfies the inequality too.
        z = max(UPWARD * (z * math.exp(exponent) + rho * step * mean), floor)
        highest = max(highest, z)
    return highest


def largest_quotient(low: Array, rate_low: Array, rate_high: Array) -> Array:
    """Return an upper bound of −c / τ for c ≥ `low` and τ between positive bounds."""
    return np.where(low < 0, -low / rate_low * UPWARD, -low / rate_high / UPWARD)
