"""The numbers that are coefficients of Taylor models: of 53 bits, pairs of these, or balls.

An operation on numbers of 53 bits or on pairs is rounded by at most `unit_of` them, relative to its result, and whoever
computes with them adds that to an error. A ball has its own rounding errors: see `kanpde.calculus.balls`. An
array of 53 bits that meets one of another kind becomes one of that kind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt

from kanpde.calculus import pair_products, pairs
from kanpde.calculus.arrays import Array
from kanpde.calculus.pairs import Pairs

UNIT = 2.0**-53  # relative error of one rounding to nearest, of 53 bits
UPWARD = 1 + 1e-12  # exceeds the rounding errors of a sum of a thousand nonnegative numbers
TINY = 1e-300  # exceeds the absolute error of an underflow


class Numbers(ABC):
    """A kind of numbers. Arrays of them have no type of their own, because most functions accept every kind."""

    @property
    def of_corrections(self) -> Numbers:
        """The numbers for what is small beside a solution, whose rounding errors do not count."""
        return self

    digits: int  # of functions and constants, before these are rounded to such numbers

    @abstractmethod
    def exact(self, values: Array) -> Array:
        """Return numbers of 53 bits as such numbers."""

    @abstractmethod
    def fraction(self, whole: npt.NDArray[Any], bits: int) -> Array:
        """Return whole · 2^−bits, rounded once, for Python's whole numbers."""

    @abstractmethod
    def rounded(self, value: Any) -> Any:
        """Return one of mpmath's numbers, rounded once."""


class Double(Numbers):
    """Numbers of 53 bits."""

    digits = 30

    def exact(self, values: Array) -> Array:
        return values

    def fraction(self, whole: npt.NDArray[Any], bits: int) -> Array:
        return np.asarray(whole / (1 << bits), dtype=np.float64)

    def rounded(self, value: Any) -> Any:
        return float(value)


class PairsOfDoubles(Numbers):
    """Pairs of numbers of 53 bits: see `kanpde.calculus.pairs`."""

    digits = 60

    @property
    def of_corrections(self) -> Numbers:
        return DOUBLE

    def exact(self, values: Array) -> Any:
        return pairs.paired(values, 0.0)

    def fraction(self, whole: npt.NDArray[Any], bits: int) -> Any:
        return pairs.paired(*_high_and_low(whole, bits))

    def rounded(self, value: Any) -> Any:
        high = float(value)
        return pairs.paired(high, float(value - mpmath.mpf(high)))


DOUBLE, PAIRS = Double(), PairsOfDoubles()
_working: ContextVar[Numbers] = ContextVar("working", default=DOUBLE)


