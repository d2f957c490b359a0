"""Bound the errors of an approximation of a parabolic system by comparison, if only values couple its fields.

Let F_k(x, t, u, ∇u_k, ∂_ii u_k, ∂_t u_k) = 0 for k = 1 … m be affine in ∂_t u_k and the ∂_ii u_k, with coefficients
τ > 0 and −a_i ≤ 0, where only the values u_j of other fields occur. An approximation v leaves r_k. As in
`kanpde.symbolic.proof.comparison`, functions Z_k > 0 that are larger than |e_k| at first and on the faces stay so while

    τ Z_k,t − Σ a_i Z_k,ii + Σ b_i Z_k,i + c_kk Z_k − Σ_{j≠k} |c_kj| Z_j > |r_k|,     c_kj = ∂F_k / ∂u_j,

because e_k = Z_k and |e_j| ≤ Z_j where they first touch (W. Walter, Differential and Integral Inequalities,
1970). Here Z_k = d_k z(t) + Σ h_i(x_i) with any weights d_k > 0, and h where slopes are prescribed:

    z' = Λ z + max_k (|r_k| + …) / (d_k τ),     Λ(t) = max_k max (−c_kk d_k + Σ_{j≠k} |c_kj| d_j) / (d_k τ).

Weights near the Perron vector of the coupling make Λ small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.symbolic.proof.linear_form import LinearForm, linear_form
from kanpde.symbolic.proof.maximum_principle import NoTheorem
from kanpde.symbolic.proof.statement import Statement

THEOREM = "comparison of systems (Walter, 1970)"
LEAST_WEIGHT = 1e-6  # of a field, relative to the largest one

Key = tuple[int, MultiIndex]  # a field and a partial


@dataclass(frozen=True)
class Coupled:
    """The rows F_k in `symbols` of the fields' partials, and the conditions by field: initial values, values, slopes.

    Conditions are scaled: the weight of a value is one, and that of a slope, which is the outward one.
    """

    rows: tuple[Any, ...]
    symbols: Mapping[Key, Any]
    time: int
    starts: Mapping[int, LinearForm]
    values: tuple[tuple[int, LinearForm, float], ...]
    slopes: tuple[tuple[int, LinearForm, float], ...]

    def slope(self, field: int, key: Key) -> Any:
        """Return the derivative of F_field by a partial."""
        return sp.diff(self.rows[field], self.symbols[key]) if key in self.symbols else sp.S.Zero

    @property
    def along(self) -> tuple[int, ...]:
        """The axes in space along which a field is differentiated."""
        return tuple(sorted({axis for _, partial in self.symbols for axis in partial} - {self.time}))

    @property
    def is_linear(self) -> bool:
        known = set(self.symbols.values())
        return not any(self.slope(k, key).free_symbols & known for k in range(len(self.rows)) for key in self.symbols)


def coupled_of(statement: Statement) -> Coupled:
    """Return a problem as a weakly coupled parabolic system; raise NoTheorem, with the reason, for others."""
    problem = statement.problem
    time, fields = problem.domain.time, problem.fields
    if problem.unknowns:
        raise NoTheorem("bounds of systems of partial differential equations are proved for equations that are known")
    if time is None:
        raise NoTheorem("it is a steady system: its energy bounds mean squares of slopes, but not the largest error")
    rows, symbols = rows_of(statement)
    forms = [linear_form(statement, e) for e in statement.equations if e.face is not None]
    starts, values, slopes = sorted_forms(forms, time)
    result = Coupled(_ordered(rows, symbols, time, len(fields)), symbols, time, starts, values, slopes)
    _check(result, problem.fields)
    return result


def rows_of(statement: Statement) -> tuple[list[Any], dict[Key, Any]]:
    """Return the rows of a system in symbols for the fields' partials, and the symbols."""
    u = [sp.Function(f"u{k}")(*statement.coordinates) for k in range(len(statement.problem.fields))]
    rows = [sp.sympify(e.of(tuple(u))) for e in statement.equations if e.name == "residual"]
    derivatives = sorted({d for row in rows for d in row.atoms(sp.Derivative)}, key=lambda d: -d.derivative_count)
    keys = {
        d: (u.index(d.expr), tuple(sorted(statement.coordinates.index(s) for s in d.variables))) for d in derivatives
    }
    keys.update({each: (k, ()) for k, each in enumerate(u)})
    placeholders = {each: sp.Dummy(f"u{key}", real=True) for each, key in keys.items()}
    for each, symbol in placeholders.items():
        rows = [row.xreplace({each: symbol}) for row in rows]
    return rows, {key: placeholders[each] for each, key in keys.items()}


