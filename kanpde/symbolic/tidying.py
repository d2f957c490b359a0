"""A formula in its shortest form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from kanpde.symbolic.limits import TimeLimit, time_limit


def _in_arguments(form: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A rewriting of the arguments of functions alone."""
    return lambda expression: expression.replace(
        lambda part: isinstance(part, sp.Function) and part.free_symbols,
        lambda part: part.func(*map(form, part.args)),
    )


_FORMS: tuple[Callable[[Any], Any], ...] = (
    _in_arguments(sp.expand),
    lambda e: sp.powsimp(e),
    lambda e: sp.trigsimp(e),
    lambda e: sp.factor_terms(e),
    # tanh(c x/2 - c² t/2) as tanh(c (x - c t)/2).
    _in_arguments(lambda argument: sp.factor_terms(sp.factor(argument))),
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
