"""Products of polynomials and of matrices of pairs, which sum many terms with fewer operations than pair after pair.

In the bounds of errors u is 2^-53.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kanpde.calculus.pairs import Pairs, Words, halves, paired, sum_of_two, words_of

SMALL = 2.0**-40  # share of the largest below which a term of a product of polynomials is of 53 bits
ROUNDING = 2.0**-53  # u


def unit_of_sums(terms: int) -> float:
    """Return the error of a sum of n products of pairs, relative to the sum of their sizes: 2 (n + 4)² u².

    What a product adds to the low number is at most 3 u |x_i y_i|, with an error of 8 u² |x_i y_i|; what a sum loses is
    at most u Σ|x_i y_i|. The 2 n sums of low numbers have errors of u (n + 3) u Σ|x_i y_i| each.
    """
    return 2 * (terms + 4) ** 2 * ROUNDING**2


def product_of_polynomials(first: Any, second: Any) -> tuple[Pairs, float]:
    """Return the coefficients (*degrees + 1, c) of products of polynomials on c cells, and what all of them lose.

    Terms x_i y_j below SMALL of the largest are products of 53 bits: each has an error of 3 u |x_i y_j|, and is rounded
    in at most 2 n sums of n terms. What the sums of the others lose is summed beside them (T. Ogita, S. M. Rump and
    S. Oishi, "Accurate sum and dot product", SIAM J. Sci. Comput. 26 (2005) 1955, algorithm 5.3), with an error of at
    most `unit_of_sums(n)` Σ|x_i y_j|, which comes to what is returned.
    """
    (x, x_low), (y, y_low) = (tuple(np.broadcast_arrays(*words_of(each))) for each in (first, second))
    sizes = [np.abs(each).max(axis=-1) for each in (x, y)]
    limit = SMALL * sizes[0].max() * sizes[1].max()
    sums = Sums(tuple(m + n - 1 for m, n in zip(x.shape[:-1], y.shape[:-1], strict=True)), x, x_low)
    small = 0
    for index in np.ndindex(*y.shape[:-1]):
        box = leading(sizes[0] * sizes[1][index] > limit)
        sums.add(box, index, y[index], y_low[index])
        for part in outside(box, x.shape[:-1]):
            sums.add_small(part, index, y[index])
            small += x[part][..., 0].size
    return sums.pairs(), ROUNDING * limit * small * (2 * y[..., 0].size + 4)


class Sums:
    """Sums of products of numbers `x`, with a second number for what they lose."""

    def __init__(self, degrees: tuple[int, ...], x: Any, x_low: Any) -> None:
        self.x, self.x_low = np.ascontiguousarray(x), np.ascontiguousarray(x_low)
        self.x_1, self.x_2 = halves(self.x)
        self.high, self.low = np.zeros((*degrees, x.shape[-1])), np.zeros((*degrees, x.shape[-1]))

    def add(self, box: tuple[slice, ...], index: tuple[int, ...], y: Any, y_low: Any) -> None:
        """Add (x + x_low)(y + y_low) for the powers in a box: Dekker's product, Knuth's sum, and the rest beside it."""
        x, x_1, x_2, place = self.x[box], self.x_1[box], self.x_2[box], shifted(box, index)
        y_1, y_2 = halves(y)
        product = x * y
        term = np.multiply(x_1, y_1)
        lost = np.subtract(product, term)
        for one, other in ((x_2, y_1), (x_1, y_2), (x_2, y_2)):
            lost -= np.multiply(one, other, out=term)
        np.multiply(x, y_low, out=term)
        term += self.x_low[box] * y
        term -= lost
        old = self.high[place]
        total = np.add(old, product, out=lost)
        moved = total - old
        product -= moved
        np.subtract(total, moved, out=moved)
        product += np.subtract(old, moved, out=moved)
        term += product
        self.high[place] = total
        self.low[place] += term

    def add_small(self, part: tuple[slice, ...], index: tuple[int, ...], y: Any) -> None:
        """Add x y for powers of which the first digits count."""
        self.low[shifted(part, index)] += self.x[part] * y

    def pairs(self) -> Pairs:
        """Return the sums."""
        return paired(*sum_of_two(self.high, self.low))


def shifted(box: tuple[slice, ...], index: tuple[int, ...]) -> tuple[slice, ...]:
    """Return where the powers in a box, times one power, are in a product."""
    return tuple(slice(part.start + i, part.stop + i) for part, i in zip(box, index, strict=True))


def leading(is_large: npt.NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box of the first powers that holds all large ones."""
    stops = (found.max(initial=-1) + 1 for found in np.nonzero(is_large))
    return tuple(slice(0, int(stop)) for stop in stops)


def outside(box: tuple[slice, ...], shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield boxes that make up the powers outside a box of the first ones."""
    for axis, (part, size) in enumerate(zip(box, shape, strict=True)):
        if part.stop < size:
            yield (*box[:axis], slice(part.stop, size), *(slice(0, rest) for rest in shape[axis + 1 :]))


def product_of_matrices(first: Any, second: Any) -> tuple[Pairs, float]:
    """Return the product of matrices (n, k) and (k, m), and its error relative to max_k |x_ik| max_k |y_kj|.

    Two slices of every number have so few bits that sums of k products of these are exact (K. Ozaki, T. Ogita, S. Oishi
    and S. M. Rump, "Error-free transformations of matrix multiplication by using fast routines of matrix
    multiplication and its applications", Numerical Algorithms 59 (2012) 95); products with what is left, which is at
    most 2^(2 − 2 bits) of the largest number, have the rounding errors of 53 bits.
    """
    x, y = words_of(first), words_of(second)
    terms = np.shape(x[0])[1]
    bits = (53 - int(np.ceil(np.log2(terms)))) // 2
    (x_1, x_2, x_rest), (y_1, y_2, y_rest) = slices(x, bits, axis=1), slices(y, bits, axis=0)
    high, lost = sum_of_two(x_1 @ y_1, x_1 @ y_2)
    high, more = sum_of_two(high, x_2 @ y_1)
    low = x_1 @ y_rest + x_2 @ (y_2 + y_rest) + x_rest @ y[0]
    # 20 (k + 2)² u 2^(−2 bits) bounds the rounding errors of `low` and of both rests.
    return paired(*sum_of_two(high, low + (lost + more))), 32 * (terms + 2) ** 2 * 2.0 ** (-2 * bits) * ROUNDING


def slices(x: Words, bits: int, axis: int) -> tuple[Any, Any, Any]:
    """Return two numbers of a few bits, in units that are the same along an axis, and the rest."""
    rest, parts = x[0], []
    _, exponent = np.frexp(np.abs(rest).max(axis=axis, keepdims=True))
    for _ in range(2):
        shift = np.ldexp(1.0, exponent + 53 - bits)
        parts.append((rest + shift) - shift)
        rest, exponent = rest - parts[-1], exponent - bits
    return parts[0], parts[1], rest + x[1]
