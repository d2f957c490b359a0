"""Recognise exact numbers in floating-point ones: 0.3 is 3/10, 19.739… is 2 pi^2."""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import mpmath
import sympy as sp

from kanpde.errors import ProblemError

# Numbers that are common factors in solutions of equations, the simplest first.
BASES: tuple[Any, ...] = (
    sp.S.One, sp.pi, sp.pi**2, 1 / sp.pi, sp.sqrt(2), sp.sqrt(3), sp.sqrt(5), sp.sqrt(6), sp.sqrt(7), sp.sqrt(10),
    sp.sqrt(sp.pi), 1 / sp.sqrt(sp.pi), sp.sqrt(2) * sp.pi, sp.sqrt(3) * sp.pi, sp.sqrt(5) * sp.pi, sp.E, 1 / sp.E,
    sp.pi**3, sp.pi**4, 1 / sp.pi**2, sp.log(2), sp.sqrt(2) * sp.sqrt(sp.pi),
    sp.sqrt(2) / sp.sqrt(sp.pi),
)  # fmt: skip
# Pairs of numbers whose sums with small integer coefficients are tried last.
_SUMS: tuple[tuple[Any, ...], ...] = (
    (sp.S.One, sp.pi), (sp.S.One, sp.pi**2), (sp.S.One, sp.sqrt(2)), (sp.S.One, sp.sqrt(3)), (sp.S.One, sp.sqrt(5)),
    (sp.pi, sp.pi**2), (sp.S.One, sp.pi**4), (sp.S.One, sp.E),
)  # fmt: skip
_ROUND_OFF = 1e-14
_CERTAIN = 1e-12  # relative tolerance within which large denominators are no chance matches
_VALUES = {base: float(base) for base in {*BASES, *(b for pair in _SUMS for b in pair)}}


def exact_number(value: Any) -> Any:
    """Return the exact number that a floating-point number approximates.

    Decimals of up to ten digits are exact; others are compared with small fractions, with multiples of π, π², √2 … and
    with sums like 1 - 17π², to a relative 1e-14. A number without a match is its printed decimal fraction. Raises
    ProblemError if the value is not a finite real number.
    """
    if isinstance(value, sp.Expr):
        return exactly(value)
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ProblemError(f"expected a finite number, got {value!r}")
    if isinstance(value, numbers.Rational):
        return sp.Rational(int(value.numerator), int(value.denominator))
    return _exact(float(value))


def exactly(expression: Any) -> Any:
    """Return the expression with exact numbers in place of all floating-point ones."""
    floats = expression.atoms(sp.Float)
    return expression.xreplace({number: _exact(float(number)) for number in floats}) if floats else expression


@functools.lru_cache(maxsize=4096)
def _exact(value: float) -> Any:
    if value.is_integer():
        return sp.Integer(int(value))
    short = f"{value:.10g}"
    if abs(float(short) - value) <= _ROUND_OFF * abs(value):
        return sp.Rational(short)
    tolerance = _ROUND_OFF * abs(value)
    found = next(small_multiples(value, tolerance, largest=4096), None) or integer_sum(value, tolerance)
    return sp.Rational(repr(value)) if found is None else found


def small_multiples(value: float, tolerance: float, largest: int = 64) -> Iterator[Any]:
    """Yield multiples p/q of `BASES` within the tolerance, the simplest base first.

    The largest q is `largest` for 1 and for a value that is certain, and a sixteenth of it for others.
    """
    if abs(value) <= tolerance:
        yield sp.S.Zero
        return
    for base in BASES:
        size = _VALUES[base]
        some = base == 1 or tolerance <= _CERTAIN * abs(value)
        fraction = Fraction(value / size).limit_denominator(largest if some else max(16, largest // 16))
        plain = fraction and abs(fraction.numerator) <= 100 * largest
        if plain and abs(float(fraction) * size - value) <= tolerance:
            yield sp.Rational(fraction.numerator, fraction.denominator) * base


def simplest_within(value: float, tolerance: float) -> Iterator[Any]:
    """Yield the number within the tolerance with the smallest denominator, of every base; zero comes first."""
    if abs(value) <= tolerance:
        yield sp.S.Zero
    for base in BASES if tolerance > 0 else ():
        size = _VALUES[base]
        fraction = simplest_fraction((abs(value) - tolerance) / size, (abs(value) + tolerance) / size)
        if fraction:
            yield sp.Rational(fraction.numerator, fraction.denominator) * (base if value > 0 else -base)


def simplest_fraction(low: float, high: float) -> Fraction:
    """Return the fraction in [low, high] with the smallest denominator, from continued fractions; zero if low <= 0."""
    if low <= 0:
        return Fraction(0)
    whole = math.ceil(low)
    if whole <= high:
        return Fraction(whole)
    return whole - 1 + 1 / simplest_fraction(1 / (high - whole + 1), 1 / (low - whole + 1))


def integer_sum(value: float, tolerance: float, largest: int = 100) -> Any | None:
    """Return (a + b c)/d with small integers a, b, d and c among π, π², √2, …, by PSLQ (Ferguson and Bailey, 1999)."""
    scale = max(abs(value), 1.0)
    # The coefficients have at most six digits together, so a larger tolerance would give chance matches.
    if tolerance > 1e-10 * scale:
        return None
    for pair in _SUMS:
        vector = [value, *(_VALUES[number] for number in pair)]
        relation = mpmath.pslq(vector, tol=max(tolerance, 4e-16 * scale), maxcoeff=largest, maxsteps=2000)
        if relation and relation[0]:
            terms = (c * number for c, number in zip(relation[1:], pair, strict=True))
            found = -sp.Add(*terms) / relation[0]
            if abs(float(found) - value) <= tolerance:
                return found
    return None
