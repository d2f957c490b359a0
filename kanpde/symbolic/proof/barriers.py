"""Bound the error of an approximation by two barriers, for elliptic equations that are nonlinear in the derivatives.

Let F(x, ∇u, D²u) + g(x, u) = 0 with F nonincreasing in D²u and g nondecreasing in u, and u be a classical solution with
given values on the boundary. If Z ≥ |v − u| there, and F[v + Z] > 0 > F[v − Z] inside, then |v − u| ≤ Z: at a positive
maximum of u − v − Z the gradients agree, D²u ≤ D²(v + Z) and u > v + Z, so that F[u] ≥ F[v + Z] > 0, and likewise from
below (D. Gilbarg, N. S. Trudinger, Elliptic Partial Differential Equations of Second Order, 2001, theorem 10.1).

F must be monotonic between D²u and D²(v ± Z). If it is affine in D²u, its coefficients at the gradient of v ± Z decide.
For the determinant of D²u, which is monotonic among convex functions (chapter 17 there), v ± Z and u must be convex:
then the bound is one for the convex solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp

from kanpde.problem.equation import Equation
from kanpde.symbolic.proof.comparison import ends_of
from kanpde.symbolic.proof.maximum_principle import NoTheorem
from kanpde.symbolic.proof.row import Row
from kanpde.symbolic.proof.statement import Statement

THEOREM = "two barriers (Gilbarg and Trudinger, 2001, theorem 10.1)"
SECONDS = ((0, 0), (0, 1), (1, 1))


@dataclass(frozen=True)
class Monotonic:
    """F on a rectangle, nonincreasing in D²u where all of `positive` are positive; `is_convex` if u must be convex."""

    row: Row
    positive: tuple[Any, ...]
    is_convex: bool
    values: tuple[Equation, ...]


def monotonic(statement: Statement, row: Row) -> Monotonic:
    """Return a row as a monotonic operator; raise NoTheorem, with the reason, for others."""
    domain = statement.problem.domain
    if domain.time is not None or domain.dimension != 2 or not set(row.orders) <= {(0,), (1,), *SECONDS}:
        raise NoTheorem("the equation is no elliptic equation of second order in two coordinates")
    ends = [end for axis in (0, 1) for end in ends_of(statement, axis)]
    equations = tuple(end.equation for end in ends if end.kind == "values" and end.equation is not None)
    if len(equations) != len(ends):
        raise NoTheorem("values are not prescribed on all faces")
    growth = sp.expand(row.slope(()))
    if not growth.is_number or growth.is_negative:
        raise NoTheorem("the equation is not linear in the derivatives, and it depends on u")
    return Monotonic(row, *_conditions(row), equations)


def _conditions(row: Row) -> tuple[tuple[Any, ...], bool]:
    """Return what must be positive for F to be nonincreasing, and whether u must be convex."""
    symbols = [row.symbols.get(partial, sp.S.Zero) for partial in SECONDS]
    xx, xy, yy = (sp.expand(-row.slope(partial)) for partial in SECONDS)
    if not {symbol for slope in (xx, xy, yy) for symbol in slope.free_symbols} & set(symbols):
        return (xx, sp.expand(4 * xx * yy - xy**2)), False
    factor = sp.cancel(xx / symbols[2])
    if factor.is_positive and sp.expand(yy - factor * symbols[0]) == 0 == sp.expand(xy + 2 * factor * symbols[1]):
        return (symbols[0], sp.expand(symbols[0] * symbols[2] - symbols[1] ** 2)), True
    raise NoTheorem("the equation is nonlinear in its highest derivatives")
