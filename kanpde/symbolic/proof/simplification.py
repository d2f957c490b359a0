"""Simplify a formula to its shortest form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from kanpde.symbolic.clock import TimeLimit, time_limit


def _in_arguments(form: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a rewriting that changes only the arguments of functions."""
    return lambda expression: expression.replace(
        lambda part: isinstance(part, sp.Function) and part.free_symbols,
        lambda part: part.func(*map(form, part.args)),
    )


def _hyperbolic(expression: Any) -> Any:
    """Rewrite exp(a) ± exp(b) as 2 exp((a + b)/2) cosh((a - b)/2), or sinh, so that common factors cancel."""
    return sp.powsimp(expression.replace(lambda part: part.is_Add and len(part.args) == 2, _as_hyperbolic))


def _as_hyperbolic(total: Any) -> Any:
    (c, a), (d, b) = (_exponent(term) for term in total.args)
    if c not in (d, -d) or a == b:
        return total
    middle, half = sp.expand((a + b) / 2), sp.expand((a - b) / 2)
    variables = half.free_symbols | middle.free_symbols
    if any(sp.diff(part, v).free_symbols & variables for part in (middle, half) for v in variables):
        return total  # a sum of two Gaussians is already simplest
    return 2 * c * sp.exp(middle) * (sp.cosh(half) if c == d else sp.sinh(half))


def _exponent(term: Any) -> tuple[Any, Any]:
    """Return c and a of c exp(a)."""
    factors = sp.Mul.make_args(term)
    powers = [factor.exp for factor in factors if isinstance(factor, sp.exp)]
    return sp.Mul(*(factor for factor in factors if not isinstance(factor, sp.exp))), sp.Add(*powers)


_FORMS: tuple[Callable[[Any], Any], ...] = (
    _in_arguments(sp.expand),
    lambda e: sp.powsimp(e),
    lambda e: sp.trigsimp(e),
    lambda e: sp.factor_terms(e),
    _hyperbolic,
    # tanh(c x/2 - c² t/2) becomes tanh(c (x - c t)/2).
    _in_arguments(lambda argument: sp.factor_terms(sp.factor(argument))),
)


def tidy(expression: Any, seconds: float = 1.0) -> Any:
    """Return the shortest equal expression that the rewritings give, each stopped after `seconds`."""
    best = expression
    for form in _FORMS:
        try:
            with time_limit(seconds):
                found = form(best)
                if _length(found) < _length(best):
                    best = found
        except TimeLimit:
            continue
        except Exception:  # SymPy raises errors of all kinds on unsupported expressions
            continue
    return best


def _length(expression: Any) -> int:
    return int(sp.count_ops(expression)) + len(str(expression))
