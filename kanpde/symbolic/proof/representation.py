"""Bound the error of an approximation by d'Alembert's formula, for wave equations in one dimension of space.

Let τ u_tt − a u_xx + g(x, t, u) = 0 with numbers τ, a > 0, on an interval of length l, and let u be the classical
solution. An approximation v leaves r of the equation, and e = v − u has e_tt − c² e_xx = r / τ − q e with c² = a / τ
and q = ∂g/∂u / τ between u and v. By d'Alembert's formula, continued across the ends by reflection (W. A. Strauss,
Partial Differential Equations, 2008, sections 2.1, 3.2 and 3.4),

    |e(t)| ≤ A + ∫_0^t k(t − s, |r(s)|) / τ + (t − s) max |q| max |e(s)| ds,

    A = max |e(0)| + T max |e_t(0)| + n (values at each end + c T · slopes at each end),   n = ⌊c T / l⌋ + 1,

because what is given at an end arrives at a point at most n times: once from each image of the end, and each stretch of
length l has one. Slopes are integrated over time before they arrive. The ends of a period are met together: a jump of
the value counts half in each of two directions, and so does the integral of a jump of the slope.

Here k(t, ρ) = ∫ ρ dx / (2 c) over the interval of length 2 c t about a point, which is folded at the ends of the
domain. It covers the domain at most m = ⌊2 c t / l⌋ + 2 times, so that k(t, ρ) ≤ t θ + m ∫ max(ρ − θ, 0) dx / (2 c) for
every θ: a residual that is large in few places costs little. Gronwall's inequality for the kernel t − s gives

    max |e| ≤ (A + ∫_0^T k(T − s, |r(s)|) / τ ds) cosh(T √max |q|).

Without space it is the same for τ u'' + g(t, u) = 0. A damping 2 τ γ u_t with a number γ is removed by w = e^{γ t} e,
which satisfies the same equation with e^{γ t} r, with q − γ² for q, and with the velocity e_t(0) + γ e(0); what follows
is multiplied by e^{|γ| T}, which is at least e^{γ t} and e^{−γ t}.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.problem.equation import Equation
from kanpde.symbolic.proof.comparison import End, ends_of, start_of
from kanpde.symbolic.proof.maximum_principle import UPWARD, NoTheorem
from kanpde.symbolic.proof.row import Row
from kanpde.symbolic.proof.statement import Statement

LEVELS = (0.98, 0.95, 0.9, 0.8, 0.6, 0.3)  # quantiles of the residual that are tried as θ
THEOREM = "d'Alembert's formula and Gronwall's inequality"


@dataclass(frozen=True)
class Wave:
    """τ u_tt + 2 τ γ u_t − a u_xx + g(x, t, u) with numbers `inertia` τ, `stiffness` a, `damping` γ, and its data."""

    row: Row
    time: int
    space: int | None
    inertia: Any
    stiffness: Any
    damping: Any
    reaction: Any
    start: Equation
    velocity: Equation
    ends: tuple[End, ...]

    @property
    def is_linear(self) -> bool:
        return not self.reaction.free_symbols & set(self.row.symbols.values())

    @property
    def speed(self) -> float:
        """An upper bound of c."""
        return 0.0 if self.space is None else UPWARD * math.sqrt(float(self.stiffness / self.inertia))


def wave_of(statement: Statement, row: Row) -> Wave:
    """Return a row as a wave equation; raise NoTheorem, with the reason, for others."""
    time = statement.problem.domain.time
    if time is None or (time, time) not in row.symbols:
        raise NoTheorem("the equation is no wave equation")
    along = sorted({axis for partial in row.orders for axis in partial} - {time})
    if len(along) > 1:
        raise NoTheorem("the equation is no wave along one coordinate")
    if set(row.orders) - {(time,)} != {(time, time), *((axis, axis) for axis in along)}:
        raise NoTheorem("the wave equation has slopes or mixed derivatives, for which there is no bound yet")
    inertia = sp.expand(row.slope((time, time)))
    damping = sp.expand(row.slope((time,)) / (2 * inertia))
    stiffness = sp.expand(-row.slope((along[0],) * 2)) if along else sp.S.Zero
    if not (inertia.is_number and stiffness.is_number and damping.is_number):
        raise NoTheorem("the wave's speed or damping is not constant; bounds are proved for constants")
    if inertia.is_negative:
        return wave_of(statement, row.negative())
    if along and not stiffness.is_positive:
        raise NoTheorem("the equation is not hyperbolic in time")
    ends = ends_of(statement, along[0]) if along else ()
    for end in ends:
        free = end.kind == "slopes" and end.weights[0] == 0
        if not (free or end.kind in ("values", "periodic")):
            face = statement.problem.domain.names[end.axis] + "+-"[end.side < 0]
            raise NoTheorem(f"neither values nor slopes are prescribed on {face}, which d'Alembert's formula needs")
    space = along[0] if along else None
    reaction = sp.expand(row.slope(()) - inertia * damping**2)
    starts = start_of(statement), start_of(statement, 1)
    return Wave(row, time, space, inertia, stiffness, damping, reaction, *starts, tuple(ends))


def arrivals(speed: float, time: float, length: float) -> int:
    """Return n, an upper bound of the number of times that data of an end arrive."""
    return math.floor(UPWARD * speed * time / length) + 1


def carried(residual: Array, speed: float, widths: Array | None, steps: Array) -> float:
    """Return ∫ k(T − s, ρ(s)) ds for bounds ρ of the residual (n, m) on `steps` of time (n,) and `widths` (m,)."""
    ends = steps.cumsum()
    left = UPWARD * (ends[-1] - ends + steps / 2)  # the integral of T − s over a step, divided by the step
    largest = residual.max(axis=1)
    if widths is None:
        return UPWARD * float((largest * left) @ steps)
    folds = np.floor(2 * UPWARD * speed * (UPWARD * (ends[-1] - ends) + steps) / widths.sum()) + 2
    best = largest * left
    for level in LEVELS:
        even = np.quantile(residual, level, axis=1)
        excess = np.maximum(residual - even[:, None], 0.0) @ widths
        best = np.minimum(best, UPWARD * (even * left + folds * excess / (2 * speed / UPWARD**2)))
    return UPWARD * float(best @ steps)


def damped(damping: Any, duration: float) -> float:
    """Return e^{|γ| T}."""
    exponent = UPWARD * abs(float(damping)) * duration
    return UPWARD * math.exp(exponent) if exponent < 600 else math.inf


def amplification(reaction: float, inertia: float, duration: float) -> float:
    """Return cosh(T √max |q|) for a bound of |∂g/∂u|."""
    exponent = UPWARD * duration * math.sqrt(reaction / inertia)
    return UPWARD * math.cosh(exponent) if exponent < 600 else math.inf