def _high_and_low(whole: npt.NDArray[Any], bits: int) -> tuple[Array, Array]:
    """Return the nearest number of 53 bits of whole · 2^−bits, and that of the rest."""
    high = np.asarray(whole / (1 << bits), dtype=np.float64)
    denominator = 1 << bits
    ratios = np.frompyfunc(float.as_integer_ratio, 1, 1)(high.astype(object))
    rest = np.frompyfunc(lambda w, ratio: w - ratio[0] * denominator // ratio[1], 2, 1)(whole, ratios)
    return high, np.asarray(rest / denominator, dtype=np.float64)


def working() -> Numbers:
    """Return the kind of the numbers that are made now."""
    return _working.get()


@contextmanager
def working_with(numbers: Numbers) -> Iterator[None]:
    """Make numbers of another kind."""
    token = _working.set(numbers)
    try:
        yield
    finally:
        _working.reset(token)


def of_mpmath(value: Any) -> Any:
    """Return an exact number as one of mpmath's, at the precision that is set there."""
    if isinstance(value, Pairs | np.void):
        return mpmath.mpf(float(value["high"])) + mpmath.mpf(float(value["low"]))
    if hasattr(value, "man_exp"):
        mantissa, exponent = value.man_exp()
        return mpmath.ldexp(mpmath.mpf(int(mantissa)), int(exponent))
    return mpmath.mpf(float(value))


def half_widths(low: Array, high: Array) -> Array:
    """Return half of high − low."""
    numbers = working()
    return np.asanyarray((numbers.exact(high) - numbers.exact(low)) / 2)


def is_paired(values: Any) -> bool:
    """Return whether numbers are pairs."""
    return bool(np.asarray(values).dtype == pairs.WORDS)


def usable(values: Any) -> Any:
    """Return an array with the arithmetic of its numbers, which NumPy's functions take from pairs."""
    return np.asarray(values).view(Pairs) if is_paired(values) else values


def zeros(shape: tuple[int, ...], *likes: Any) -> Any:
    """Return zeros of the kind that sums and products of these numbers have."""
    if any(map(is_paired, likes)):
        return pairs.paired(np.zeros(shape), 0.0)
    return np.zeros(shape, np.result_type(np.float64, *likes))


def unit_of(values: Any) -> float:
    """Return the relative error of one rounding of these numbers; none if they are balls."""
    if is_paired(values):
        return pairs.UNIT
    return 0.0 if np.asarray(values).dtype.kind == "O" else UNIT


def unit_of_sums(values: Array, terms: int) -> float:
    """Return the error of a sum of `terms` products of these numbers, relative to the sum of their sizes."""
    return pair_products.unit_of_sums(terms) if is_paired(values) else (terms + 1) * unit_of(values)


def product_of_polynomials(first: Array, second: Array) -> tuple[Array, float]:
    """Return the coefficients (*degrees + 1, c) of products of polynomials on c cells, and what all of them lose.

    The errors of `unit_of_sums` come to that.
    """
    if is_paired(first) or is_paired(second):
        return pair_products.product_of_polynomials(first, second)
    shape = tuple(m + n - 1 for m, n in zip(first.shape[:-1], second.shape[:-1], strict=True))
    product = np.zeros((*shape, first.shape[-1]), np.result_type(first, second))
    every = tuple(slice(0, size) for size in first.shape[:-1])
    term = np.empty(first.shape, product.dtype)
    for index in np.ndindex(*second.shape[:-1]):
        product[pair_products.shifted(every, index)] += np.multiply(first, second[index], out=term)
    return product, 0.0


def product_of_matrices(first: Array, second: Array, sums: tuple[Array, Array]) -> tuple[Array, Array]:
    """Return the product of matrices (n, k) and (k, m), and bounds of sums of its errors.

    These are sums over rows and columns of which the sizes add up to `sums`, (r, k) and (c, k).
    """
    left, right = sums
    if is_paired(first) or is_paired(second):
        paired, unit = pair_products.product_of_matrices(first, second)
        return paired, np.multiply.outer(unit * left.sum(axis=1), right.sum(axis=1))
    product = first @ second
    return product, (left.shape[1] + 4) * unit_of(product) * left @ right.T


def floats(values: Array) -> tuple[Array, Array]:
    """Return the nearest numbers of 53 bits, and bounds of how far these are from all that is meant."""
    if is_paired(values):
        near, rest = pairs.words_of(values)
        return near, np.asarray(UPWARD * np.abs(rest) + TINY * (near != 0))
    if values.dtype.kind == "O":
        middle, radius = _middle_and_radius(values)
        near, rest = middle.astype(np.float64), np.asarray(radius, dtype=np.float64)
        return near, np.asarray(UPWARD * (rest + 2 * UNIT * np.abs(near)) + TINY * (near != 0))
    return np.asarray(values, dtype=np.float64), np.zeros(())


def sizes(values: Array) -> Array:
    """Return the absolute values as numbers of 53 bits, which times UPWARD are no smaller than what is meant.

    Those below 1e-308 may become zero; TINY is a part of the error of every product, which alone makes them.
    """
    if values.dtype.kind == "O":
        near, lost = floats(values)
        return np.abs(near) + lost
    if is_paired(values):
        near, rest = pairs.words_of(values)
        return np.asarray(np.abs(near) + np.abs(rest))
    return np.asarray(np.abs(values), dtype=np.float64)


def midpoints(values: Array) -> Array:
    """Return the midpoints of balls, and other numbers as they are."""
    return np.asarray(_middle(values), dtype=object) if values.dtype.kind == "O" else values


_middle_and_radius = np.frompyfunc(lambda x: (x.mid(), x.rad()) if hasattr(x, "mid") else (x, 0), 1, 2)
_middle = np.frompyfunc(lambda x: x.mid() if hasattr(x, "mid") else x, 1, 1)