def _ordered(rows: Sequence[Any], symbols: Mapping[Key, Any], time: int, count: int) -> tuple[Any, ...]:
    """Return the rows in the order of the fields whose time derivatives they have; each row has those of one field."""
    found: dict[int, Any] = {}
    for row in rows:
        fields = {field for (field, partial), symbol in symbols.items() if partial and symbol in row.free_symbols}
        if len(fields) != 1 or (key := (next(iter(fields)), (time,))) not in symbols or sp.diff(row, symbols[key]) == 0:
            raise NoTheorem("it is a system whose fields are coupled by more than their values")
        found[fields.pop()] = row
    if len(rows) != count or len(found) != count:
        raise NoTheorem("the system does not have one evolution equation for every field")
    return tuple(found[field] for field in range(count))


def sorted_forms(forms: Sequence[LinearForm], time: int) -> tuple[Any, Any, Any]:
    """Return the conditions as initial values by field, values, and slopes, each with the size that divides it."""
    starts: dict[int, LinearForm] = {}
    values, slopes = [], []
    for form in forms:
        fields = {field for field, _ in form.weights}
        if len(fields) != 1 or not all(weight.is_number for weight in form.weights.values()):
            raise NoTheorem(f"the condition {form.equation.name!r} is not about one field, with numbers")
        (field,) = fields
        value, outward = form.weights.get((field, ()), sp.S.Zero), form.weights.get((field, (form.axis,)), sp.S.Zero)
        if set(form.weights) - {(field, ()), (field, (form.axis,))}:
            raise NoTheorem(f"the condition {form.equation.name!r} is about higher derivatives")
        if form.axis == time and form.side < 0 and outward == 0:
            starts[field] = form
        elif form.axis == time:
            raise NoTheorem(f"the condition {form.equation.name!r} is no initial value")
        elif outward == 0:
            values.append((field, form, abs(float(value))))
        elif value * outward * form.side >= 0:
            slopes.append((field, form, abs(float(outward))))
        else:
            raise NoTheorem(f"the condition {form.equation.name!r} has coefficients of different signs")
    return starts, tuple(values), tuple(slopes)


def _check(system: Coupled, names: Sequence[str]) -> None:
    """Raise NoTheorem unless the highest derivatives are linear, and every field has initial values."""
    for k, name in enumerate(names):
        if k not in system.starts:
            raise NoTheorem(f"no values of {name} are prescribed at the initial time")
        own = [partial for field, partial in system.symbols if field == k and partial]
        tops = {(system.time,), *((axis, axis) for axis in system.along)}
        if not set(own) <= {*tops, *((axis,) for axis in system.along)}:
            raise NoTheorem("the system has a mixed derivative, or one of an order too high for a maximum principle")
        top_symbols = {system.symbols[k, partial] for partial in own if partial in tops}
        if any(system.slope(k, (k, partial)).free_symbols & top_symbols for partial in own if partial in tops):
            raise NoTheorem("the system is nonlinear in its highest derivatives")


def weights_of(coupling: Array) -> list[Array]:
    """Return weights d (m,) that may make Λ small, for a matrix (m, m) with entries ≥ 0 beside the diagonal."""
    even = np.ones(len(coupling))
    sizes, vectors = np.linalg.eig(coupling)
    perron = np.abs(vectors[:, sizes.real.argmax()])
    return [even, np.maximum(perron / perron.max(), LEAST_WEIGHT)] if np.isfinite(perron).all() else [even]
