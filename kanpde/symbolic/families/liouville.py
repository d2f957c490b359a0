"""The prefactor that removes the first derivative along one axis from a linear equation.

    a X'' + b X' + c X = 0,   X = g w,   g = exp(-∫ b / (2 a))   has no w'

(Liouville's normal form: Birkhoff and Rota, Ordinary Differential Equations, 1989, section 2.7). For the Laplacian
in the radius of a ball, g is 1/r and w is a wave.
"""

from __future__ import annotations

from typing import Any

import sympy as sp

from kanpde.problem.problem import Problem
from kanpde.symbolic.clock import TimeLimit, time_limit
from kanpde.symbolic.proof.statement import state
from kanpde.symbolic.structure.atoms import VARIABLE

# Time limit for SymPy to find all prefactors, in seconds.
SECONDS = 2.0


def prefactors(problem: Problem) -> dict[int, Any]:
    """Return axis -> g, an expression of VARIABLE, for every axis whose g is neither 1 nor an exponential."""
    if len(problem.fields) > 1 or problem.unknowns:
        return {}
    try:
        with time_limit(SECONDS):
            statement = state(problem, [])
            u = sp.Function("u")(*statement.coordinates)
            rows = [equation.of((u,)) for equation in statement.equations if equation.name == "residual"]
            found = {axis: _factor(rows[0], u, s) for axis, s in enumerate(statement.coordinates)}
    except (Exception, TimeLimit):  # SymPy raises many types of error on unsupported input
        return {}
    return {axis: g for axis, g in found.items() if len(rows) == 1 and g is not None}


def _factor(row: Any, u: Any, s: Any) -> Any | None:
    """Return g = exp(-∫ b / (2 a)), or None if b / a is constant, depends on other axes or has no closed integral."""
    ratio = sp.cancel(_coefficient(row, sp.diff(u, s)) / _coefficient(row, sp.diff(u, s, s)))
    if ratio.free_symbols != {s}:
        return None
    integral = sp.integrate(ratio.xreplace({s: VARIABLE}), VARIABLE)
    return None if integral.has(sp.Integral) else sp.exp(-sp.expand(integral) / 2)


def _coefficient(row: Any, derivative: Any) -> Any:
    """Return the coefficient of a derivative in the row, or nan if the row is not linear in it."""
    symbol = sp.Dummy()
    found = sp.diff(row.xreplace({derivative: symbol}), symbol)
    return sp.nan if found.has(symbol, sp.core.function.AppliedUndef) else found
