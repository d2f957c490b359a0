"""Bound the error of an approximation of ordinary differential equations, from values at both ends of an interval.

Let y' = f(t, y) be a problem of ordinary differential equations of any order written with n states y, B_a y(a) + B_b
y(b) = values its n conditions, and y its solution. An approximation v leaves r = v' − f(t, v) and μ of the conditions,
and its error e = v − y satisfies e' = A e + r with A = ∂f/∂y between v and y. Let Z be any smooth matrices on the cells
of [a, b] with Z' + Z A₀ = D for A₀ = ∂f/∂y at v, and Y any matrices with Y Z = 1 + E. Then on a cell [s, s + h]

    Z e(t) = Z e(s) + ∫_s^t Z r + D e + Z (A − A₀) e,      |e(t)| ≤ |Y| |Z e(t)| + |E| |e(t)|,

so that the errors x at the ends of cells, and ε on them, satisfy with K x = (Z e(s + h) − Z e(s), B e), any matrix R,
and absolute values of matrices and vectors

    x ≤ |R| (|∫ Z r| + h (|D| + |Z| |A − A₀|) ε, |μ|) + |1 − R K| x,
    ε ≤ |Y| (|Z(s)| x(s) + max_t |∫_s^t Z r| + h (|D| + |Z| |A − A₀|) ε) + |E| ε.

A vector that is larger than the right-hand side for itself is larger than every solution of this. Where Z is a
numerical solution of the adjoint equation Z' = −Z A₀, D, E and 1 − R K are round-off, and the bound follows the true
propagation of errors: no exponential of a norm occurs.

If |A − A₀| is known for |e| ≤ δ and the bound is below δ, the map that takes e to the solution of the linear problem
with A between v and v − e maps the ball |e| ≤ δ to itself and is compact, so that it has a fixed point (Schauder):
there is a solution within δ, and it has no other one there, because their difference satisfies the homogeneous problem.

Unknown constants and prescribed integrals are further states, so that eigenvalues are enclosed with their functions.

Sources: R. J. Lohner, "Enclosing the solutions of ordinary initial and boundary value problems", Computerarithmetic
(1987) 255; M. Plum, "Computer-assisted existence proofs for two-point boundary value problems", Computing 46 (1991) 19.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from kanpde.problem.integral import Integral
from kanpde.problem.problem import Problem
from kanpde.symbolic.constants.recognition import exact_number
from kanpde.symbolic.proof.linear_form import LinearForm, linear_form
from kanpde.symbolic.proof.maximum_principle import NoTheorem
from kanpde.symbolic.proof.statement import Statement

THEOREM = "the numerical fundamental matrix (Lohner, 1987)"


@dataclass(frozen=True)
class FirstOrder:
    """y' = f(t, y) with `slopes` f in `symbols` y.

    The first components of y are the `states` (field, order), then come unknown `constants`, whose slope is zero, and
    `integrals` (field, value): n' = u with n = 0 at the low end and the value at the high end.
    """

    states: tuple[tuple[int, int], ...]
    symbols: tuple[Any, ...]
    slopes: tuple[Any, ...]
    conditions: tuple[LinearForm, ...]
    constants: tuple[str, ...] = ()
    integrals: tuple[tuple[int, Any], ...] = ()

    @property
    def is_linear(self) -> bool:
        return not any(entry.free_symbols & set(self.symbols) for entry in self.jacobian)

    @property
    def jacobian(self) -> Any:
        """∂f/∂y, (n, n) in SymPy."""
        return sp.Matrix(self.slopes).jacobian(self.symbols)

    @property
    def values(self) -> tuple[int, ...]:
        """The states that are values of fields."""
        return tuple(number for number, (_, order) in enumerate(self.states) if not order)


def is_ordinary(problem: Problem) -> bool:
    """Return whether a problem has one coordinate."""
    return problem.domain.dimension == 1


def first_order(statement: Statement) -> FirstOrder:
    """Return a problem as a system of first order; raise NoTheorem, with the reason, for others."""
    (t,), fields = statement.coordinates, statement.problem.fields
    functions = tuple(sp.Function(f"u{number}")(t) for number in range(len(fields)))
    rows = [sp.sympify(e.of(functions)) for e in statement.equations if e.name == "residual"]
    found = {d for row in rows for d in row.atoms(sp.Derivative)}
    orders = [max((d.derivative_count for d in found if d.expr == u), default=0) for u in functions]
    if len(rows) != len(fields) or not all(orders):
        raise NoTheorem("the equations do not give the highest derivative of every field")
    symbols = [
        [sp.Dummy(f"{u.func}_{k}", real=True) for k in range(n + 1)] for u, n in zip(functions, orders, strict=True)
    ]
    rows = [_in_symbols(row, functions, symbols) for row in rows]
    tops = [each[-1] for each in symbols]
    states = tuple((field, order) for field, n in enumerate(orders) for order in range(n))
    known = tuple(symbols[field][order] for field, order in states)
    if any(not row.free_symbols <= {t, *known, *tops, *statement.unknowns} for row in rows):
        raise NoTheorem("the equation has terms besides the field's partial derivatives")
    highest = dict(zip(tops, _solved(rows, tops), strict=True))
    following = (symbols[field][order + 1] for field, order in states)
    slopes = tuple(highest.get(symbol, symbol) for symbol in following)
    integrals = tuple(_integrals(statement.problem))
    names = tuple(str(symbol) for symbol in statement.unknowns)
    wanted = len(states) + len(names) - len(integrals)
    return FirstOrder(
        states,
        (*known, *statement.unknowns, *(sp.Dummy(real=True) for _ in integrals)),
        (*slopes, *(sp.S.Zero for _ in names), *(symbols[field][0] for field, _ in integrals)),
        tuple(_conditions(statement, states, wanted)),
        names,
        integrals,
    )


def _integrals(problem: Problem) -> Iterator[tuple[int, Any]]:
    """Yield the field and the value of every prescribed integral."""
    for name, condition in problem.conditions().items():
        if isinstance(condition, Integral):
            value = condition.value
            if condition.integrand is not None or condition.on is not None or not isinstance(value, (int, float)):
                raise NoTheorem(f"the integral {name!r} is not that of a field, or its value is no number")
            yield from ((field, exact_number(float(value))) for field in condition.field_indices(problem))


def _in_symbols(row: Any, functions: Sequence[Any], symbols: Sequence[Sequence[Any]]) -> Any:
    pairs = [(u.diff(u.args[0], k) if k else u, s) for u, own in zip(functions, symbols, strict=True)
             for k, s in enumerate(own)]  # fmt: skip
    for derivative, symbol in reversed(pairs):
        row = row.xreplace({derivative: symbol})
    return row


def _solved(rows: Sequence[Any], tops: Sequence[Any]) -> list[Any]:
    """Return the highest derivatives from rows that are linear in them."""
    matrix = sp.Matrix(rows).jacobian(tops).applyfunc(sp.expand)
    if matrix.free_symbols & set(tops):
        raise NoTheorem("the equation is nonlinear in its highest derivatives")
    rest = sp.Matrix(rows).subs(dict.fromkeys(tops, 0))
    try:
        return list((-matrix.LUsolve(rest)).applyfunc(sp.expand))
    except (ValueError, ZeroDivisionError) as error:
        raise NoTheorem("the equations do not give the highest derivative of every field") from error


def _conditions(statement: Statement, states: Sequence[tuple[int, int]], wanted: int) -> Iterator[LinearForm]:
    """Yield the conditions at the ends, whose weights are numbers."""
    (name,) = statement.problem.domain.names
    equations = [e for e in statement.equations if e.name != "residual"]
    if statement.measured or len(equations) != wanted or not {e.face for e in equations} <= {name + "-", name + "+"}:
        raise NoTheorem(
            f"bounds of ordinary differential equations need {wanted} conditions at the ends, got {len(equations)}"
        )
    for equation in equations:
        form = linear_form(statement, equation)
        known = {(field, len(partial)) for field, partial in form.weights}
        if not known or not known <= set(states) or not all(w.is_number for w in form.weights.values()):
            raise NoTheorem(f"the condition {equation.name!r} is not about values and lower derivatives at an end")
        yield form
