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
from fractions import Fraction

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.symbolic.families.proposal import Constants, Proposal, constant
from kanpde.symbolic.families.sparse import Outer, Samples, mapped_back, outer_values, proposed
from kanpde.symbolic.structure.features import Feature, Numbers
from kanpde.symbolic.structure.sampled import Sampled

# The largest degree of P and of Q, the largest number of their terms, and of columns as a share of the samples.
LARGEST, MOST, SHARE = 6, 16, 0.4
# The sum of the degrees above which a function of one combination of the inputs must have simple numbers: fractions
# with a denominator of at most DENOMINATOR, within NEAR.
TOTAL, DENOMINATOR, NEAR = 6, 100, 1e-8
# Multiples of the field's error up to which gradients in a second direction are noise.
RIDGE = 30.0
# The relative residual of P − u Q for each column, and the one of u − P/Q, up to which u is P/Q.
ROUND_OFF, EXACT = 1e-15, 1e-11
# The size of a term of P or Q, relative to the largest, below which it is left out.
NOTHING = 1e-9
# Outer functions of which others are rational functions, and the one whose inverse is a root.
NEEDLESS, ROOT = ("1/u", "1/u^2"), "u^2"


@dataclass(frozen=True)
class Quotient:
    """P/Q with the terms of both. The largest coefficient of Q is ±1.

    `signs` are those of P and Q at the samples, 0 for both signs; Q is positive if it has one sign.
    """

    above: tuple[tuple[sp.Expr, float], ...]
    below: tuple[tuple[sp.Expr, float], ...]
    signs: tuple[int, int]

    def parts(self) -> tuple[sp.Expr, sp.Expr, Constants]:
        """Return P and Q with constants as coefficients, and their values; a coefficient ±1 of Q is a number."""
        numbers, constants = itertools.count(), {}

        def summed(terms: Sequence[tuple[sp.Expr, float]], fixed: int | None = None) -> sp.Expr:
            total = sp.S.Zero
            for place, (monomial, value) in enumerate(terms):
                if place == fixed:
                    total += sp.Integer(round(value)) * monomial
                    continue
                symbol = constant(next(numbers))
                constants[symbol] = value
                total += symbol * monomial
            return total

        largest = int(np.argmax([abs(value) for _, value in self.below]))
        return summed(self.above), summed(self.below, largest), constants

    def expression(self) -> tuple[sp.Expr, Constants]:
        """Return the quotient with constants as coefficients, and their values."""
        above, below, constants = self.parts()
        return above / below, constants

    @property
    def simple(self) -> bool:
        """True if all coefficients are fractions with small denominators."""
        values = [value for _, value in (*self.above, *self.below)]
        nearest = [float(Fraction(value).limit_denominator(DENOMINATOR)) for value in values]
        return bool(np.allclose(values, nearest, rtol=NEAR, atol=0.0))


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


def rational(found: Sampled, given: Samples, *, roots: bool) -> Iterator[Proposal]:
    """Yield the function of the samples as a quotient of polynomials, and as an outer function of one.

    With `roots` it is the root of a quotient, else another outer function. Other families may find shorter roots.
    """
    wary = ridge(found)
    with np.errstate(all="ignore"):
        for outer in targets(given):
            if outer.name.startswith(ROOT) != roots:
                continue
            quotient_ = quotient(given.inputs, outer.values, wary)
            if quotient_ is not None:
                proposal = proposed(f"{outer.name} rational", found, *mapped(outer, quotient_))
                if proposal is not None:
                    yield proposal


def mapped(outer: Outer, found: Quotient) -> tuple[sp.Expr, Constants]:
    """Return G⁻¹(P/Q); the root of a quotient is a quotient of roots, which SymPy compares with others more easily."""
    above, below, constants = found.parts()
    if outer.name != ROOT or found.signs != (1, 1):
        return mapped_back(outer, above / below, constants)
    return outer.back(above) / sp.sqrt(below), constants


def ridge(found: Sampled) -> bool:
    """Return True if the field may be a function of one linear combination, which a quotient approximates too well."""
    gradients = np.stack([slope.ravel() * np.ptp(x) for slope, x in zip(found.first, found.nodes, strict=True)], axis=1)
    sizes = np.linalg.svd(gradients, compute_uv=False)
    return len(sizes) == 1 or bool(sizes[1] <= RIDGE * found.error * sizes[0])


def targets(given: Samples) -> Iterator[Outer]:
    """Yield u and G(u), and then G(u/m) for every input and every product of two inputs m."""
    yield from outers(given)
    whole = [each for each in given.inputs if np.abs(each.values).min() > 0] if len(given.inputs) > 1 else []
    for number in (1, 2):
        for chosen in itertools.combinations(whole, number):
            monomial = sp.Mul(*(each.expression for each in chosen))
            values = given.values / math.prod(each.values for each in chosen)
            for outer in outers(replace(given, values=values)):
                if outer.name != "u":
                    back = outer.back
                    yield Outer(
                        f"{outer.name} over {monomial}",
                        outer.values,
                        lambda w, m=monomial, back=back: m * back(w),  # type: ignore[misc]
                    )


def outers(given: Samples) -> Iterator[Outer]:
    """Yield u and G(u), with hyperbolic functions too."""
    for outer in outer_values(given):
        if outer.name not in NEEDLESS and not outer.name.startswith("u/"):
            yield outer
    u = given.values
    if np.abs(u).max() < 1:
        yield Outer("atanh u", np.arctanh(u), sp.tanh)
    for factor in (1, 2):
        if u.min() > 0 and factor * u.max() < 1:
            yield Outer(f"acosh 1/{factor}u", np.arccosh(1 / (factor * u)), lambda w, n=factor: sp.sech(w) / n)  # type: ignore[misc]


def quotient(inputs: Sequence[Feature], target: Array, wary: bool) -> Quotient | None:
    """Return P/Q of the smallest degrees that is the target at the samples up to round-off, None if none is.

    If it is `wary`, high degrees need simple coefficients.
    """
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
        found = None if vector is None else reduced(monomials, target, pair, vector)
        if found is not None and (not wary or sum(pair) <= TOTAL or found.simple):
            return found
    return None


def degrees(count: int, columns: float) -> Iterator[tuple[int, int]]:
    """Yield the degrees of P and Q by ascending sums, as far as both have at most so many monomials."""
    for total in range(1, 2 * LARGEST + 1):
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
    with np.errstate(all="ignore"):
        top, bottom = monomials.values[:, over] @ p, monomials.values[:, under] @ q
        if len(over) + len(under) > MOST or not np.abs(top / bottom - target).max() <= EXACT * np.abs(target).max():
            return None
    scale = float(np.abs(q).max()) * (sign_of(bottom) or 1)
    return Quotient(
        tuple((monomials.expressions[k], float(value)) for k, value in zip(over, p / scale, strict=True)),
        tuple((monomials.expressions[k], float(value)) for k, value in zip(under, q / scale, strict=True)),
        (sign_of(top / scale), abs(sign_of(bottom))),
    )


def sign_of(values: Array) -> int:
    """Return the sign that all values have, 0 if they differ."""
    return int(values.min() > 0) - int(values.max() < 0)
