"""Features: small expressions of the inputs with their values at samples, and sparse combinations of them.

Features are made by recursion, the simplest first: arguments from inputs by arithmetic, functions of arguments, and
products of their powers with monomials of the inputs. A combination of few features that gives the samples to round-off
is found by screening and by elimination over all pairs and triples of the features left, as in SISSO (Ouyang et al.,
Phys. Rev. Materials 2 (2018) 083802). For samples without noise this is exact: a feature fits or it does not.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp

from kanpde.calculus.arrays import Array

Numbers = npt.NDArray[np.int_]

# The largest numbers of arguments of functions, of elements, and of products of elements and monomials.
ARGUMENTS, ELEMENTS, TERMS = 400, 2500, 150_000
# The largest absolute values of arguments of exp and tanh, and of sin and cos.
LARGEST, LARGEST_ANGLE = 50.0, 1e4
# Whole numbers that are added to inputs before these are multiplied, as far as ELEMENTS allows.
SHIFTS = range(-6, 7)
# Factors of the arguments of functions, besides 1; the last one is that of Planck's constant in quantum mechanics.
FACTORS = (sp.Rational(1, 2), sp.Integer(2), sp.pi, 1 / (2 * sp.pi))
# Powers of an element in a product, whole powers of an input, and the largest sum of their absolute values.
POWERS = (1, -1, sp.Rational(1, 2), -sp.Rational(1, 2), 2, -2)
WHOLE, LARGEST_SUM = (0, 1, -1, 2, -2), 4
HALF = (0, sp.Rational(1, 2), -sp.Rational(1, 2))
# The number of elements, the simplest ones, of which all products of two are terms.
MULTIPLIED = 30
# What an element, its inverse and another power of it cost for each element before it: the cheapest come first.
COSTS, DEAR = {1: 1.0, -1: 1.5}, 3.0
# Terms of which one is in every pair: the simplest elements, and those closest to the target. Terms left for triples.
SIMPLEST, CLOSEST, FOR_TRIPLES = 120, 80, 150
# Samples by which terms are screened.
SCREEN = 100
# The largest squared cosine between two features of a combination, and the number of combinations tried of each size.
PARALLEL, TRIED = 1 - 1e-7, 24
# Of a squared cosine. It is subtracted from gains, because it is large in those of nearly parallel features.
ROUND_OFF = 1e-14
# Terms screened together, and rows of their products with others: as many as a processor's cache holds.
CHUNK, ROWS = 4096, 16

FUNCTIONS: dict[str, tuple[tuple[Callable[[sp.Expr], sp.Expr], Callable[[Array], Array]], ...]] = {
    "sin": ((sp.sin, np.sin), (sp.cos, np.cos)),
    "exp": ((sp.exp, np.exp), (lambda e: sp.exp(-e), lambda v: np.exp(-v))),
    "log": ((sp.log, np.log),),
    "tanh": ((sp.tanh, np.tanh),),
}


class Feature:
    """An expression of the inputs and its values (n,) at samples.

    The expression is computed when it is read, because a search has thousands of features and reads a few.
    """

    def __init__(self, expression: sp.Expr | Callable[[], sp.Expr], values: Array) -> None:
        self._expression, self.values = expression, values

    @classmethod
    def of(cls, operation: Callable[..., Any], *parts: Feature) -> Feature:
        """Return an operation on features, which is the same on expressions and on values."""
        return cls(lambda: operation(*(part.expression for part in parts)), operation(*(part.values for part in parts)))

    def with_values(self, values: Array) -> Feature:
        """Return the same expression with other values, such as their logarithms."""
        return Feature(lambda: self.expression, values)

    @property
    def expression(self) -> sp.Expr:
        if not isinstance(self._expression, sp.Expr):
            self._expression = self._expression()
        return self._expression


@dataclass(frozen=True)
class Terms:
    """Products of one of the `elements` and one of the `monomials`, given by `pairs` (t, 2) of their numbers.

    `simple` are the numbers of the simplest products.
    """

    elements: tuple[Feature, ...]
    monomials: tuple[Feature, ...]
    pairs: Numbers
    simple: Numbers

    @classmethod
    def alone(cls, elements: Sequence[Feature]) -> Terms:
        """Return the elements themselves as terms."""
        numbers = np.arange(len(elements))
        one = Feature(sp.S.One, np.ones(len(elements[0].values)))
        return cls(tuple(elements), (one,), np.stack([numbers, 0 * numbers], axis=1), numbers[:SIMPLEST])

    def with_all_pairs(self) -> Terms:
        """Return the same products, of which each counts as one of the simplest, so that all pairs are tried."""
        return replace(self, simple=np.arange(len(self)))

    def __len__(self) -> int:
        return len(self.pairs)

    def feature(self, number: int) -> Feature:
        """Return one product."""
        a, b = self.elements[self.pairs[number, 0]], self.monomials[self.pairs[number, 1]]
        return Feature.of(operator.mul, a, b)

    def chunks(self, rows: int) -> Iterator[Array]:
        """Yield the values of the products at the first samples, (rows, t) for some products at a time."""
        first, second = (
            np.stack([each.values[:rows] for each in own], axis=1) for own in (self.elements, self.monomials)
        )
        for some in np.array_split(self.pairs, math.ceil(len(self) / CHUNK)):
            yield first[:, some[:, 0]] * second[:, some[:, 1]]


def distinct(features: Iterable[Feature], most: int, known: Iterable[Feature] = ()) -> list[Feature]:
    """Return the first `most` features that are finite, not constant and not multiples of others or of `known`."""
    seen = {fingerprint(each.values) for each in known}
    found: list[Feature] = []
    with np.errstate(all="ignore"):
        for each in features:
            if len(found) == most:
                break
            if not np.isfinite(each.values).all() or np.ptp(each.values) <= 1e-9 * np.abs(each.values).max():
                continue
            key = fingerprint(each.values)
            if key not in seen:
                seen.add(key)
                found.append(each)
    return found


def fingerprint(values: Array) -> bytes:
    """Return the same bytes for values that are multiples of each other."""
    few = values[:6] / np.linalg.norm(values)
    return bytes((np.round(few * (np.sign(few[np.abs(few).argmax()]) or 1), 9) + 0.0).tobytes())


def combined(a: Feature, b: Feature) -> Iterator[Feature]:
    """Yield sum, difference, product and quotients of two features."""
    for operation in (operator.add, operator.sub, operator.mul, operator.truediv):
        yield Feature.of(operation, a, b)
    yield Feature.of(operator.truediv, b, a)


def raised(feature: Feature, powers: Sequence[sp.Expr | int]) -> Iterator[Feature]:
    """Yield powers of a feature; they are not finite where they are not defined."""
    for power in powers:
        yield feature if power == 1 else raised_to(feature, power)


def raised_to(feature: Feature, power: sp.Expr | int) -> Feature:
    """Return one power of a feature."""
    return Feature(lambda: feature.expression**power, feature.values ** float(power))


def arguments(inputs: Sequence[Feature]) -> tuple[list[Feature], int]:
    """Return the inputs, combinations of two, combinations of these with an input, and the number of those before."""

    def simplest() -> Iterator[Feature]:
        yield from inputs
        for each in inputs:
            yield from raised(each, (2, -1, sp.Rational(1, 2)))
        for a, b in itertools.combinations(inputs, 2):
            yield from combined(a, b)

    second = distinct(simplest(), ARGUMENTS)

    def further() -> Iterator[Feature]:
        yield from second
        yield from (one for each in second for one in raised(each, (2,)))
        yield from products_of_shifted(inputs, (-1, 1))
        pairs = [*itertools.product(second, inputs)]
        yield from (one for a, b in pairs for one in itertools.islice(combined(a, b), 2))  # sums and differences
        for a, b in pairs:
            yield from combined(a, b)

    return distinct(further(), ARGUMENTS), len(second)


def products_of_shifted(inputs: Sequence[Feature], numbers: Sequence[int]) -> Iterator[Feature]:
    """Yield (a − 1) (b − 1) and the like, with these whole numbers."""
    for a, b in itertools.combinations(inputs, 2):
        for p, q in itertools.product(numbers, repeat=2):
            yield Feature.of(partial(product_of_shifted, p, q), a, b)


def product_of_shifted(p: int, q: int, a: Any, b: Any) -> Any:
    """Return (a + p) (b + q)."""
    return (a + p) * (b + q)


def elements(inputs: Sequence[Feature], allowed: Sequence[str] | None) -> list[Feature]:
    """Return arguments, their distances from 1 and functions of them, the simplest first."""
    inner, count = arguments(inputs)

    def of(arguments: Sequence[Feature], factors: Sequence[sp.Expr]) -> Iterator[Feature]:
        for name, pair in FUNCTIONS.items():
            if allowed is None or name in allowed:
                for each, (symbolic, numeric), factor in itertools.product(arguments, pair, factors):
                    scaled = float(factor) * each.values
                    most = LARGEST_ANGLE if name == "sin" else LARGEST
                    if name == "log" or np.abs(scaled).max() <= most:
                        yield applied(symbolic, factor, each, numeric(scaled))

    def shifted(features: Iterable[Feature]) -> Iterator[Feature]:
        for each in features:
            yield Feature.of(partial(operator.sub, 1), each)
            yield Feature.of(partial(operator.add, 1), each)

    def multiplied(features: Sequence[Feature]) -> Iterator[Feature]:
        for a, b in itertools.combinations(features, 2):
            for p, q in ((1, 1), (1, 2), (2, 1), (2, 2)):
                yield Feature.of(operator.mul, *raised(a, (p,)), *raised(b, (q,)))

    one, few = (sp.S.One,), inner[:count]
    direct = distinct(of(inputs, one), ELEMENTS)
    squares = (square for each in few for square in raised(each, (2,)))
    plain = distinct(of(few, one), ELEMENTS)
    every = itertools.chain(
        inputs,
        direct,
        few,
        squares,
        plain,
        shifted(plain),
        inner,
        of(few, FACTORS),
        of(inner, one),
        shifted(inner),
        of(distinct(products_of_shifted(inputs, SHIFTS), ARGUMENTS), one),
        shifted(multiplied(direct)),
        shifted(of(inner, one)),
    )
    return distinct(every, ELEMENTS)


def applied(function: Callable[[sp.Expr], sp.Expr], factor: sp.Expr, argument: Feature, values: Array) -> Feature:
    """Return a function of a multiple of an argument, with these values."""
    return Feature(lambda: function(factor * argument.expression), values)


def monomials(inputs: Sequence[Feature]) -> list[Feature]:
    """Return 1 and products of powers of the inputs, those of small powers first."""
    one = Feature(sp.S.One, np.ones(len(inputs[0].values)))
    choices = [p for own in (WHOLE, HALF) for p in itertools.product(own, repeat=len(inputs))]
    simple = [p for p in choices if 0 < sum(abs(e) for e in p) <= LARGEST_SUM or max(map(abs, p)) == 1]
    products = sorted(simple, key=lambda p: (sum(abs(e) for e in p), any(e < 0 for e in map(float, p))))

    def product(powers: Sequence[sp.Expr | int]) -> Feature:
        values = np.prod([x.values ** float(p) for x, p in zip(inputs, powers, strict=True)], axis=0)
        return Feature(lambda: sp.Mul(*(x.expression**p for x, p in zip(inputs, powers, strict=True))), values)

    with np.errstate(all="ignore"):
        return [one, *distinct(map(product, products), TERMS)]


def terms(found: Sequence[Feature], inputs: Sequence[Feature]) -> Terms:
    """Return the products of powers of elements, and of two elements, with monomials."""
    own = monomials(inputs)

    def powers() -> Iterator[Feature]:
        """Yield elements, their powers and products of two, the simplest first."""
        entries: list[tuple[float, tuple[int, ...], sp.Expr | int]]
        entries = [(COSTS.get(power, DEAR) * k, (k,), power) for k in range(len(found)) for power in POWERS]
        pairs = itertools.combinations(range(min(MULTIPLIED, len(found))), 2)
        entries += [((i + 1) * (j + 1), (i, j), 1) for i, j in pairs]
        for _, chosen, power in sorted(entries, key=lambda entry: entry[0]):
            if len(chosen) == 1:
                yield from raised(found[chosen[0]], (power,))
            else:
                a, b = (found[k] for k in chosen)
                yield Feature.of(operator.mul, a, b)

    with np.errstate(all="ignore"):
        every = [own[0], *distinct(powers(), 3 * ELEMENTS)]
    pairs, given = simplest(len(every), len(own)), {id(each) for each in found}
    alone = (k for k in np.flatnonzero(pairs[:, 1] == 0) if id(every[pairs[k, 0]]) in given)
    return Terms(tuple(every), tuple(own), pairs, np.array([*itertools.islice(alone, SIMPLEST)]))


def simplest(elements: int, monomials: int) -> Numbers:
    """Return the pairs of numbers (t, 2) below these with the smallest products, a hyperbolic cross, without (0, 0)."""
    costs = np.outer(np.arange(1, elements + 1), np.arange(1, monomials + 1))
    order = np.argsort(costs, axis=None, kind="stable")[1 : TERMS + 1]
    return np.stack(np.unravel_index(order, costs.shape), axis=1)


@dataclass
class Screened:
    """What is left of the terms for one target: the closest ones, and the best pairs with their gains."""

    closest: Numbers
    pairs: list[tuple[float, int, int]]

    def combinations(self) -> list[tuple[int, ...]]:
        """Return single terms, then pairs, the best first."""
        best = sorted(self.pairs, key=lambda entry: -entry[0])[:TRIED]
        return [*((int(k),) for k in self.closest[:TRIED]), *((i, j) for _, i, j in best)]


def screened(all_terms: Terms, base: Array, targets: Array) -> list[Screened]:
    """Return the terms and pairs of terms closest to each target (n, g), apart from the columns of `base` (n, b)."""
    rows = min(SCREEN, len(base))
    q, _ = np.linalg.qr(base[:rows])
    rest = unit(q, targets[:rows])
    cosines = np.concatenate([unit(q, values).T @ rest for values in all_terms.chunks(rows)])
    closest = [np.argsort(-np.abs(each), kind="stable")[: max(CLOSEST, FOR_TRIPLES)] for each in cosines.T]
    found = [Screened(each, []) for each in closest]
    anchors = [np.unique(np.concatenate([all_terms.simple, each[:CLOSEST]])) for each in closest]
    every = np.unique(np.concatenate(anchors))
    parts = np.stack([all_terms.feature(int(k)).values[:rows] for k in every], axis=1)
    parts, start = unit(q, parts), 0
    places = [np.searchsorted(every, own) for own in anchors]
    for values in all_terms.chunks(rows):
        gram = parts.T @ unit(q, values)
        stop = start + values.shape[1]
        for g, (own, place) in enumerate(zip(anchors, places, strict=True)):
            for gain, i, j in best_pairs(gram[place], cosines[own, g], cosines[start:stop, g], 4):
                found[g].pairs.append((gain, int(own[i]), start + j))
        start = stop
    return found


def outside(q: Array, values: Array) -> Array:
    """Return the values without their parts in the span of orthonormal columns."""
    left = values - q @ (q.T @ values)
    return np.asarray(left - q @ (q.T @ left))


def unit(q: Array, values: Array) -> Array:
    """Return columns outside the span of q, with the norm one; zero for those that are inside it."""
    with np.errstate(all="ignore"):
        scaled = np.nan_to_num(values / np.linalg.norm(values, axis=0), nan=0.0, posinf=0.0, neginf=0.0)
        left = outside(q, scaled)
        norm = np.linalg.norm(left, axis=0)
    return np.where(norm > 1e-7, left / np.maximum(norm, 1e-300), 0.0)


def triples(values: Array, rest: Array) -> list[tuple[int, ...]]:
    """Return the best triples of orthogonalised columns (n, m) for the rest (n,)."""
    cosines, found = values.T @ rest, []
    for k in range(values.shape[1]):
        turned = unit(values[:, k : k + 1], values)
        slopes = turned.T @ (rest - values[:, k] * cosines[k])
        for gain, i, j in best_pairs(turned.T @ turned, slopes, slopes, 1):
            found.append((gain + cosines[k] ** 2, tuple(sorted({k, i, j}))))
    found.sort(key=lambda entry: -entry[0])
    return list(dict.fromkeys(entry[1] for entry in found))[:TRIED]


def best_pairs(gram: Array, first: Array, second: Array, count: int) -> list[tuple[float, int, int]]:
    """Return (gain, i, j) of the pairs that explain most of a rest.

    `gram` (a, t) has the products of unit columns, and `first` (a,) and `second` (t,) their products with the rest.
    """
    found = []
    for start in range(0, len(gram), ROWS):
        gain = gains(gram[start : start + ROWS], first[start : start + ROWS], second)
        best = gain.argmax(axis=1)
        found += [(float(row[j]), start + i, int(j)) for i, (row, j) in enumerate(zip(gain, best, strict=True))]
    return sorted(found, reverse=True)[:count]


def gains(gram: Array, first: Array, second: Array) -> Array:
    """Return the share (a, t) of a squared rest that each pair explains, 0 for pairs that are nearly parallel."""
    apart = np.square(gram)
    np.subtract(1, apart, out=apart)
    gain = second * gram
    np.subtract(first[:, None], gain, out=gain)
    np.square(gain, out=gain)
    gain -= ROUND_OFF
    with np.errstate(all="ignore"):
        gain /= apart
    gain += second**2
    gain[apart <= 1 - PARALLEL] = 0.0
    return gain
