"""Interval arithmetic: the sign and the size of an expression on a whole box, not only at points of it.

Natural interval extensions (Moore, 1966) of many boxes at once, with every bound moved outward by more than its
round-off. Undecided boxes are halved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.functions import HEADS
from kanpde.calculus.ranges import Interval, Unbounded, increasing

_OUTWARD = 1e-14
LARGEST = 20000  # boxes in total, the limit of a search


class Within(Protocol):
    """A part of a box to which a statement is restricted."""

    def meets(self, low: Array, high: Array) -> npt.NDArray[np.bool_]:
        """Return False for boxes (n, d) that surely lie outside the part."""

    def contains(self, points: Array) -> npt.NDArray[np.bool_]:
        """Return whether points (n, d) belong to the part."""


def sign(expression: Any, boxes: Mapping[Any, tuple[float, float]], within: Within | None = None) -> str:
    """Return the sign of a real expression on a closed box, or on the part `within` it.

    "positive", "negative", "nonnegative" or "nonpositive", all rigorously; "changes" if it takes both signs; "unknown"
    if halving does not decide.
    """
    symbols = list(boxes)
    low = np.array([[boxes[s][0] for s in symbols]], dtype=np.float64)
    high = np.array([[boxes[s][1] for s in symbols]], dtype=np.float64)
    found: set[str] = set()
    looked_at = 0
    while len(low):
        looked_at += len(low)
        if looked_at > LARGEST:
            return "unknown"
        try:
            a, b = _range(expression, dict(zip(symbols, zip(low.T, high.T, strict=True), strict=True)), len(low))
        except Unbounded:
            if within is None or len(symbols) == 0:
                return "unknown"
            # A function without a range on one box may have one on all halves that meet the part.
            low, high = _meeting(within, *_halved(low, high))
            continue
        middle = _middle(expression, symbols, (low + high) / 2)
        if within is not None:
            middle = np.where(within.contains((low + high) / 2), middle, 0.0)
        found |= {"+"} if (middle > 0).any() else set()
        found |= {"-"} if (middle < 0).any() else set()
        if found >= {"+", "-"}:
            return "changes"
        found |= {"0"} if ((a == 0) & (b >= 0) | (b == 0) & (a <= 0)).any() else set()
        open_ = ~((a >= 0) | (b <= 0))
        low, high = _halved(low[open_], high[open_])
        if within is not None:
            low, high = _meeting(within, low, high)
    strict = "0" not in found or (within is not None and not vanish_together([expression], boxes, within))
    return (
        {True: "positive", False: "nonnegative"}[strict]
        if "-" not in found
        else ("negative" if strict else "nonpositive")
    )


def vanish_together(
    expressions: Sequence[Any], boxes: Mapping[Any, tuple[float, float]], within: Within | None = None
) -> bool:
    """Return False if expressions surely have no common zero in a closed box, or in the part `within` it."""
    symbols = list(boxes)
    low = np.array([[boxes[s][0] for s in symbols]], dtype=np.float64)
    high = np.array([[boxes[s][1] for s in symbols]], dtype=np.float64)
    looked_at = 0
    while len(low):
        looked_at += len(low)
        if looked_at > LARGEST:
            return True
        columns = dict(zip(symbols, zip(low.T, high.T, strict=True), strict=True))
        possible = np.ones(len(low), dtype=bool)
        for expression in expressions:
            a, b = ranges(expression, columns)
            possible &= (a <= 0) & (b >= 0)
        low, high = _halved(low[possible], high[possible])
        if within is not None:
            low, high = _meeting(within, low, high)
    return False


def _meeting(within: Within, low: Array, high: Array) -> tuple[Array, Array]:
    """Return the boxes that are not surely outside the part."""
    met = within.meets(low, high)
    return low[met], high[met]


def largest(expression: Any, boxes: Mapping[Any, tuple[float, float]], slack: float = 0.1) -> float:
    """Return a rigorous bound on |expression| over a closed box, within `slack` of the maximum if halving suffices.

    The bound is infinite if the expression has a function of unknown range.
    """
    symbols = list(boxes)
    low = np.array([[boxes[s][0] for s in symbols]], dtype=np.float64)
    high = np.array([[boxes[s][1] for s in symbols]], dtype=np.float64)
    reached = bound = 0.0
    looked_at = 0
    try:
        while len(low):
            looked_at += len(low)
            columns = dict(zip(symbols, zip(low.T, high.T, strict=True), strict=True))
            a, b = _range(expression, columns, len(low))
            above = np.maximum(abs(a), abs(b))
            a, b = _range(expression, {s: (m, m) for s, m in zip(symbols, ((low + high) / 2).T, strict=True)}, len(low))
            reached = max(reached, float(np.minimum(abs(a), abs(b)).max()))
            enough = (1 + slack) * reached
            if looked_at > LARGEST or not symbols:
                return max(bound, float(above.max()))
            bound = max(bound, float(np.max(above[above <= enough], initial=0.0)))
            low, high = _halved(low[above > enough], high[above > enough])
    except Unbounded:
        return float("inf")
    return bound


def lowest(
    expression: Any, boxes: Mapping[Any, tuple[float, float]], whole: Mapping[Any, tuple[float, float]]
) -> float:
    """Return a rigorous lower bound of an expression on a box, and for all values of the symbols in `whole`.

    The ends in `whole` may be infinite; the bound is then often −∞.
    """
    columns = {s: (np.array([a]), np.array([b])) for s, (a, b) in {**boxes, **whole}.items()}
    try:
        return float(_range(sp.expand(expression), columns, 1)[0][0])
    except Unbounded:
        return float("-inf")


def ranges(expression: Any, values: Mapping[Any, Interval]) -> Interval:
    """Return bounds of an expression on many boxes at once, for the ends (n,) of its symbols; infinite if unknown."""
    count = len(next(iter(values.values()))[0])
    try:
        return _range(sp.expand(expression), values, count)
    except Unbounded:
        return np.full(count, -np.inf), np.full(count, np.inf)


def _middle(expression: Any, symbols: list[Any], points: Array) -> Array:
    a, b = _range(expression, {s: (c, c) for s, c in zip(symbols, points.T, strict=True)}, len(points))
    # A sign counts only if round-off cannot have caused it.
    return np.where(a > 0, a, np.where(b < 0, b, 0.0))


def _halved(low: Array, high: Array) -> tuple[Array, Array]:
    rows = np.arange(len(low))
    widest = np.argmax(high - low, axis=1)
    middle = (low + high)[rows, widest] / 2
    left, right = high.copy(), low.copy()
    left[rows, widest] = right[rows, widest] = middle
    return np.concatenate([low, right]), np.concatenate([left, high])


def _outward(a: Array, b: Array) -> Interval:
    with np.errstate(all="ignore"):
        return np.where(np.isinf(a), a, a - _OUTWARD * abs(a)), np.where(np.isinf(b), b, b + _OUTWARD * abs(b))


def _range(expression: Any, values: Mapping[Any, Interval], count: int) -> Interval:
    with np.errstate(all="ignore"):
        a, b = _evaluate(expression, values, count)
    if np.isnan(a).any() or np.isnan(b).any():
        raise Unbounded
    return a, b


def _evaluate(expression: Any, values: Mapping[Any, Interval], count: int) -> Interval:
    if expression in values:
        return values[expression]
    if not expression.free_symbols:
        number = float(expression)
        exact = number == expression
        a = b = np.full(count, number)
        return (a, b) if exact else _outward(a, b)
    parts = [_evaluate(part, values, count) for part in expression.args]
    if expression.is_Add:
        # Terms that cancel leave the round-off of the largest term; an infinite end has none.
        low, high = (np.stack([part[end] for part in parts]) for end in (0, 1))
        a, b = (each.sum(axis=0) for each in (low, high))
        return a - _margin(low), b + _margin(high)
    if expression.is_Mul:
        product = parts[0]
        for part in parts[1:]:
            product = _times(product, part)
        return product
    if expression.is_Pow:
        return _power(expression, parts)
    function = HEADS.get(expression.func)
    if function is None or function.range is None or len(parts) != 1:
        raise Unbounded
    return _outward(*function.range(*parts[0]))


def _margin(terms: Array) -> Array:
    return np.asarray(_OUTWARD * np.where(np.isinf(terms), 0.0, np.abs(terms)).sum(axis=0))


def _times(x: Interval, y: Interval) -> Interval:
    products = np.stack([x[0] * y[0], x[0] * y[1], x[1] * y[0], x[1] * y[1]])
    return _outward(products.min(axis=0), products.max(axis=0))


def _power(expression: Any, parts: list[Interval]) -> Interval:
    (a, b), exponent = parts[0], expression.exp
    if not exponent.is_number:
        if expression.base.is_number and expression.base > 0:
            scale = float(sp.log(expression.base))
            return _outward(*increasing(np.exp)(*_times(parts[1], (np.full_like(a, scale), np.full_like(a, scale)))))
        raise Unbounded
    n = float(exponent)
    if n < 0:
        x, y = _raised(a, b, -n)
        if ((x <= 0) & (y >= 0)).any():
            raise Unbounded
        return _outward(1 / y, 1 / x)
    return _outward(*_raised(a, b, n))


def _raised(a: Array, b: Array, n: float) -> Interval:
    if not n.is_integer():
        if (a < 0).any():
            raise Unbounded
        return a**n, b**n
    p, q = a**n, b**n
    if n % 2:
        return p, q
    return np.where((a <= 0) & (b >= 0), 0.0, np.minimum(p, q)), np.maximum(p, q)
