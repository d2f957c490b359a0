"""A condition on a face of a box as a linear form in the partial derivatives of the fields there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from kanpde.calculus.arrays import MultiIndex
from kanpde.problem.equation import Equation
from kanpde.symbolic.proof.maximum_principle import NoTheorem
from kanpde.symbolic.proof.statement import Statement


@dataclass(frozen=True)
class LinearForm:
    """Σ weights · ∂^α u_f + constant = 0 on the face across `axis` at a side, −1 or 1; `weights` are by (f, α)."""

    equation: Equation
    axis: int
    side: int
    weights: Mapping[tuple[int, MultiIndex], Any]
    constant: Any


def linear_form(statement: Statement, equation: Equation) -> LinearForm:
    """Return a condition as a linear form; raise NoTheorem if it is none.

    It is applied to polynomials about a point of the face whose derivatives there are symbols.
    """
    problem = statement.problem
    axis, side = problem.domain.names.index(str(equation.face)[:-1]), (1 if str(equation.face)[-1] == "+" else -1)
    base = [sp.Dummy(s.name, real=True) for s in statement.coordinates]
    base[axis] = statement.bounds[axis][side > 0]
    shifts = [s - b for s, b in zip(statement.coordinates, base, strict=True)]
    unknown = {
        (field, partial): sp.Dummy(real=True)
        for field in range(len(problem.fields))
        for partial in _partials(len(base), _order(statement))
    }
    polynomials = [sp.S.Zero for _ in problem.fields]
    for (field, partial), symbol in unknown.items():
        counts = [partial.count(a) for a in range(len(base))]
        powers = (shift**n / math.factorial(n) for shift, n in zip(shifts, counts, strict=True))
        polynomials[field] += symbol * sp.prod(powers)
    here = dict(zip(base, statement.coordinates, strict=True))
    del here[base[axis]]
    found = sp.expand(sp.sympify(equation.of(tuple(polynomials))).subs({s: b for b, s in here.items()}))
    weights = {each: sp.diff(found, symbol) for each, symbol in unknown.items()}
    if any(weight.free_symbols & set(unknown.values()) for weight in weights.values()):
        raise NoTheorem(f"the condition {equation.name!r} is not linear")
    constant = found.subs(dict.fromkeys(unknown.values(), 0)).xreplace(here)
    return LinearForm(equation, axis, side, {e: w.xreplace(here) for e, w in weights.items() if w != 0}, constant)


def _order(statement: Statement) -> int:
    """Return the highest order of a partial in the equations and conditions of a problem."""
    blocks = statement.problem.blocks()
    return max((len(p) for block in blocks for few in block.partials.values() for p in few), default=0)


def _partials(dimension: int, order: int) -> list[MultiIndex]:
    return [p for n in range(order + 1) for p in itertools.combinations_with_replacement(range(dimension), n)]
