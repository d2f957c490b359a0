"""Whether a formula is smooth on a closed box: no pole, no branch cut, no kink in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sympy as sp

from kanpde.symbolic.clock import Clock, TimeLimit, time_limit
from kanpde.symbolic.proof.intervals import sign

Bounds = Mapping[Any, tuple[Any, Any]]
# What an argument must be for the function to be smooth: (an expression of it, the signs it may have, in words).
Demand = tuple[Any, tuple[str, ...], str]

_NONZERO = ("positive", "negative")
_SMOOTH = (
    sp.exp, sp.sin, sp.cos, sp.sinh, sp.cosh, sp.tanh, sp.sech, sp.atan, sp.asinh, sp.erf, sp.erfc, sp.erfi, sp.besselj,
    sp.besseli, sp.sinc,
)  # fmt: skip
_DEMANDS: dict[Any, Callable[[Any], list[Demand]]] = {
    sp.log: lambda x: [(x, ("positive",), "log of")],
    sp.tan: lambda x: [(sp.cos(x), _NONZERO, "tan, whose pole is where there vanishes")],
    sp.sec: lambda x: [(sp.cos(x), _NONZERO, "sec, whose pole is where there vanishes")],
    sp.cot: lambda x: [(sp.sin(x), _NONZERO, "cot, whose pole is where there vanishes")],
    sp.csc: lambda x: [(sp.sin(x), _NONZERO, "csc, whose pole is where there vanishes")],
    sp.coth: lambda x: [(x, _NONZERO, "coth of")],
    sp.csch: lambda x: [(x, _NONZERO, "csch of")],
    sp.asin: lambda x: [(1 - x**2, ("positive", "nonnegative"), "asin, where the root is of")],
    sp.acos: lambda x: [(1 - x**2, ("positive", "nonnegative"), "acos, where the root is of")],
    sp.atanh: lambda x: [(1 - x**2, ("positive",), "atanh, where the log is of")],
    sp.acosh: lambda x: [(x - 1, ("positive", "nonnegative"), "acosh, where the root is of")],
    sp.Abs: lambda x: [(x, (*_NONZERO, "nonnegative", "nonpositive"), "the absolute value of")],
    sp.sign: lambda x: [(x, _NONZERO, "the sign of")],
    sp.Heaviside: lambda x: [(x, _NONZERO, "a jump at")],
    sp.loggamma: lambda x: [(x, ("positive",), "loggamma of")],
    sp.gamma: lambda x: [(x, ("positive",), "gamma of")],
}


def irregularities(expression: Any, bounds: Bounds, clock: Clock) -> list[str]:
    """What stands against the expression being smooth on the closed box, in words; [] where nothing does.

    The symbols of the expression must all have bounds. A root may touch zero on the boundary.
    """
    boxes = {symbol: (float(a), float(b)) for symbol, (a, b) in bounds.items()}
    found = []
    for demand, allowed, why in dict.fromkeys(_demands(expression)):
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
    """Whether the symbols' own signs are enough."""
    known = {"positive": demand.is_positive, "negative": demand.is_negative, "nonnegative": demand.is_nonnegative}
    return any(known.get(name) for name in allowed)


def _right(number: Any, allowed: tuple[str, ...]) -> bool:
    value = complex(number)
    if abs(value.imag) > 1e-14 * abs(value):
        return False
    name = "positive" if value.real > 0 else "negative" if value.real < 0 else "nonnegative"
    return name in allowed or (name == "nonnegative" and "nonpositive" in allowed)


def _demands(expression: Any) -> Iterator[Demand]:
    for part in sp.preorder_traversal(expression):
        if isinstance(part, sp.Pow):
            yield from _power(part)
        elif isinstance(part, (sp.Function, sp.Piecewise, sp.Min, sp.Max)) and part.free_symbols:
            demands = _DEMANDS.get(part.func)
            if demands is not None:
                yield from demands(part.args[0])
            elif part.func not in _SMOOTH:
                yield sp.S.Zero, _NONZERO, f"{part.func.__name__} may not be smooth: {part};"
        elif part is sp.I:
            yield sp.S.Zero, _NONZERO, "it is not real:"


def _power(power: Any) -> Iterator[Demand]:
    base, exponent = power.base, power.exp
    if not base.free_symbols or exponent.is_integer and exponent.is_nonnegative:
        if not base.is_positive and exponent.free_symbols:
            yield base, ("positive",), "a power of"
        return
    if exponent.is_integer:
        yield base, _NONZERO, "division by"
    elif exponent.is_positive:
        yield base, ("positive", "nonnegative"), "a root of"
    else:
        yield base, ("positive",), "a power of"
