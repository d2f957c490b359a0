"""The inversion of an outer function: u = G(w), where w = log u, 1/u, u², √u, … may be simpler than u."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.symbolic.structure.sampled import Sampled

# The smallest admissible value of a field with a singularity at zero, relative to its largest value.
CLEAR = 0.01


@dataclass(frozen=True)
class Outer:
    """w = g(u), defined if `fits(u)`: `forward(u)` returns g, g', g'', and `back` is the inverse of g in SymPy."""

    name: str
    fits: Callable[[Array], bool]
    forward: Callable[[Array], tuple[Array, Array, Array]]
    back: Callable[[sp.Expr], sp.Expr]


def _clear(u: Array) -> bool:
    return bool(u.min() > CLEAR * abs(u).max())


# Odd functions, whose negated argument gives the same structure.
ODD = ("atanh u", "tan u/4")
# All outer functions, in the order of the search.
OUTER = (
    Outer("log u", lambda u: bool(u.min() > 0), lambda u: (np.log(u), 1 / u, -1 / u**2), sp.exp),
    Outer("1/u", _clear, lambda u: (1 / u, -1 / u**2, 2 / u**3), lambda w: 1 / w),
    Outer("u^2", lambda u: bool(u.min() > 0), lambda u: (u**2, 2 * u, 0 * u + 2), sp.sqrt),
    Outer("sqrt u", _clear, lambda u: (u**0.5, u**-0.5 / 2, -(u**-1.5) / 4), lambda w: w**2),
    Outer("exp u", lambda u: float(np.ptp(u)) < 20 and abs(u).max() < 100, lambda u: (np.exp(u),) * 3, sp.log),
    Outer(
        "tan u/4",
        lambda u: bool(1 < abs(u).max() < 6.2),
        lambda u: (np.tan(u / 4), 1 / np.cos(u / 4) ** 2 / 4, np.tan(u / 4) / np.cos(u / 4) ** 2 / 8),
        lambda w: 4 * sp.atan(w),
    ),
    Outer(
        "atanh u",
        lambda u: bool(0.3 < abs(u).max() < 1),
        lambda u: (np.arctanh(u), 1 / (1 - u**2), 2 * u / (1 - u**2) ** 2),
        sp.tanh,
    ),
    Outer(
        "logit u",
        lambda u: bool(u.min() > 0 and 0.5 < u.max() < 1),
        lambda u: (np.log(u / (1 - u)), 1 / u + 1 / (1 - u), 1 / (1 - u) ** 2 - 1 / u**2),
        lambda w: 1 / (1 + sp.exp(-w)),
    ),
)


def peel(field: Sampled) -> Iterator[tuple[str, Sampled, Callable[[sp.Expr], sp.Expr]]]:
    """Yield (name, w on the grid, map back to u) of every outer function that fits the field or its negative."""
    for sign in (1, -1):
        for outer in OUTER:
            if sign < 0 and outer.name in ODD:
                continue
            if outer.fits(sign * field.values):
                name = outer.name if sign > 0 else outer.name.replace("u", "(-u)")
                yield name, field.outer(_signed(outer, sign)), _back(outer, sign)


def _signed(outer: Outer, sign: int) -> Callable[[Array], tuple[Array, Array, Array]]:
    def forward(u: Array) -> tuple[Array, Array, Array]:
        g, g1, g2 = outer.forward(sign * u)
        return g, sign * g1, g2

    return forward


def _back(outer: Outer, sign: int) -> Callable[[sp.Expr], sp.Expr]:
    return lambda w: sign * outer.back(w)
