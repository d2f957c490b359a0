"""The polynomial pieces of splines in fixed-point arithmetic of 256 bits, with whole numbers of Python.

The second derivative of a piece of width h magnifies errors of its coefficients by (2/h)², so that pieces in double
precision would hide a residual of 1e-12. These are exact to 2^-180 before they are rounded, once, to double precision.

The Cox–de Boor recursion multiplies by (c − t_0)/w and (h/2)/w, which are at most one, because a piece lies in the
support of width w of every function that is not zero on it. A level therefore makes errors at most five times as large,
and adds nine units in the last place times the largest coefficient, which is at most 5^p after p levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kanpde.calculus.arrays import Array
from kanpde.calculus.precision import UNIT, sizes, unit_of, working

BITS = 256
ABSOLUTE = 2.0**-180  # error of a coefficient for splines with coefficients of at most one
LARGEST_DEGREE = 20  # up to which ABSOLUTE holds
Whole = npt.NDArray[Any]  # Python's whole numbers, in units of 2^-BITS


class OnCells(NamedTuple):
    """Splines with `coefficients` (n + k, c) on `knots`, and the knot `interval` of every cell."""

    knots: Array
    coefficients: Array
    interval: npt.NDArray[np.int64]


def fixed(values: Array) -> Whole:
    """Return numbers in units of 2^-BITS, rounded down."""
    mantissa, exponent = np.frexp(values)
    whole = np.asarray(mantissa * 2.0**53).astype(np.int64).astype(object)
    shift = exponent.astype(object) - 53 + BITS
    return np.asarray(np.frompyfunc(lambda m, s: m << s if s >= 0 else m >> -s, 2, 1)(whole, shift), dtype=object)


def basis_pieces(knots: Array, degree: int, interval: npt.NDArray[np.int64], low: Array, high: Array) -> Whole:
    """Return the coefficients (m, k + 1, k + 1) of the non-zero basis functions on cells [low, high], (m,) each.

    The axes are [cell, power of s ∈ [−1, 1], basis function]; `knots` is (n + 2k + 1,), and cell number i lies in the
    knot interval `interval[i]`, from 0 to n − 1. A cell may have no width.
    """
    t, left, right = fixed(knots), fixed(low), fixed(high)
    centre, half = (left + right) >> 1, (right - left) >> 1
    first = interval + degree
    pieces = np.zeros((len(interval), degree + 1, degree + 1), dtype=object)
    pieces[:, 0, 0] = 1 << BITS
    for p in range(1, degree + 1):
        raised = np.zeros_like(pieces)
        for j in range(p):
            start = first - p + 1 + j
            width = t[start + p] - t[start]
            old = pieces[:, :, j]
            shifted = np.zeros_like(old)
            shifted[:, 1:] = old[:, :-1]
            at_centre, slope = ((centre - t[start]) << BITS) // width, (half << BITS) // width
            rising = (at_centre[:, None] * old + slope[:, None] * shifted) >> BITS
            raised[:, :, j + 1] += rising
            raised[:, :, j] += old - rising
        pieces = raised
    return pieces


def spline_pieces(
    knots: Array, degree: int, coefficients: Array, interval: npt.NDArray[np.int64], low: Array, high: Array
) -> tuple[Array, Array]:
    """Return the coefficients (m, k + 1, c) of splines on cells in powers of s, and bounds of their errors.

    `coefficients` are (n + k, c); the other arguments are those of `basis_pieces`.
    """
    exact = whole_pieces(OnCells(knots, coefficients, interval), degree, low, high)
    found = working().fraction(exact, 2 * BITS)
    return found, 2 * unit_of(found) * sizes(found) + _absolute(degree, coefficients)


def whole_pieces(spline: OnCells, degree: int, low: Array, high: Array) -> Whole:
    """Return the coefficients (m, k + 1, c) of splines on cells [low, high] in powers of s, in units of 2^-2BITS."""
    pieces = basis_pieces(spline.knots, degree, spline.interval, low, high)
    return np.asarray(pieces @ fixed(spline.coefficients)[spline.interval[:, None] + np.arange(degree + 1)])


def difference_of_pieces(finer: Whole, coarser: Whole, coefficients: Sequence[Array]) -> tuple[Array, Array]:
    """Return the coefficients (m, k + 1, c) of the difference of splines on cells, and bounds of their errors.

    The pieces are those of `whole_pieces`, and the coarser ones have no lower degree.
    """
    gap = coarser.copy()
    gap[:, : finer.shape[1]] -= finer
    found = np.asarray(gap / (1 << 2 * BITS), dtype=np.float64)
    lost = sum(_absolute(p.shape[1] - 1, c) for p, c in zip((finer, coarser), coefficients, strict=True))
    return found, 2 * UNIT * np.abs(found) + lost


def _absolute(degree: int, coefficients: Array) -> float:
    """Return a bound of the error of a coefficient of a piece, of the fixed-point arithmetic."""
    return float((degree + 1) * ABSOLUTE * (1 + np.abs(coefficients).max(initial=0.0)))
