"""Ranges of functions on arrays of intervals [a, b], exact up to round-off.

They are natural interval extensions (Moore, 1966): a monotone function has its extremes at the ends, any other also at
the zeros of its derivative.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kanpde.calculus.arrays import Array

Interval = tuple[Array, Array]
Range = Callable[[Array, Array], Interval]


class Unbounded(Exception):
    """A function has no known range over an interval."""


def increasing(function: Callable[[Array], Array]) -> Range:
    """Return the range of an increasing function: its values at the ends."""
    return lambda a, b: (function(a), function(b))


def log(a: Array, b: Array) -> Interval:
    """Return the range of the increasing logarithm; raise Unbounded unless a > 0."""
    if (a <= 0).any():
        raise Unbounded
    return np.log(a), np.log(b)


def cos(a: Array, b: Array) -> Interval:
    """Return the range of the cosine, which is 1 at the even and -1 at the odd multiples of π."""
    ends = np.stack([np.cos(a), np.cos(b)])
    turns = np.floor(b / (2 * np.pi) + 1e-12) >= np.ceil(a / (2 * np.pi) - 1e-12)
    half = np.floor(b / (2 * np.pi) - 0.5 + 1e-12) >= np.ceil(a / (2 * np.pi) - 0.5 - 1e-12)
    return np.where(half, -1.0, ends.min(axis=0)), np.where(turns, 1.0, ends.max(axis=0))


def sin(a: Array, b: Array) -> Interval:
    """Return the range of sin x = cos(x − π/2)."""
    return cos(a - np.pi / 2, b - np.pi / 2)


def cosh(a: Array, b: Array) -> Interval:
    """Return the range of cosh, whose minimum is 1 at 0."""
    p, q = np.cosh(a), np.cosh(b)
    return np.where((a <= 0) & (b >= 0), 1.0, np.minimum(p, q)), np.maximum(p, q)


def sech(a: Array, b: Array) -> Interval:
    """Return the range of sech = 1/cosh."""
    p, q = cosh(a, b)
    return 1 / q, 1 / p


def absolute(a: Array, b: Array) -> Interval:
    p, q = abs(a), abs(b)
    return np.where((a <= 0) & (b >= 0), 0.0, np.minimum(p, q)), np.maximum(p, q)


def erf(a: Array, b: Array) -> Interval:
    """Return the range of the error function, which increases."""
    return _by_scipy("erf", a), _by_scipy("erf", b)


def erfc(a: Array, b: Array) -> Interval:
    """Return the range of erfc, which decreases; 1 − erf would lose the digits of small values."""
    return _by_scipy("erfc", b), _by_scipy("erfc", a)


def _by_scipy(name: str, x: Array) -> Array:
    import scipy.special

    return np.asarray(getattr(scipy.special, name)(x), dtype=np.float64)
