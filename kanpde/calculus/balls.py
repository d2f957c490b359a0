"""Arb's balls as the numbers of Taylor models: a midpoint of any number of bits, and a radius for all rounding errors.

They are the reference for floating-point numbers and pairs of them, and slow. The package python-flint has them (F.
Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic", IEEE Transactions on Computers 66
(2017) 1281).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from kanpde.calculus.arrays import Array
from kanpde.calculus.precision import Numbers
from kanpde.errors import ConfigurationError


class Balls(Numbers):
    """Balls whose midpoints have `bits`: see `balls`."""

    def __init__(self, bits: int) -> None:
        from flint import arb

        self.arb, self.bits = arb, bits
        self.digits = bits * 302 // 1000 + 20

    def exact(self, values: Array) -> Array:
        return np.asarray(np.frompyfunc(lambda x: self.arb(float(x)), 1, 1)(values), dtype=object)

    def fraction(self, whole: npt.NDArray[Any], bits: int) -> Array:
        scale = self.arb(2) ** -bits
        return np.asarray(np.frompyfunc(lambda w: self.arb(w) * scale, 1, 1)(whole), dtype=object)

    def rounded(self, value: Any) -> Any:
        sign, mantissa, exponent, _ = value._mpf_
        exact = self.arb((-1) ** sign * int(mantissa)) * self.arb(2) ** int(exponent)
        return exact * self.arb(1, self.arb(2) ** -self.bits)  # the function itself is rounded, by less than that


@contextmanager
def balls(bits: int) -> Iterator[Balls]:
    """Yield balls of so many bits, to which Arb is set; raise ConfigurationError if python-flint is not installed."""
    try:
        from flint import ctx
    except ImportError:
        raise ConfigurationError("balls need python-flint, which is not installed: pip install 'kanpde[arb]'") from None
    before, ctx.prec = ctx.prec, bits
    try:
        yield Balls(bits)
    finally:
        ctx.prec = before
