"""Arrays of pairs of numbers of 53 bits, high + low with |low| ≤ ulp(high) / 2, which have 106 bits on every machine.

The algorithms are of T. J. Dekker (1971) and D. E. Knuth; their rounding errors are proved by M. Joldes, J.-M. Muller
and V. Popescu, "Tight and rigorous error bounds for basic building blocks of double-word arithmetic", ACM Transactions
on Mathematical Software 44 (2017), article 15: at most 3 u² + 13 u³ in a sum (algorithm 6), 7 u² in a product
(algorithm 10) and 15 u² + 56 u³ in a quotient (algorithm 17), relative to the result, with u = 2^-53. The product in
the quotient is that of algorithm 8 here, of which the error is larger by u²; the unit has room for it. An underflow
adds less than 1e-300, and numbers above 1e290 are not finite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

UNIT = 2.0**-101  # exceeds the relative error of one operation on pairs
WORDS = np.dtype([("high", np.float64), ("low", np.float64)])
SPLITTER = 2.0**27 + 1  # splits a number into two of 26 bits

Words = tuple[Any, Any]


class Pairs(np.ndarray[Any, Any]):
    """An array of pairs. NumPy's sums, products and quotients are those of pairs; other functions move them only."""

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: Any, *inputs: Any, out: Any = None, axis: Any = 0, **options: Any
    ) -> Any:
        words = [words_of(each) for each in inputs]
        if method == "reduce" and ufunc is np.add:
            found = total(words[0], axis, options.get("keepdims", False))
        elif method == "__call__" and ufunc in OPERATIONS:
            found = OPERATIONS[ufunc](*words)
        else:
            return NotImplemented
        if out is None:
            return paired(*found)
        out[0]["high"], out[0]["low"] = found
        return out[0]

    def __eq__(self, other: object) -> Any:
        return equal(words_of(self), words_of(other))

    def __ne__(self, other: object) -> Any:
        return ~self.__eq__(other)

    __hash__ = None

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return np.asarray(found, dtype=WORDS).view(Pairs) if isinstance(found, np.void) else found


def paired(high: Any, low: Any) -> Pairs:
    """Return the pairs of two arrays."""
    result = np.empty(np.broadcast_shapes(np.shape(high), np.shape(low)), WORDS)
    result["high"], result["low"] = high, low
    return result.view(Pairs)


def words_of(values: Any) -> Words:
    """Return both numbers of pairs, or other numbers and zero."""
    array = np.asarray(values)
    return (array["high"], array["low"]) if array.dtype == WORDS else (array.astype(np.float64), 0.0)


def sum_of_two(a: Any, b: Any) -> Words:
    """Return a + b without an error (Knuth)."""
    high = a + b
    other = high - a
    return high, (a - (high - other)) + (b - other)


def ordered(a: Any, b: Any) -> Words:
    """Return a + b without an error for |a| ≥ |b| (Dekker)."""
    high = a + b
    return high, b - (high - a)


def product_of_two(a: Any, b: Any) -> Words:
    """Return a b without an error (Dekker)."""
    high = a * b
    (a1, a2), (b1, b2) = halves(a), halves(b)
    return high, a2 * b2 - (((high - a1 * b1) - a2 * b1) - a1 * b2)


def halves(a: Any) -> Words:
    """Return two numbers of at most 26 bits whose sum is a (Veltkamp)."""
    scaled = SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


def plus(x: Words, y: Words) -> Words:
    """Return x + y."""
    high, low = sum_of_two(x[0], y[0])
    other, rest = sum_of_two(x[1], y[1])
    high, low = ordered(high, low + other)
    return ordered(high, low + rest)


def minus(x: Words, y: Words) -> Words:
    """Return x − y."""
    return plus(x, negative(y))


def negative(x: Words) -> Words:
    """Return −x."""
    return -x[0], -np.asarray(x[1])


def times(x: Words, y: Words) -> Words:
    """Return x y."""
    high, low = product_of_two(x[0], y[0])
    return ordered(high, low + (x[0] * y[1] + x[1] * y[0]))


def over(x: Words, y: Words) -> Words:
    """Return x / y."""
    first = x[0] / y[0]
    back = product_of_two(y[0], first)
    back = ordered(back[0], back[1] + y[1] * first)
    rest = (x[0] - back[0]) + (x[1] - back[1])
    return ordered(first, rest / y[0])


def size(x: Words) -> Words:
    """Return |x|."""
    sign = np.where(np.signbit(x[0]), -1.0, 1.0)
    return x[0] * sign, x[1] * sign


def equal(x: Words, y: Words) -> npt.NDArray[np.bool_]:
    """Return where x is y."""
    return np.asarray((x[0] == y[0]) & (x[1] == y[1]))


def total(x: Words, axis: int | tuple[int, ...] | None, keep: bool) -> Words:
    """Return sums along axes, one number after the other."""
    high, low = np.broadcast_arrays(*x)
    axes = range(high.ndim) if axis is None else np.atleast_1d(axis) % max(high.ndim, 1)
    for each in sorted(axes, reverse=True):
        numbers = zip(np.moveaxis(high, each, 0), np.moveaxis(low, each, 0), strict=True)
        high, low = next(numbers, (np.zeros(np.delete(high.shape, each)),) * 2)
        for one in numbers:
            high, low = plus((high, low), one)
        if keep:
            high, low = np.expand_dims(high, each), np.expand_dims(low, each)
    return high, low


OPERATIONS: dict[Any, Callable[..., Words]] = {
    np.add: plus,
    np.subtract: minus,
    np.multiply: times,
    np.divide: over,
    np.negative: negative,
    np.absolute: size,
}
