"""Bound the error of an approximation by the norm in L², for linear systems as Schrödinger's equation along a line.

Let z_t = A z_xx + B z + f on an interval, with matrices of numbers, A invertible and Aᵀ = −A, and z given at first and
at both ends. An approximation with the residual ρ and the errors m(t) at the ends has an error e. With the line h(x, t)
between both m(t), e₀ = e − h is zero at the ends and satisfies the equation with r = ρ − h_t + B h for f. Because
(A e₀_xx, e₀) = −(A e₀_x, e₀_x) = 0 in L², for β ≥ 0 not below the largest eigenvalue of (B + Bᵀ) / 2

    ‖e₀(t)‖ ≤ e^{β t} (‖e₀(0)‖ + t max ‖r‖)

(A. Pazy, Semigroups of Linear Operators and Applications to Partial Differential Equations, 1983, chapter 7). The same
holds for difference quotients in time, and in the limit for e₀_t, with r_t for r and

    ‖e₀_t(0)‖ ≤ ‖A‖ ‖e_xx(0)‖ + ‖B‖ ‖e₀(0)‖ + ‖r(0)‖.

The equation then bounds ‖e₀_xx‖ ≤ ‖A⁻¹‖ (‖e₀_t‖ + ‖B‖ ‖e₀‖ + ‖r‖). Since e₀ is zero at both ends, a component c of it
has c² ≤ ∫ |c c_x| ≤ ‖c‖ ‖c_x‖ and ‖c_x‖² = −(c, c_xx) ≤ ‖c‖ ‖c_xx‖, so that |e₀| ≤ ‖e₀‖^{3/4} ‖e₀_xx‖^{1/4}.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from kanpde.calculus.arrays import MultiIndex
from kanpde.geometry.box import as_box
from kanpde.symbolic.proof.coupled import Key, rows_of, sorted_forms
from kanpde.symbolic.proof.linear_form import LinearForm, linear_form
from kanpde.symbolic.proof.maximum_principle import UPWARD, NoTheorem
from kanpde.symbolic.proof.statement import Statement

THEOREM = "the conservation of the norm in L² (Pazy, 1983, chapter 7)"


@dataclass(frozen=True)
class Dispersive:
    """z_t = A z_xx + B z + f by `inertia` T in T z_t = …, the rows' `terms` and `sources`, and bounds of norms.

    `inverse` bounds ‖A⁻¹‖, `dispersion` ‖A‖, `reaction` ‖B‖, `growth` β, and `mass` ‖T⁻¹‖.
    """

    time: int
    space: int
    terms: tuple[Mapping[Key, Any], ...]
    sources: tuple[Any, ...]
    starts: Mapping[int, LinearForm]
    values: tuple[tuple[int, LinearForm, float], ...]
    inverse: float
    dispersion: float
    reaction: float
    growth: float
    mass: float


def dispersive(statement: Statement) -> Dispersive:
    """Return a problem as such a system; raise NoTheorem, with the reason, for others."""
    problem = statement.problem
    time, count = problem.domain.time, len(problem.fields)
    if time is None or problem.unknowns or as_box(problem.domain) is None or problem.domain.dimension != 2:
        raise NoTheorem("the system is no evolution along one coordinate")
    space = 1 - time
    rows, symbols = rows_of(statement)
    wanted = {(time,), (space, space), ()}
    if len(rows) != count or not {partial for _, partial in symbols} <= wanted:
        raise NoTheorem("the system has other derivatives than the first in time and the second in space")
    terms = [{key: sp.expand(sp.diff(row, symbol)) for key, symbol in symbols.items()} for row in rows]
    if not all(each.is_number for row in terms for each in row.values()):
        raise NoTheorem("the system is not linear with constant coefficients")
    inertia, stiffness, coupling = (
        sp.Matrix(count, count, lambda k, j, p=partial: terms[k].get((j, p), sp.S.Zero))
        for partial in ((time,), (space, space), ())
    )
    if inertia.det() == 0:
        raise NoTheorem("the system does not have one evolution equation for every field")
    mass = inertia.inv()
    dispersion, reaction = (sp.simplify(-mass * each) for each in (stiffness, coupling))
    if dispersion.det() == 0 or not (dispersion + dispersion.T).applyfunc(sp.simplify).is_zero_matrix:
        raise NoTheorem("it is a system whose fields are coupled by more than their values")
    forms = [linear_form(statement, e) for e in statement.equations if e.face is not None]
    starts, values, slopes = sorted_forms(forms, time)
    if slopes or set(starts) != set(range(count)) or len({(k, form.side) for k, form, _ in values}) != 2 * count:
        raise NoTheorem("values of all fields must be prescribed at first and at both ends")
    linear = [sp.Add(*(term * symbols[key] for key, term in row.items())) for row in terms]
    sources = tuple(sp.expand(row - each) for row, each in zip(rows, linear, strict=True))
    norms = (_norm(each) for each in (dispersion.inv(), dispersion, reaction, (reaction + reaction.T) / 2, mass))
    return Dispersive(time, space, tuple(terms), sources, starts, values, *norms)


def _norm(matrix: Any) -> float:
    """Return the Frobenius norm, which bounds that of the operator and the eigenvalues."""
    return UPWARD * math.sqrt(UPWARD * sum(float(entry) ** 2 for entry in matrix))


def in_time(form: LinearForm, statement: Statement, time: int, order: int) -> LinearForm:
    """Return the derivative in time of what is prescribed at an end; the weights are numbers."""
    weights = {(f, _with(partial, time, order)): weight for (f, partial), weight in form.weights.items()}
    constant = sp.diff(form.constant, statement.coordinates[time], order) if order else form.constant
    return LinearForm(form.equation, form.axis, form.side, weights, constant)


def in_space(form: LinearForm, statement: Statement, space: int) -> LinearForm:
    """Return the second derivative in space of what is prescribed at first."""
    weights = {(f, _with(partial, space, 2)): weight for (f, partial), weight in form.weights.items()}
    return LinearForm(
        form.equation, form.axis, form.side, weights, sp.diff(form.constant, statement.coordinates[space], 2)
    )


def _with(partial: MultiIndex, axis: int, order: int) -> MultiIndex:
    return tuple(sorted((*partial, *(axis,) * order)))


def highest(norm: float, bend: float) -> float:
    """Return ‖e₀‖^{3/4} ‖e₀_xx‖^{1/4}."""
    return UPWARD * math.sqrt(UPWARD * norm * math.sqrt(UPWARD * norm * bend))


def grown(growth: float, duration: float) -> float:
    """Return e^{β T}."""
    exponent = UPWARD * growth * duration
    return UPWARD * math.exp(exponent) if exponent < 600 else math.inf
