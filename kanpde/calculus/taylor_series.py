"""Taylor models of SymPy expressions: the series of elementary functions, with bounds of their remainders."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.precision import UPWARD, floats, of_mpmath, sizes, unit_of, usable, working
from kanpde.calculus.taylor_models import MOST_TERMS, NotEnclosed, Series, TaylorModel

ENOUGH = 1e-18  # remainder of a series, relative to its largest term
# Terms: m -> the m-th Taylor coefficient; bounds: m -> a bound of the m-th coefficient about every point of the ball.
Coefficients = Callable[[Array, Array], tuple[Iterator[Array], Callable[[int], Array]]]


def model_of(expression: Any, coordinates: Mapping[Any, TaylorModel]) -> TaylorModel:
    """Return the model of an expression in symbols with known models.

    Raises NotEnclosed if it has a function without a known series, or one that is not smooth on a cell.
    """
    dimension = next(iter(coordinates.values())).dimension

    @functools.cache
    def enclosed(part: Any) -> TaylorModel:
        if part in coordinates:
            return coordinates[part]
        if part.is_number:
            return number(part, dimension)
        if part.is_Add or part.is_Mul:
            # Numbers and functions of one coordinate come first, because their products are small.
            parts = sorted(map(enclosed, part.args), key=lambda model: model.coefficients.size)
            return functools.reduce(TaylorModel.__add__ if part.is_Add else TaylorModel.__mul__, parts)
        if part.is_Pow:
            return power(part)
        if part.func in SERIES:
            return enclosed(part.args[0]).composed(SERIES[part.func])
        if part.func is sp.atan2:
            return angle(*map(enclosed, part.args))
        return enclosed(rewritten(part))

    def power(part: Any) -> TaylorModel:
        base, exponent = part.args
        if not exponent.is_number:
            return enclosed(sp.exp(exponent * sp.log(base), evaluate=False))
        if exponent.is_integer and exponent > 0:
            return enclosed(base).power(int(exponent))
        return enclosed(base).composed(root(exponent))

    return enclosed(sp.sympify(expression, strict=True))


def angle(y: TaylorModel, x: TaylorModel) -> TaylorModel:
    """Return the model of atan2(y, x); raise NotEnclosed if the origin or the negative axis is near a cell.

    Seen from the direction (c, s) of the middle of a cell, it is the middle's angle and atan of a quotient.
    """
    first_: Any = (..., *(0,) * x.dimension)
    # Any direction will do.
    c, s = np.broadcast_arrays(floats(x.coefficients[first_])[0], floats(y.coefficients[first_])[0])
    along, across = (
        constants(c) * x + constants(s) * y,
        constants(c) * y + constants(-s) * x,
    )
    low, high = y.interval
    if ((x.interval[0] <= 0) & (low <= 0) & (high >= 0)).any() or not (along.interval[0] > 0).all():
        raise NotEnclosed("an angle jumps, or is not known, near a point where it is needed")
    turned = (across * along.composed(root(sp.Integer(-1)))).composed(arctangent)
    with mpmath.workdps(working().digits):
        pairs, which = np.unique(np.stack([s.ravel(), c.ravel()]), axis=1, return_inverse=True)
        found = gathered([working().rounded(mpmath.atan2(*map(mpmath.mpf, pair))) for pair in pairs.T.tolist()])
    first = found[which.ravel()].reshape(s.shape)
    return (constants(first) + turned).widened(unit_of(first) * sizes(first))


def constants(values_: Array) -> TaylorModel:
    """Return the model of numbers (*cells)."""
    return TaylorModel(values_.reshape(values_.shape + (1,) * values_.ndim), np.zeros(values_.shape))


def rewritten(part: Any) -> Any:
    """Return a function in terms of those with known series."""
    if part.func in (sp.tan, sp.cot, sp.sec, sp.csc):
        sine, cosine = sp.sin(part.args[0]), sp.cos(part.args[0])
        return {sp.tan: sine / cosine, sp.cot: cosine / sine, sp.sec: 1 / cosine, sp.csc: 1 / sine}[part.func]
    if part.func in (sp.sinh, sp.cosh, sp.tanh, sp.coth, sp.sech, sp.csch):
        return part.rewrite(sp.exp)
    raise NotEnclosed(f"{part.func.__name__} has no Taylor series in the table")


def number(value: Any, dimension: int) -> TaylorModel:
    """Return the model of a real number."""
    if value.is_real is False:
        raise NotEnclosed(f"{value} is not real")
    numbers = working()
    if value.is_Rational and sp.Rational(float(value)) == value:
        return TaylorModel.constant(numbers.exact(np.array([float(value)]))[0], dimension)
    with mpmath.workdps(numbers.digits):
        nearest = numbers.rounded(mpmath.mpf(value.evalf(numbers.digits)))
    return TaylorModel.constant(nearest, dimension, 2 * unit_of(nearest) * abs(float(value.evalf(15))))


def coordinate(low: Array, high: Array, axis: int, dimension: int) -> TaylorModel:
    """Return the model of coordinate `axis` on the cells [low, high], (cells,) each."""
    shape = tuple(len(low) if a == axis else 1 for a in range(dimension))
    degrees = tuple(2 if a == axis else 1 for a in range(dimension))
    first, last = map(working().exact, (low, high))
    middle, half = (first + last) / 2, (last - first) / 2
    error = 4 * unit_of(middle) * (abs(low) + abs(high))
    return TaylorModel(np.stack([middle, half], axis=1).reshape(shape + degrees), error.reshape(shape))


def summed(terms: Iterator[Array], bound: Callable[[int], Array], radius: Array) -> tuple[list[Array], Array]:
    """Return as many coefficients as the remainder needs to be negligible, and the remainder."""
    found: list[Array] = []
    size = np.zeros_like(radius)
    for m in range(MOST_TERMS):
        found.append(next(terms))
        size = np.maximum(size, sizes(found[-1]) * radius**m)
        remainder = UPWARD * bound(m + 1) * radius ** (m + 1)
        if (remainder <= ENOUGH * size).all() or not radius.any():
            break
    return found, remainder


def values(function: Callable[[Any], Any], at: Array) -> Array:
    """Return a function of mpmath at exact numbers, with one rounding."""
    plain = at.dtype.kind == "f"
    places, which = np.unique(at, return_inverse=True) if plain else (at.ravel(), np.arange(at.size))
    with mpmath.workdps(working().digits):
        found = gathered([working().rounded(function(of_mpmath(x))) for x in places])
    return found[which.ravel()].reshape(at.shape)


def gathered(numbers: list[Any]) -> Array:
    """Return an array of working numbers."""
    found: Array = usable(np.array(numbers, dtype=np.asarray(numbers[0]).dtype))
    return found


def exponential(centre: Array, radius: Array) -> tuple[list[Array], Array]:
    """Return the series of exp."""
    value = values(mpmath.exp, centre)
    above = UPWARD * sizes(value) * np.exp(radius)
    return summed((value / math.factorial(m) for m in range(MOST_TERMS)), lambda m: above / math.factorial(m), radius)


def circular(shift: int) -> Series:
    """Return the series of the `shift`-th derivative of the sine."""

    def series(centre: Array, radius: Array) -> tuple[list[Array], Array]:
        sine, cosine = values(mpmath.sin, centre), values(mpmath.cos, centre)
        cycle = (sine, cosine, -sine, -cosine)
        terms = (cycle[(m + shift) % 4] / math.factorial(m) for m in range(MOST_TERMS))
        return summed(terms, lambda m: np.full_like(radius, 1 / math.factorial(m)), radius)

    return series


def error_function(centre: Array, radius: Array) -> tuple[list[Array], Array]:
    """Return the series of erf, whose m-th derivative is 2 / √π (−1)^(m−1) H_{m−1}(x) exp(−x²) (Hermite).

    |H_n(x)| exp(−x² / 2) ≤ 1.09 √(2^n n!) for real x (Cramér's inequality), which bounds the coefficients.
    """
    with mpmath.workdps(working().digits):
        scale = [(-1) ** n * 2 / mpmath.sqrt(mpmath.pi) / mpmath.factorial(n + 1) for n in range(MOST_TERMS)]

    def coefficient(n: int) -> Callable[[Any], Any]:
        return lambda x: scale[n] * mpmath.hermite(n, x) * mpmath.exp(-x * x)

    def terms() -> Iterator[Array]:
        yield values(mpmath.erf, centre)
        for n in range(MOST_TERMS - 1):
            yield values(coefficient(n), centre)

    def bound(m: int) -> Array:
        return np.full_like(radius, 1.3 * math.sqrt(2.0 ** (m - 1) * math.factorial(m - 1)) / math.factorial(m))

    return summed(terms(), bound, radius)


def arctangent(centre: Array, radius: Array) -> tuple[list[Array], Array]:
    """Return the series of atan, whose m-th coefficient is cos^m φ sin(m (φ + π/2)) / m with φ = atan x."""
    nearest = np.maximum(np.abs(floats(centre)[0]) * (2 - UPWARD) - UPWARD * radius, 0.0)
    steepest = UPWARD / np.sqrt(1 + nearest**2)

    def coefficient(m: int) -> Callable[[Any], Any]:
        def at(x: Any) -> Any:
            angle = mpmath.atan(x)
            return mpmath.cos(angle) ** m * mpmath.sin(m * (angle + mpmath.pi / 2)) / m

        return at

    def terms() -> Iterator[Array]:
        yield values(mpmath.atan, centre)
        for m in range(1, MOST_TERMS):
            yield values(coefficient(m), centre)

    return summed(terms(), lambda m: UPWARD * steepest**m / m, radius)


def logarithm(centre: Array, radius: Array) -> tuple[list[Array], Array]:
    """Return the series of log; raise NotEnclosed if the ball has a number that is not positive."""
    low = below(centre, radius)

    def terms() -> Iterator[Array]:
        yield values(mpmath.log, centre)
        power_ = working().exact(np.ones(centre.shape))
        for m in range(1, MOST_TERMS):
            power_ = power_ / -centre
            yield -power_ / m

    return summed(terms(), lambda m: 1 / (m * low**m), radius)


def root(exponent: Any) -> Series:
    """Return the series of x to a real power; raise NotEnclosed if it is singular at a number in the ball."""

    def series(centre: Array, radius: Array) -> tuple[list[Array], Array]:
        near = floats(centre)[0]
        sign = np.where(near < 0, -1.0, 1.0) if exponent.is_integer else np.ones_like(near)
        low, high = below(sign * near, radius), UPWARD * (sign * near + radius)
        with mpmath.workdps(working().digits):
            r = mpmath.mpf(sp.Rational(exponent).p) / sp.Rational(exponent).q if exponent.is_Rational else None
            r = mpmath.mpf(str(exponent.evalf(working().digits))) if r is None else r
            binomials = [mpmath.binomial(r, m) for m in range(MOST_TERMS + 1)]
            factors = [working().rounded(each) for each in binomials]
        first = values(lambda x: x**r, centre)

        def terms() -> Iterator[Array]:
            scaled = first
            for m in range(MOST_TERMS):
                yield factors[m] * scaled
                scaled = scaled / centre

        def bound(m: int) -> Array:
            power_ = float(r) - m
            return UPWARD * abs(float(binomials[m])) * np.maximum(low**power_, high**power_)

        return summed(terms(), bound, radius)

    return series


def below(centre: Array, radius: Array) -> Array:
    """Return a positive lower bound of the numbers in the balls; raise NotEnclosed if there is none."""
    low = (floats(centre)[0] - UPWARD * radius) * (2 - UPWARD)
    if not (low > 0).all():
        raise NotEnclosed("a logarithm, a root or a quotient of a number that may be zero or negative")
    return np.asarray(low)


SERIES: dict[Any, Series] = {
    sp.exp: exponential,
    sp.sin: circular(0),
    sp.cos: circular(1),
    sp.log: logarithm,
    sp.erf: error_function,
    sp.atan: arctangent,
}
