"""Taylor models: a polynomial on every cell of a grid, with a bound of its distance from a function.

A cell is mapped to s ∈ [−1, 1]^d. The coefficients are floating-point numbers or balls; what rounding and truncation
leave out is added to the bound, a number of 53 bits (Makino and Berz, "Taylor models and other validated functional
inclusion methods", Int. J. Pure Appl. Math. 4 (2003) 379). A function that does not depend on a coordinate has one cell
and degree 0 along it, so that products of functions of different coordinates cost no more than their coefficients.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev, legendre

from kanpde.calculus.arrays import Array
from kanpde.calculus.precision import (
    TINY,
    UNIT,
    UPWARD,
    floats,
    midpoints,
    product_of_polynomials,
    sizes,
    unit_of,
    unit_of_sums,
    usable,
    zeros,
)

NEGLIGIBLE = 1e-19  # coefficients below this share of the largest are moved to the error
ROUGH = 1e-2  # the largest such share in a term of a series, of which few digits may count
COARSE = 1e-7  # the same where few digits count
BLOCK = 80_000  # coefficients of a product that are computed at once
MOST_TERMS = 40  # of the series of a function


class NotEnclosed(Exception):
    """A function is not known to be smooth on a cell, or its Taylor series does not converge there."""


@dataclass(frozen=True, eq=False)
class TaylorModel:
    """|f(s) − Σ_p c_p s^p| ≤ error on every cell: coefficients (*cells, *degrees + 1), error (*cells)."""

    coefficients: Array
    error: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficients", usable(self.coefficients))

    @classmethod
    def constant(cls, value: float, dimension: int, error: float = 0.0) -> TaylorModel:
        """Return the model of a number, which is known up to `error`."""
        ones = (1,) * dimension
        return cls(np.full(ones + ones, value, dtype=np.asarray(value).dtype), np.full(ones, error))

    @classmethod
    def constant_sum(cls, values: Array, dimension: int) -> TaylorModel:
        """Return the model of the sum of numbers (n,)."""
        rounding = UPWARD * len(values) * unit_of(values) * float(sizes(values).sum())
        return cls.constant(values.sum(), dimension, rounding)

    @property
    def dimension(self) -> int:
        return self.error.ndim

    @property
    def degrees(self) -> tuple[int, ...]:
        """The numbers of coefficients along each axis."""
        return self.coefficients.shape[self.dimension :]

    @property
    def norm(self) -> Array:
        """The sum of the absolute coefficients on every cell, at least the maximum of the polynomial."""
        return np.asarray(UPWARD * sizes(self.coefficients).sum(axis=self._powers))

    @property
    def bound(self) -> Array:
        """A bound of |f| on every cell."""
        return UPWARD * (self.norm + self.error)

    @property
    def close_bound(self) -> Array:
        """A closer bound of |f| on every cell: the sum of the absolute coefficients of Chebyshev polynomials."""
        found, lost = self._chebyshev
        return np.asarray(UPWARD * (np.abs(found).sum(axis=self._powers) + lost + self.error))

    @property
    def interval(self) -> tuple[Array, Array]:
        """Bounds of f on every cell, from below and from above."""
        found, lost = self._chebyshev
        first = tuple([slice(None)] * self.dimension + [0] * self.dimension)
        centre: Array = np.asarray(found[first])
        spread = np.abs(found).sum(axis=self._powers) - np.abs(centre)
        # The difference is rounded by a share of the first coefficient.
        radius = UPWARD * (np.abs(spread) + lost + self.error) + 2000 * UNIT * np.abs(centre)
        return centre - radius, centre + radius

    @property
    def mean(self) -> tuple[Array, Array]:
        """The mean over every cell, and a bound of its error: the mean of s^p is 1 / (p + 1) for even p."""
        weights = np.ones(())
        for size in self.degrees:
            powers = np.arange(size)
            weights = np.multiply.outer(weights, (powers % 2 == 0) / (powers + 1))
        near, lost = floats(self.coefficients)
        terms = near * weights
        rounding = (math.prod(self.degrees) + 8) * UNIT * UPWARD * np.abs(terms).sum(axis=self._powers)
        lost = np.broadcast_to(lost, near.shape).sum(axis=self._powers)
        return terms.sum(axis=self._powers), UPWARD * (self.error + rounding + lost)

    @property
    def mean_square(self) -> Array:
        """A bound of the mean of f² over every cell, by the coefficients of Legendre polynomials."""
        found, lost = self._changed(legendre_from_powers)
        weights = np.ones(())
        for size in self.degrees:
            weights = np.multiply.outer(weights, 1 / np.sqrt(2 * np.arange(size) + 1))
        root = np.sqrt(((found * weights) ** 2).sum(axis=self._powers))
        return np.asarray(UPWARD * (root + 4 * lost + self.error) ** 2)

    @property
    def _chebyshev(self) -> tuple[Array, Array]:
        """The coefficients of Chebyshev polynomials, and a bound of the sum of their rounding errors."""
        return self._changed(chebyshev_from_powers)

    def _changed(self, basis: Callable[[int], Array]) -> tuple[Array, Array]:
        """Return the coefficients of other polynomials, and a bound of the sum of their rounding errors."""
        found, rest = floats(self.coefficients)
        lost = np.broadcast_to(rest, found.shape).sum(axis=self._powers)
        for axis, size in enumerate(self.degrees):
            change = basis(size)
            # The entries are dyadic fractions of few digits, so that only products and sums are rounded.
            lost = lost + 2 * (size + 1) * UNIT * np.abs(found).sum(axis=self._powers)
            found = np.moveaxis(np.tensordot(found, change, (self.dimension + axis, 1)), -1, self.dimension + axis)
        return found, lost

    def at_end(self, axis: int, side: int) -> TaylorModel:
        """Return the model on the last (side > 0) or the first face across an axis, which keeps one cell along it."""
        cells = [slice(None)] * self.dimension
        cells[axis] = slice(-1, None) if side > 0 else slice(0, 1)
        chosen, error = self.coefficients[tuple(cells)], self.error[tuple(cells)]
        shape = [1] * chosen.ndim
        shape[self.dimension + axis] = self.degrees[axis]
        signs = np.sign(side) ** np.arange(self.degrees[axis]).reshape(shape)
        found = (signs * chosen).sum(axis=self.dimension + axis, keepdims=True)
        rounding = (self.degrees[axis] + 1) * unit_of(chosen) * sizes(chosen).sum(axis=self._powers)
        return TaylorModel(found, error).widened(rounding)

    def divided(self, parts: int) -> TaylorModel:
        """Return the model on cells that are divided into equal parts along every axis."""
        found, rest = floats(self.coefficients)
        error = UPWARD * (self.error + np.broadcast_to(rest, found.shape).sum(axis=self._powers))
        for axis, size in enumerate(self.degrees):
            if size == 1 == error.shape[axis]:
                continue  # the function does not depend on this coordinate
            lost = (size + 4) * UNIT * np.abs(found).sum(axis=self._powers)
            moved = np.moveaxis(found, (axis, self.dimension + axis), (0, 1))
            divided = np.einsum("ipq,cp...->ciq...", parts_from_powers(size, parts), moved)
            divided = divided.reshape(-1, *divided.shape[2:])
            found = np.moveaxis(divided, (0, 1), (axis, self.dimension + axis))
            error = np.repeat(UPWARD * (error + lost), parts, axis=axis)
        return TaylorModel(found, error)

    @property
    def _powers(self) -> tuple[int, ...]:
        return tuple(range(self.dimension, 2 * self.dimension))

    def widened(self, error: Any) -> TaylorModel:
        """Return the model with an error (*cells) added to its own."""
        return TaylorModel(self.coefficients, UPWARD * (self.error + error))

    def __add__(self, other: TaylorModel) -> TaylorModel:
        degrees = tuple(map(max, self.degrees, other.degrees))
        result = TaylorModel(self._padded(degrees) + other._padded(degrees), self.error + other.error)
        return result.widened(unit_of(result.coefficients) * result.norm)

    def __neg__(self) -> TaylorModel:
        return TaylorModel(-self.coefficients, self.error)

    def __sub__(self, other: TaylorModel) -> TaylorModel:
        return self + -other

    def __mul__(self, other: TaylorModel) -> TaylorModel:
        a, b = (self, other) if math.prod(self.degrees) >= math.prod(other.degrees) else (other, self)
        cells = np.broadcast_shapes(a.error.shape, b.error.shape)
        degrees = tuple(m + n - 1 for m, n in zip(a.degrees, b.degrees, strict=True))
        product, lost = zeros(cells + degrees, a.coefficients, b.coefficients), np.zeros(cells)
        for block in blocks(cells, math.prod(degrees)):
            first, second = (_powers_first(model.coefficients, block, cells) for model in (a, b))
            found, lost[block] = product_of_polynomials(first, second)
            product[block] = np.moveaxis(found, -1, 0).reshape(product[block].shape)
        left, right = a.norm, b.norm
        rounding = unit_of_sums(product, math.prod(map(min, a.degrees, b.degrees))) * left * right + lost + TINY
        error = UPWARD * (rounding + a.error * (UPWARD * (right + b.error)) + left * b.error)
        return TaylorModel(product, np.broadcast_to(error, cells)).trimmed()

    def power(self, exponent: int) -> TaylorModel:
        """Return the model to a positive whole power."""
        result = self
        for bit in bin(exponent)[3:]:
            result = result * result
            result = result * self if bit == "1" else result
        return result

    @property
    def coarse(self) -> TaylorModel:
        """The model with few coefficients of 53 bits, for bounds of which a few digits count."""
        near, lost = floats(self.coefficients)
        rest = np.broadcast_to(lost, near.shape).sum(axis=self._powers)
        return TaylorModel(near, UPWARD * (self.error + rest)).trimmed(COARSE)

    def trimmed(self, share: float = NEGLIGIBLE) -> TaylorModel:
        """Return the model without its highest coefficients where these are below a share of the largest on all cells.

        They are moved to the error.
        """
        largest = sizes(self.coefficients).max(axis=tuple(range(self.dimension)))
        limit, model = share * float(largest.max()), self
        for axis in range(self.dimension):
            along = largest.max(axis=tuple(a for a in range(self.dimension) if a != axis))
            kept = max(1, int((along > limit).nonzero()[0].max(initial=0)) + 1)
            if kept < model.degrees[axis]:
                front, back = np.split(model.coefficients, [kept], axis=self.dimension + axis)
                model = TaylorModel(front, model.error).widened(UPWARD * sizes(back).sum(axis=self._powers))
        return model

    def composed(self, series: Series) -> TaylorModel:
        """Return g(f) by the Taylor series of g about the constant coefficients of f, or the midpoints of these."""
        constant = (0,) * self.dimension
        centre = midpoints(self._coefficient(constant))
        rest = TaylorModel(self.coefficients.copy(), self.error)
        rest._coefficient(constant)[...] -= centre
        radius = rest.bound
        coefficients, remainder = series(centre, radius)
        largest = np.sum([sizes(each) * radius**m for m, each in enumerate(coefficients)], axis=0)
        result = self._constants(coefficients[-1])
        for m, each in reversed(list(enumerate(coefficients[:-1]))):
            # What is cut is multiplied by the m-th power of the rest.
            reach = float((result.bound * radius ** (m + 1)).max())
            share = min(NEGLIGIBLE * float(largest.max()) / reach, ROUGH) if reach > 0 else NEGLIGIBLE
            result = result.trimmed(share) * rest.trimmed(share) + self._constants(each)
        # Every coefficient was computed by fewer operations than there are terms, each with a few roundings.
        unit = unit_of(centre)
        return result.widened(UPWARD * (remainder + 4 * (len(coefficients) + 2) * unit * largest + TINY))

    def _constants(self, values: Array) -> TaylorModel:
        return TaylorModel(self._spread(values), np.zeros(values.shape))

    def _coefficient(self, index: tuple[int, ...]) -> Array:
        """Return a view of one coefficient on every cell, (*cells)."""
        place: Any = (..., *index)
        return np.asanyarray(self.coefficients[place])

    def _spread(self, values: Array) -> Array:
        """Return numbers (*cells) as coefficients of degree 0."""
        return values.reshape(values.shape + (1,) * self.dimension)

    def _padded(self, sizes: tuple[int, ...]) -> Array:
        if sizes == self.degrees:
            return self.coefficients
        missing = [(0, size - own) for size, own in zip(sizes, self.degrees, strict=True)]
        padded: Array = usable(np.pad(self.coefficients, [(0, 0)] * self.dimension + missing))
        return padded


# (centre, radius) -> the Taylor coefficients of g about the centre and the remainder in the ball of this radius.
Series = Callable[[Array, Array], tuple[list[Array], Array]]


def blocks(cells: tuple[int, ...], coefficients: int) -> Iterator[tuple[slice, ...]]:
    """Yield blocks that make up all cells, whose numbers of coefficients fit in a cache."""
    sizes = list(cells)
    while math.prod(sizes) * coefficients > BLOCK and max(sizes) > 1:
        longest = sizes.index(max(sizes))
        sizes[longest] = -(-sizes[longest] // 2)
    starts = [range(0, count, size) for count, size in zip(cells, sizes, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(slice(low, low + size) for low, size in zip(corner, sizes, strict=True))


def _powers_first(coefficients: Array, block: tuple[slice, ...], cells: tuple[int, ...]) -> Array:
    """Return the coefficients (*degrees + 1, c) on a block of c cells, where some axes may have one cell for all."""
    own: Any = tuple(slice(None) if size == 1 else part for size, part in zip(coefficients.shape, block, strict=False))
    degrees = coefficients.shape[len(cells) :]
    counts = (len(range(size)[part]) for size, part in zip(cells, block, strict=True))
    every = np.broadcast_to(coefficients[own], (*counts, *degrees)).reshape(-1, *degrees)
    return np.ascontiguousarray(np.moveaxis(every, 0, -1))


@functools.cache
def chebyshev_from_powers(size: int) -> Array:
    """Return the matrix (size, size) from coefficients of powers to those of Chebyshev polynomials."""
    columns = np.eye(size)
    return np.stack([np.pad(found := chebyshev.poly2cheb(c), (0, size - len(found))) for c in columns], axis=1)


@functools.cache
def legendre_from_powers(size: int) -> Array:
    """Return the matrix (size, size) from coefficients of powers to those of Legendre polynomials."""
    columns = np.eye(size)
    return np.stack([np.pad(found := legendre.poly2leg(c), (0, size - len(found))) for c in columns], axis=1)


@functools.cache
def parts_from_powers(size: int, parts: int) -> Array:
    """Return the matrices (parts, p, q) from s^p on [−1, 1] to powers of the local coordinate of every part."""
    result = np.zeros((parts, size, size))
    for part in range(parts):
        centre = (2 * part + 1 - parts) / parts
        for p in range(size):
            result[part, p, : p + 1] = [math.comb(p, q) * centre ** (p - q) / parts**q for q in range(p + 1)]
    return result
