"""Decide whether a formula is smooth on a closed box: without poles, branch cuts and kinks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kanpde.calculus.functions import smoothness_demands
from kanpde.symbolic.clock import Clock, TimeLimit, time_limit
from kanpde.symbolic.proof.intervals import sign

Bounds = Mapping[Any, tuple[Any, Any]]


def irregularities(expression: Any, bounds: Bounds, clock: Clock) -> list[str]:
    """Return the obstacles to the expression's smoothness on the closed box, in words; [] if it is smooth.

    All symbols of the expression must have bounds. The argument of a root may be zero on the boundary.
    """
    boxes = {symbol: (float(a), float(b)) for symbol, (a, b) in bounds.items()}
    found = []
    for demand, allowed, why in dict.fromkeys(smoothness_demands(expression)):
        if not demand.free_symbols or _assumed(demand, allowed):
            wrong = not demand.free_symbols and not _right(demand, allowed)
            found += [f"{why} {demand}"] if wrong else []
            continue
        try:
            with time_limit(max(0.01, min(5.0, clock.left))):
                got = sign(demand, boxes)
        except TimeLimit:
            got = "unknown"
        if got not in allowed:
            is_ = {"changes": "which has zeros in the domain", "unknown": "whose sign is not known"}
            found.append(f"{why} {demand}, {is_.get(got, f'which is {got}')}")
    return found


def _assumed(demand: Any, allowed: tuple[str, ...]) -> bool:
    """Return whether the symbols' assumed signs imply an allowed sign."""
    known = {"positive": demand.is_positive, "negative": demand.is_negative, "nonnegative": demand.is_nonnegative}
    return any(known.get(name) for name in allowed)


def _right(number: Any, allowed: tuple[str, ...]) -> bool:
    value = complex(number)
    if abs(value.imag) > 1e-14 * abs(value):
        return False
    name = "positive" if value.real > 0 else "negative" if value.real < 0 else "nonnegative"
    return name in allowed or (name == "nonnegative" and "nonpositive" in allowed)
