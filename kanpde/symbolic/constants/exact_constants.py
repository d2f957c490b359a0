"""Exact constants behind fitted ones.

A constant is a power of the problem's parameters times a number. A second fit with a changed parameter gives the power,
which distinguishes D pi^2 from pi^2 even if D is 1. The number is looked up in a table of small fractions times 1, π,
π², √2, …; PSLQ finds sums like 4 + π², and the problem's equations give the constants that remain. The proof then
decides if the result solves the problem.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy as sp

from kanpde.errors import KanpdeError
from kanpde.symbolic.clock import Clock, TimeLimit, time_limit
from kanpde.symbolic.constants.fit import Fit, LeastSquares
from kanpde.symbolic.constants.recognition import integer_sum, small_multiples
from kanpde.symbolic.proof.statement import Statement

# The relative change of a parameter in the second fit.
_CHANGE = 0.01
# The largest relative residual of an ansatz that can solve the problem.
SOLVES = 1e-9
# The bounds of the relative tolerance of a constant.
_BEST, _WORST = 2e-14, 1e-7


@dataclass(frozen=True)
class Snapped:
    """Constants (name -> exact value), and the names of the constants without an exact value."""

    values: dict[str, Any]
    open: tuple[str, ...]


def exponents(
    ansatz: Any, fit: Fit, statement: Statement, clock: Clock
) -> tuple[dict[str, dict[Any, Fraction | None]], tuple[Any, ...]]:
    """Return constant -> parameter -> its exponent, None if the constant is no power of it; and the free parameters.

    A parameter is not free if the ansatz solves the problem for its present value only.
    """
    powers: dict[str, dict[Any, Fraction | None]] = {name: {} for name in fit.constants}
    stays = []
    for symbol, value in statement.parameters.items():
        changed = _changed(ansatz, fit, statement, symbol, float(value)) if clock.left > 0.5 else None
        if changed is None:
            continue
        stays.append(symbol)
        for name, constant in fit.constants.items():
            powers[name][symbol] = _power(constant, changed.constants[name], 100 * fit.spread.get(name, 0.0))
    return powers, tuple(stays)


def _changed(ansatz: Any, fit: Fit, statement: Statement, symbol: Any, value: float) -> Fit | None:
    """Return the fit with a parameter changed, None if the ansatz no longer solves the problem."""
    changes: dict[str, Any] = {symbol.name: value * (1 + _CHANGE)}
    try:
        problem = dataclasses.replace(statement.problem, **changes)  # type: ignore[type-var]
        found = LeastSquares(problem).fit(ansatz, fit.constants)
    except (KanpdeError, ArithmeticError, ValueError, TypeError):
        return None
    return found if found.residual < SOLVES else None


def _power(before: float, after: float, slack: float) -> Fraction | None:
    if before == after or abs(before) <= slack:
        return Fraction(0)
    if before * after <= 0:
        return None
    power = math.log(after / before) / math.log(1 + _CHANGE)
    fraction = Fraction(power).limit_denominator(4)
    return fraction if abs(power - fraction) < 1e-7 + slack / abs(before) / _CHANGE and abs(fraction) <= 6 else None


def snap(
    ansatz: Sequence[Any],
    fit: Fit,
    statement: Statement,
    powers: Mapping[str, Mapping[Any, Fraction | None]],
    clock: Clock,
) -> Snapped:
    """Return exact values of the constants of an ansatz (one expression per field, the constants as real symbols)."""
    values: dict[str, Any] = {}
    for name, constant in fit.constants.items():
        monomial, known = _monomial(powers.get(name, {}))
        found = _number(constant / float(monomial.subs(statement.parameters)), _tolerance(fit, name)) if known else None
        if found is not None:
            values[name] = found * monomial
    left = [name for name in fit.constants if name not in values]
    if left:
        solved = _from_equations(ansatz, fit, statement, values, left, clock)
        values.update(solved)
    return Snapped(values, tuple(name for name in left if name not in values))


def recognised(fit: Fit) -> dict[str, Any]:
    """Return exact values of the constants that are numbers without parameters, from their decimals alone."""
    found = {name: _number(value, _tolerance(fit, name)) for name, value in fit.constants.items()}
    return {name: value for name, value in found.items() if value is not None}


def _monomial(powers: Mapping[Any, Fraction | None]) -> tuple[Any, bool]:
    """Return the product of powers of parameters, and whether all exponents are known."""
    known = all(power is not None for power in powers.values())
    factors = [s ** sp.Rational(p.numerator, p.denominator) for s, p in powers.items() if p is not None]
    return sp.Mul(*factors), known


def _tolerance(fit: Fit, name: str) -> float:
    """Return the relative uncertainty of a constant that the rows allow, between the bounds."""
    constant, spread = fit.constants[name], fit.spread.get(name, 0.0)
    return min(_WORST, max(_BEST, 30 * spread / abs(constant))) if constant else _BEST


def _number(value: float, relative: float) -> Any | None:
    """Return the simplest exact number within a relative tolerance, zero if the value is round-off."""
    if abs(value) < 1e-13:
        return sp.S.Zero
    tolerance = relative * abs(value)
    # A less accurate value allows fewer candidates, because one of many agrees by chance.
    largest = 64 if relative > 1e-11 else 720
    found = next(small_multiples(value, tolerance, largest), None)
    if found is not None or relative > 1e-10:
        return found
    # Sums come before square roots, because (1 + sqrt 5)/2 is also the root of a sum.
    found = integer_sum(value, tolerance, 12)
    if found is not None:
        return found
    square = next(small_multiples(value**2, 3 * tolerance * abs(value), 64), None)
    square = square if square is not None else integer_sum(value**2, 3 * tolerance * abs(value))
    return sp.sign(sp.Float(value)) * sp.sqrt(square) if square is not None else integer_sum(value, tolerance)


# Determining equations ------------------------------------------------------------------------------------------------


def _from_equations(
    ansatz: Sequence[Any],
    fit: Fit,
    statement: Statement,
    known: Mapping[str, Any],
    left: list[str],
    clock: Clock,
) -> dict[str, Any]:
    """Return the remaining constants that the coefficients of independent functions in the equations determine."""
    symbol = {name: sp.Symbol(name, real=True) for name in fit.constants}
    values = {symbol[name]: value for name, value in known.items()}
    fields = tuple(expression.subs(values) for expression in ansatz)
    numbers = {**{symbol[name]: value for name, value in fit.constants.items()}, **statement.parameters}
    wanted = {symbol[name] for name in left}
    solved: dict[str, Any] = {}
    try:
        with time_limit(max(0.01, min(10.0, clock.left / 2))):
            conditions = sorted(set(determining_equations(statement, fields, values, wanted)), key=sp.count_ops)
            while wanted:
                found = _solve_one(conditions, wanted, numbers) or _solve_together(conditions, wanted, numbers)
                if not found:
                    break
                solved.update((chosen.name, value) for chosen, value in found.items())
                wanted.difference_update(found)
                conditions = [c for c in (sp.expand(c.subs(found)) for c in conditions) if c != 0]
    except TimeLimit:
        pass
    return _substituted(solved, symbol)


def _substituted(solved: dict[str, Any], symbol: Mapping[str, Any]) -> dict[str, Any]:
    """Substitute later values into earlier ones, and drop values that still contain unknown constants."""
    for _ in solved:
        solved = {n: v.subs({symbol[m]: w for m, w in solved.items() if m != n}) for n, v in solved.items()}
    constants = set(symbol.values())
    return {name: value for name, value in solved.items() if not value.free_symbols & constants}


def determining_equations(
    statement: Statement, fields: tuple[Any, ...], values: Mapping[Any, Any], wanted: set[Any]
) -> Iterator[Any]:
    """Yield the coefficient of every independent function of the coordinates: the equations hold if all are zero."""
    for equation in statement.equations:
        row = equation.of(fields).subs(values)
        expression = sp.expand(row, trig=row.has(sp.atan2, sp.acos, sp.asin))
        if not expression.free_symbols & wanted:
            continue
        coefficients: dict[Any, Any] = {}
        for term in sp.Add.make_args(expression):
            coefficient, function = term.as_independent(*statement.coordinates, *statement.others, as_Add=False)
            coefficients[function] = coefficients.get(function, 0) + coefficient
        yield from (c for c in coefficients.values() if c.free_symbols & wanted)


def _solve_one(conditions: Sequence[Any], wanted: set[Any], numbers: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return a constant and its value from the first equation whose solution agrees with the fit."""
    for condition in conditions:
        for factor in sp.Mul.make_args(sp.factor(condition)):
            inside = factor.free_symbols & wanted
            if len(inside) == 1:
                (constant,) = inside
                for solution in _solutions(factor, constant):
                    if _agrees(solution, numbers, numbers[constant]):
                        return {constant: sp.sqrtdenest(solution)}
    return {}


def _solve_together(conditions: Sequence[Any], wanted: set[Any], numbers: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the constants that the linear equations determine together, for example those of a sinh."""
    order = sorted(wanted, key=str)
    inside = [c for c in conditions if c.free_symbols & wanted]
    flat = [c for c in inside if not any(sp.diff(c, a).free_symbols & wanted for a in order)]
    try:
        (values,) = sp.linsolve(flat, order) if flat else [order]
    except (NotImplementedError, ValueError, TypeError):
        return {}
    found = {constant: sp.factor_terms(value) for constant, value in zip(order, values, strict=True)}
    return {c: v for c, v in found.items() if not v.free_symbols & wanted and _agrees(v, numbers, numbers[c])}


def _solutions(condition: Any, constant: Any) -> list[Any]:
    try:
        found = sp.solve(condition, constant)
    except (NotImplementedError, ValueError, TypeError, AttributeError, RecursionError):
        return []
    return [solution for solution in found if isinstance(solution, sp.Expr)]


def _agrees(solution: Any, numbers: Mapping[Any, Any], value: float) -> bool:
    try:
        number = complex(solution.subs(numbers))
    except TypeError:
        return False
    return abs(number - value) <= 1e-8 * abs(value)
