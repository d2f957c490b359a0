"""Functions of data that are quotients of polynomials of all inputs, u = P/Q, or an outer function of one.

P − u Q = 0 is linear in the coefficients of both, so they are the null vector of the matrix of all monomials and of all
monomials times u at the samples, as in the rational fits of Nakatsukasa, Sète and Trefethen, SIAM J. Sci. Comput. 40
(2018) A1494. Smooth functions of one input are nearly rational too; they are told apart by round-off.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.symbolic.families.proposal import Constants, Proposal, constant
from kanpde.symbolic.families.sparse import Outer, Samples, mapped_back, outer_values, proposed
from kanpde.symbolic.structure.features import Feature, Numbers
from kanpde.symbolic.structure.sampled import Sampled

# The largest sum of the degrees of P and Q, and of each of them; the largest share of columns of the samples.
TOTAL, LARGEST, SHARE = 6, 5, 0.4
# The relative residual of P − u Q for each column, and the one of u − P/Q, up to which u is P/Q.
ROUND_OFF, EXACT = 1e-15, 1e-11
# The size of a term of P or Q, relative to the largest, below which it is left out.
NOTHING = 1e-9
# Outer functions whose inverse is a rational function.
NEEDLESS = ("1/u", "1/u^2")


@dataclass(frozen=True)
class Quotient:
    """P/Q with the terms of both; the coefficient of the first of Q's is one."""

    above: tuple[tuple[sp.Expr, float], ...]
    below: tuple[tuple[sp.Expr, float], ...]

    def expression(self) -> tuple[sp.Expr, Constants]:
        """Return the quotient with constants as coefficients, and their values."""
        numbers, constants = itertools.count(), {}

        def summed(terms: Sequence[tuple[sp.Expr, float]]) -> sp.Expr:
            total = sp.S.Zero
            for monomial, value in terms:
                symbol = constant(next(numbers))
                constants[symbol] = value
                total += symbol * monomial
            return total

        (first, _), *rest = self.below
        return summed(self.above) / (first + summed(rest)), constants


@dataclass(frozen=True)
class Monomials:
    """All products of powers of inputs by ascending degree: expressions, values (n, m), degrees (m,)."""

    expressions: tuple[sp.Expr, ...]
    values: Array
    degrees: Array

    @classmethod
    def of(cls, inputs: Sequence[Feature], degree: int) -> Monomials:
        every = [
            chosen
            for total in range(degree + 1)
            for chosen in itertools.combinations_with_replacement(range(len(inputs)), total)
        ]
        expressions = tuple(sp.Mul(*(inputs[k].expression for k in chosen)) for chosen in every)
        ones = np.ones(len(inputs[0].values))
        values = [math.prod((inputs[k].values for k in chosen), start=ones) for chosen in every]
        return cls(expressions, np.stack(values, axis=1), np.array([len(chosen) for chosen in every]))


def rational(found: Sampled, given: Samples) -> Iterator[Proposal]:
    """Yield the function of the samples as a quotient of polynomials, and as an outer function of one."""
    with np.errstate(all="ignore"):
        for outer in targets(given):
            quotient_ = quotient(given.inputs, outer.values)
            if quotient_ is not None:
                proposal = proposed(f"{outer.name} rational", found, *mapped_back(outer, *quotient_.expression()))
                if proposal is not None:
                    yield proposal


def targets(given: Samples) -> Iterator[Outer]:
    """Yield u and G(u), and then G(u/x) for every input x."""
    for outer in outer_values(given):
        if outer.name not in NEEDLESS and not outer.name.startswith("u/"):
            yield outer
    for each in given.inputs if len(given.inputs) > 1 else ():
        if np.abs(each.values).min() > 0:
            for outer in outer_values(replace(given, values=given.values / each.values)):
                if outer.name != "u" and outer.name not in NEEDLESS and not outer.name.startswith("u/"):
                    back = outer.back
                    yield Outer(
                        f"{outer.name} over {each.expression}",
                        outer.values,
                        lambda w, x=each.expression, back=back: x * back(w),  # type: ignore[misc]
                    )


