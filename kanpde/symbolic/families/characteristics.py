"""Linear equations of first order in two coordinates, solved along their characteristics.

(a0 + a1 x) u_x + (b0 + b1 t) u_t + c u + d = 0 says dx = (a0 + a1 x) dτ, dt = (b0 + b1 t) dτ and du = -(c u + d) dτ
along a characteristic. So u = m F(s) + addend, F arbitrary, with

    b1 = 0:   τ = t / b0                    a1 = 0:   s = x - a0 τ
    b1 ≠ 0:   τ = log(t + b0/b1) / b1       a1 ≠ 0:   s = (x + a0/a1) e^{-a1 τ}
    m = e^{-c τ}, and the addend is -d/c, or -d τ where c = 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.symbolic.families.proposal import Constants, placeholder

WHOLE = 0.02  # distance from an integer below which an exponent counts as that integer


@dataclass
class Numbered:
    """Constants, each under a symbol of its own, in the order in which they are asked for."""

    values: Constants = field(default_factory=dict)

    def __call__(self, value: float) -> sp.Expr:
        """Return the symbol of a constant, or zero if the constant is zero."""
        if not value:
            return sp.S.Zero
        symbol = placeholder(len(self.values))
        self.values[symbol] = value
        return symbol


class Time(Protocol):
    """τ as a function of t; methods return None if the result is not finite on the whole axis."""

    def exponential(self, rate: float) -> sp.Expr | None:
        """e^{rate τ}."""

    def multiple(self, rate: float) -> sp.Expr | None:
        """rate τ."""


@dataclass(frozen=True)
class Uniform:
    """τ = t / b0."""

    t: sp.Symbol
    b0: float
    constant: Numbered

    def exponential(self, rate: float) -> sp.Expr:
        return sp.exp(self.constant(rate / self.b0) * self.t)

    def multiple(self, rate: float) -> sp.Expr:
        return self.constant(rate / self.b0) * self.t


@dataclass(frozen=True)
class Logarithmic:
    """τ = log(t + t0) / b1, where `shifted` is t + t0 and `positive` tells whether it is on the whole axis."""

    shifted: sp.Expr
    b1: float
    positive: bool
    constant: Numbered

    def exponential(self, rate: float) -> sp.Expr | None:
        exponent = rate / self.b1
        whole = round(exponent)
        if whole >= 1 and abs(exponent - whole) < WHOLE:
            return self.shifted**whole
        return self.shifted ** self.constant(exponent) if not exponent or self.positive else None

    def multiple(self, rate: float) -> sp.Expr | None:
        return self.constant(rate / self.b1) * sp.log(self.shifted) if self.positive else None


@dataclass(frozen=True)
class Characteristics:
    """u = multiplier · F(variable) + addend, and the values of the constants in them."""

    multiplier: sp.Expr
    variable: sp.Expr
    addend: sp.Expr
    constants: Constants


def characteristics(
    names: tuple[sp.Symbol, ...], nodes: tuple[Array, ...], coefficients: Mapping[str, float]
) -> Characteristics | None:
    """Return the general solution on a grid; `coefficients` are those of u_x, x u_x, u_t, t u_t, u and 1.

    Return None if no derivative along t is left or the solution is not finite on the grid.
    """
    a0, a1, b0, b1 = (coefficients.get(word, 0.0) for word in ("u_x", "x u_x", "u_t", "t u_t"))
    c, d = coefficients.get("u", 0.0), coefficients.get("1", 0.0)
    (x, t), (x_nodes, t_nodes) = names, nodes
    if a1 and b1 and clearance(x_nodes + a0 / a1) > max(0.0, clearance(t_nodes + b0 / b1)):
        # y/x rather than x/y where y comes nearer to zero.
        a0, a1, b0, b1, x, t, t_nodes = b0, b1, a0, a1, t, x, x_nodes
    constant = Numbered()
    time: Time
    if b1:
        time = Logarithmic(t + constant(b0 / b1), b1, clearance(t_nodes + b0 / b1) > 0, constant)
    elif b0:
        time = Uniform(t, b0, constant)
    else:
        return None
    motion, multiplier = time.exponential(-a1) if a1 else time.multiple(-a0), time.exponential(-c)
    if motion is None or multiplier is None:
        return None
    variable = (x + constant(a0 / a1)) * motion if a1 else x + motion
    addend = sp.S.Zero if not d else constant(-d / c) if c else time.multiple(-d)
    return None if addend is None else Characteristics(multiplier, variable, addend, constant.values)


def clearance(values: Array) -> float:
    """Return how far all values are above zero, relative to the largest."""
    return float(values.min() / abs(values).max())
