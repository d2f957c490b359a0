"""Bound the error of an approximation by the maximum principle.

For L u = τ u_t - Σ a_i u_ii + c u with constants τ ≥ 0, a_i > 0 and c ≥ 0, and u given on the boundary and at the
initial time, the error e of an approximation v satisfies

    max |e| ≤ max |v - u| there + C max |L v - f|,   C = min(min_i l_i² / (8 a_i), T / τ),

with l_i the box's sides and T its time, because w = (l_i²/4 - (x_i - m_i)²)/(2 a_i) and w = t/τ have L w ≥ 1 and w ≥ 0
(Protter and Weinberger, Maximum Principles in Differential Equations, 1967, sections 2.3 and 3.2). The maxima on the
right are bounded by interval arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import sympy as sp

from kanpde.errors import KanpdeError
from kanpde.geometry.box import as_box
from kanpde.problem.problem import Problem
from kanpde.symbolic.clock import TimeLimit, time_limit
from kanpde.symbolic.proof.intervals import largest
from kanpde.symbolic.proof.statement import Statement, state


@dataclass(frozen=True)
class Operator:
    """The coefficients of L u = τ u_t - Σ a_i u_ii + c u that the bound needs: τ, and a by axis."""

    rate: float
    diffusion: dict[int, float]

    def stability(self, problem: Problem) -> float:
        """Return C, the largest error that a residual of one can cause."""
        lengths = problem.domain.high - problem.domain.low
        candidates = [float(lengths[axis]) ** 2 / (8 * a) for axis, a in self.diffusion.items()]
        if problem.domain.time is not None and self.rate:
            candidates.append(float(lengths[problem.domain.time]) / self.rate)
        return min(candidates)


def error_bound(problem: Problem, fields: tuple[Any, ...], seconds: float = 10.0) -> float | None:
    """Return a bound on |u - fields| over the closed domain, None without a maximum principle or after `seconds`.

    None too if the domain is not a box, because what a condition leaves is not bounded on curved faces.
    """
    if as_box(problem.domain) is None:
        return None
    try:
        with time_limit(seconds):
            statement = state(problem, [])
            operator = operator_of(statement)
            if operator is None or not _given_everywhere(problem):
                return None
            maxima = {e.title: _largest(statement, e.face, e.of(fields)) for e in statement.equations}
    except (KanpdeError, TimeLimit, ArithmeticError, TypeError, ValueError):
        return None
    inside = maxima.pop("residual")
    bound = max(maxima.values()) + operator.stability(problem) * inside
    return bound if math.isfinite(bound) else None


def _largest(statement: Statement, face: str | None, expression: Any) -> float:
    names = statement.problem.domain.names
    bounds = zip(names, statement.coordinates, statement.bounds, strict=True)
    boxes = {symbol: (float(a), float(b)) for name, symbol, (a, b) in bounds if face is None or name != face[:-1]}
    return largest(sp.expand(expression), boxes)


def operator_of(statement: Statement) -> Operator | None:
    """Return the operator L of a scalar equation L u = f or -L u = f, None for other equations."""
    equations = [e for e in statement.equations if e.name == "residual"]
    if len(equations) != 1 or len(statement.problem.fields) != 1:
        return None
    u = sp.Function("u")(*statement.coordinates)
    row = sp.expand(equations[0].of((u,)))
    derivatives = [*row.atoms(sp.Derivative), u]
    placeholders = {derivative: sp.Dummy() for derivative in derivatives}
    row = row.subs(dict(sorted(placeholders.items(), key=lambda pair: -sp.count_ops(pair[0]))))
    coefficients = {d: sp.diff(row, symbol) for d, symbol in placeholders.items()}
    if not all(c.is_number and c.is_real for c in coefficients.values()):
        return None
    return _sorted(statement, {_axes(d, statement): float(c) for d, c in coefficients.items() if c != 0})


def _axes(derivative: Any, statement: Statement) -> tuple[int, ...]:
    if not isinstance(derivative, sp.Derivative):
        return ()
    return tuple(sorted(statement.coordinates.index(symbol) for symbol in derivative.variables))


def _sorted(statement: Statement, coefficients: dict[tuple[int, ...], float]) -> Operator | None:
    domain = statement.problem.domain
    seconds = {axes[0]: a for axes, a in coefficients.items() if len(axes) == 2 and axes[0] == axes[1]}
    if not seconds or set(seconds) != set(domain.space):
        return None
    sign = -1.0 if min(seconds.values()) > 0 else 1.0
    rate = 0.0 if domain.time is None else sign * coefficients.pop((domain.time,), 0.0)
    reaction = sign * coefficients.pop((), 0.0)
    diffusion = {axis: -sign * a for axis, a in seconds.items()}
    right = min(diffusion.values()) > 0 and reaction >= 0 and (rate > 0 if domain.time is not None else True)
    return Operator(rate, diffusion) if right and len(coefficients) == len(seconds) else None


def _given_everywhere(problem: Problem) -> bool:
    """Return whether the field's values are given on the whole boundary and, with time, at the initial time."""
    given = [c.boundary_values(problem) for c in problem.conditions().values() if not c.is_measured]
    if not all(values and all(value.order == 0 for value in values) for values in given):
        return False
    wanted = {face.name for face in problem.domain.resolve("boundary")} | ({"t-"} & set(problem.domain.faces))
    return wanted <= {face.name for values in given for value in values for face in value.faces}