def quotient(inputs: Sequence[Feature], target: Array) -> Quotient | None:
    """Return P/Q of the smallest degrees that is the target at the samples up to round-off, None if none is."""
    pairs = list(degrees(len(inputs), SHARE * len(target)))
    if not pairs or not np.isfinite(target).all():
        return None
    monomials = Monomials.of(inputs, max(map(max, pairs)))
    impossible: list[tuple[int, int]] = []
    largest = [each for each in pairs if not any(each != other and within(each, other) for other in pairs)]
    for pair in largest:  # what no large pair has, no smaller one has
        if null(monomials, target, pair) is None:
            impossible.append(pair)
    for pair in pairs:
        if any(within(pair, other) for other in impossible):
            continue
        vector = null(monomials, target, pair)
        if vector is not None and (found := reduced(monomials, target, pair, vector)) is not None:
            return found
    return None


def degrees(count: int, columns: float) -> Iterator[tuple[int, int]]:
    """Yield the degrees of P and Q by ascending sums, as far as both have at most so many monomials."""
    for total in range(1, TOTAL + 1):
        for below in range(total // 2 + 1):
            above = total - below
            for pair in {(above, below), (below, above)}:
                size = sum(math.comb(count + degree, degree) for degree in pair)
                if max(pair) <= LARGEST and size <= columns:
                    yield pair


def within(pair: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether both degrees are at most the other ones."""
    return pair[0] <= other[0] and pair[1] <= other[1]


def numbers_of(monomials: Monomials, pair: tuple[int, int]) -> tuple[Numbers, Numbers]:
    """Return the numbers of P's and of Q's monomials."""
    return np.flatnonzero(monomials.degrees <= pair[0]), np.flatnonzero(monomials.degrees <= pair[1])


def null(monomials: Monomials, target: Array, pair: tuple[int, int]) -> Array | None:
    """Return the coefficients of P and Q with P = u Q at the samples, None if there are none."""
    above, below = numbers_of(monomials, pair)
    return null_vector(matrix(monomials, target, above, below))


def matrix(monomials: Monomials, target: Array, above: Numbers, below: Numbers) -> Array:
    """Return the matrix that maps the coefficients of P and Q to P − u Q at the samples."""
    return np.concatenate([monomials.values[:, above], -target[:, None] * monomials.values[:, below]], axis=1)


def null_vector(design: Array) -> Array | None:
    """Return the vector that a matrix with columns of length one maps to round-off, scaled back; None without one.

    Among several vectors it is one that needs none of the last columns that it can do without.
    """
    scale = np.linalg.norm(design, axis=0)
    if not (np.isfinite(scale).all() and scale.min() > 0):
        return None
    _, sizes, rows = np.linalg.svd(design / scale, full_matrices=False)
    free = int(np.sum(sizes <= ROUND_OFF * sizes[0] * len(scale)))
    if not free:
        return None
    kernel = rows[-free:].T
    if free > 1:
        _, _, order = np.linalg.svd(kernel[-free + 1 :])
        kernel = kernel @ order[-1:].T
    return np.asarray(kernel[:, 0] / scale)


def reduced(monomials: Monomials, target: Array, pair: tuple[int, int], vector: Array) -> Quotient | None:
    """Return the quotient without negligible terms, None if it is not the target at every sample."""
    above, below = numbers_of(monomials, pair)
    sizes = np.abs(vector) * np.linalg.norm(matrix(monomials, target, above, below), axis=0)
    kept = sizes > NOTHING * sizes.max()
    over, under = above[kept[: len(above)]], below[kept[len(above) :]]
    again = null_vector(matrix(monomials, target, over, under)) if len(over) and len(under) else None
    if again is None:
        return None
    p, q = again[: len(over)], again[len(over) :]
    p, q = p / q[0], q / q[0]
    with np.errstate(all="ignore"):
        values = (monomials.values[:, over] @ p) / (monomials.values[:, under] @ q)
    if not np.abs(values - target).max() <= EXACT * np.abs(target).max():
        return None
    names = monomials.expressions
    return Quotient(
        tuple((names[k], float(value)) for k, value in zip(over, p, strict=True)),
        tuple((names[k], float(value)) for k, value in zip(under, q, strict=True)),
    )
