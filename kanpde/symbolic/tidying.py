"""A formula in its shortest form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from kanpde.symbolic.limits import TimeLimit, time_limit


def _factored_arguments(expression: Any) -> Any:
    """tanh(c x/2 - c² t/2) as tanh(c (x - c t)/2)."""
    return expression.replace(
        lambda part: isinstance(part, sp.Function) and part.free_symbols,
        lambda part: part.func(*(sp.factor_terms(sp.factor(argument)) for argument in part.args)),
    )


_FORMS: tuple[Callable[[Any], Any], ...] = (
    lambda e: sp.powsimp(e),
    lambda e: sp.trigsimp(e),
    lambda e: sp.factor_terms(e),
    _factored_arguments,
)


def tidy(expression: Any, seconds: float = 1.0) -> Any:
    """An equal expression with as few operations as a few rewritings give, each of them cut at its time."""
    best = expression
    for form in _FORMS:
        try:
            with time_limit(seconds):
                found = form(best)
                if _length(found) < _length(best):
                    best = found
        except TimeLimit:
            continue
        except Exception:  # SymPy raises errors of all kinds on what it was not made for
            continue
    return best


def _length(expression: Any) -> int:
    return int(sp.count_ops(expression)) + len(str(expression))
