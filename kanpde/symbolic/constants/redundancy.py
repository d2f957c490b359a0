"""Remove redundant constants of an ansatz: vanishing terms, and scales that repeat each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import sympy as sp

from kanpde.calculus.expressions import real_expression, symbols
from kanpde.symbolic.clock import Clock
from kanpde.symbolic.constants.fit import Fit, LeastSquares

Fields = tuple[Any, ...]
# The largest increase of the residual, due to round-off, when a constant is held.
_ROUND_OFF = 1e-13


def drop_redundant(ansatz: Fields, fit: Fit, squares: LeastSquares, clock: Clock) -> tuple[Fields, Fit]:
    """Return the ansatz and its fit after holding the constants that the problem does not determine.

    Constants that are zero up to round-off are held at zero, which removes the other constants of their terms. One of
    two redundant constants is held at 0 or 1 if that is possible. A constant that the conditions leave open is held at
    a short decimal number near its value, and is recorded as undetermined.
    """
    names = squares.problem.domain.names
    ansatz = tuple(real_expression(e, (*names, *fit.constants)) for e in ansatz)
    open_ = fit.undetermined
    held = _faded(ansatz, fit, squares)
    if held is not None:
        ansatz, fit = held
    while (fit.redundant or fit.undetermined) and clock.left > 1:
        held = _held(ansatz, fit, squares)
        if held is None:
            break
        ansatz, fit = held
    return ansatz, replace(fit, undetermined=open_)


def _faded(ansatz: Fields, fit: Fit, squares: LeastSquares) -> tuple[Fields, Fit] | None:
    """Hold together, at zero, all constants that are zero within their uncertainty."""
    zeros = {
        name: sp.S.Zero
        for name, value in fit.constants.items()
        if abs(value) <= max(1e-12, min(1e-9, 50 * fit.spread.get(name, 0.0)))
    }
    return _refitted(ansatz, fit, squares, zeros) if zeros else None


def _held(ansatz: Fields, fit: Fit, squares: LeastSquares) -> tuple[Fields, Fit] | None:
    """Hold the first constant that can be held."""
    for name, value in _attempts(fit):
        found = _refitted(ansatz, fit, squares, {name: value})
        if found is not None:
            return found
    return None


def _attempts(fit: Fit) -> Iterator[tuple[str, Any]]:
    for direction in fit.redundant:
        for value in (sp.S.Zero, sp.S.One):
            yield from ((name, value) for name in direction)
    for direction in (*fit.undetermined, *fit.redundant):
        for name in sorted(direction, key=lambda name: -abs(direction[name])):
            yield name, sp.Rational(f"{fit.constants[name]:.4g}")


def _refitted(ansatz: Fields, fit: Fit, squares: LeastSquares, held: Mapping[str, Any]) -> tuple[Fields, Fit] | None:
    """Return the ansatz with constants held and the others fitted again, None if that costs accuracy."""
    values = {symbols([name])[0]: value for name, value in held.items()}
    fewer = tuple(expression.subs(values) for expression in ansatz)
    if any(expression.has(sp.nan, sp.zoo, sp.oo) for expression in fewer) or all(e == 0 for e in fewer):
        return None
    free = {s.name for expression in fewer for s in expression.free_symbols} | set(squares.problem.unknowns)
    found = squares.fit(fewer, {name: value for name, value in fit.constants.items() if name in free})
    return (fewer, found) if found.residual < 10 * fit.residual + _ROUND_OFF else None
