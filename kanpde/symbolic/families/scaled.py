"""Functions of data that keep their form if inputs are scaled, u = Π x_i^{e_i} f(z_1, …), by Buckingham's theorem.

If Σ a_i x_i u_i = b u everywhere, u is multiplied by λ^b where every x_i is multiplied by λ^{a_i}, as quantities are in
other units. With r such scalings, u is a product of powers times a function of fewer variables z_k, which are products
of powers that no scaling changes (E. Buckingham, Phys. Rev. 4 (1914) 345). The scalings come from the network's
derivatives; the samples decide on f, so a wrong scaling costs time only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.expressions import symbols
from kanpde.symbolic.clock import Clock
from kanpde.symbolic.families.proposal import Proposal
from kanpde.symbolic.families.rational import rational
from kanpde.symbolic.families.sparse import Samples, of_samples, proposed
from kanpde.symbolic.structure.features import Feature
from kanpde.symbolic.structure.sampled import Sampled

# The largest exponent of an input in a scaling, in a variable that it keeps, and in the product of powers.
LARGEST = 2
# Multiples of the field's error that may be left of a scaling, relative to u, and the most that may be left.
BEYOND, MOST = 20.0, 0.2


@dataclass(frozen=True)
class Reduced(Sampled):
    """A field u / m as a function of fewer variables, whose values at the points of the grid are `places`."""

    places: tuple[Array, ...]

    @property
    def coordinates(self) -> tuple[Array, ...]:
        return self.places


def scaled(found: Sampled, given: Samples, clock: Clock) -> Iterator[Proposal]:
    """Yield proposals for functions of the variables that all scalings keep, for the likeliest numbers of scalings."""
    signed = [axis for axis, each in enumerate(given.inputs) if each.values.min() > 0 or each.values.max() < 0]
    known, left = scalings(found, signed)
    number = number_of_scalings(left, min(BEYOND * found.error, MOST))
    if number:
        yield from of_variables(found, given, clock, known[:number])


def number_of_scalings(left: Array, most: float) -> int:
    """Return the number of scalings that leave at most so much, and after which much more is left."""
    jumps = {k: left[k] / max(left[k - 1], 1e-300) for k in range(1, len(left)) if left[k - 1] <= most}
    return max(jumps, key=lambda k: jumps[k], default=0)


def scalings(found: Sampled, axes: Sequence[int]) -> tuple[Array, Array]:
    """Return independent (a_1, …, a_d, b), the best first, and what is left of Σ a_i x_i u_i − b u, relative to u."""
    exponents = np.array([each for each in small(found.dimension, axes) if each[each != 0][0] > 0])
    columns = [x * slope for x, slope in zip(found.coordinates, found.first, strict=True)]
    weighted = np.stack([(np.sqrt(found.weight) * each).ravel() for each in (*columns, found.values)], axis=1)
    gram = weighted.T @ weighted
    if not len(exponents) or not gram[-1, -1] > 0:
        return np.zeros((0, found.dimension + 1)), np.zeros(0)
    degrees = np.round(2 * exponents @ gram[:-1, -1] / gram[-1, -1]) / 2
    every = np.column_stack([exponents, -degrees])
    squares = np.einsum("ki,ij,kj->k", every, gram, every) / gram[-1, -1] / np.sum(exponents**2, axis=1)
    left = np.sqrt(np.maximum(squares, 0))
    order = np.argsort(left, kind="stable")
    chosen = order[independent(exponents[order])]
    return np.column_stack([exponents, degrees])[chosen], left[chosen]


def of_variables(found: Sampled, given: Samples, clock: Clock, known: Array) -> Iterator[Proposal]:
    """Yield proposals for a field with these scalings (r, d + 1)."""
    dimension = found.dimension
    axes = np.flatnonzero(np.any(known[:, :-1] != 0, axis=0))
    rest = [row for row in np.eye(dimension) if not np.any(row[axes])]
    kept = [each for each in small(dimension, axes) if not np.any(known[:, :-1] @ each)]
    kept.sort(key=lambda each: (np.abs(each).sum(), (each < 0).sum()))
    every = np.array([*rest, *kept])
    powers = every[independent(every)]
    factors = [each for each in small(dimension, axes, zero=True) if np.allclose(known[:, :-1] @ each, known[:, -1])]
    if len(powers) != dimension - len(known) or not factors:
        return
    factor = min(factors, key=lambda each: (np.abs(each).sum(), (each < 0).sum()))
    names = tuple(f"z{k}" for k in range(len(powers)))
    inputs = [each.expression for each in given.inputs]
    monomial, *variables = (product(inputs, each) for each in (factor, *powers))
    back = dict(zip(symbols(names), variables, strict=True))
    for proposal in of_reduced(
        reduced(found, names, factor, powers), reduced_samples(given, names, factor, powers), clock
    ):
        whole = proposed(
            f"scaled, {proposal.family}", found, monomial * proposal.expression.xreplace(back), {**proposal.constants}
        )
        if whole is not None:
            yield whole


def of_reduced(field: Sampled, samples: Samples, clock: Clock) -> Iterator[Proposal]:
    """Yield what the families for data propose for the function of fewer variables."""
    yield from rational(field, samples, roots=False)
    yield from of_samples(field, samples, clock)
    yield from rational(field, samples, roots=True)


def reduced(found: Sampled, names: tuple[str, ...], factor: Array, powers: Array) -> Reduced:
    """Return the field over its factor in the variables, with its first derivatives by them."""
    places = tuple(raised(found.coordinates, each) for each in powers)
    values = found.values / raised(found.coordinates, factor)
    with np.errstate(all="ignore"):
        logarithmic = [x * slope / found.values for x, slope in zip(found.coordinates, found.first, strict=True)]
    own = np.tensordot(np.linalg.pinv(powers).T, np.stack(logarithmic) - factor.reshape(-1, *[1] * values.ndim), axes=1)
    first = tuple(np.nan_to_num(values * each / z) for each, z in zip(own, places, strict=True))
    nodes = tuple(each.ravel() for each in places)
    return Reduced(names, nodes, found.weights, values, first, first, found.error, places)


def reduced_samples(given: Samples, names: tuple[str, ...], factor: Array, powers: Array) -> Samples:
    """Return the samples of the same function."""
    columns = [each.values for each in given.inputs]
    inputs = [Feature(z, raised(columns, each)) for z, each in zip(symbols(names), powers, strict=True)]
    return replace(given, inputs=tuple(inputs), values=given.values / raised(columns, factor))


def small(dimension: int, axes: Iterable[int], *, zero: bool = False) -> Iterator[Array]:
    """Yield vectors (d,) of small whole numbers on some axes, with zeros for the others."""
    for chosen in itertools.product(range(-LARGEST, LARGEST + 1), repeat=len(own := list(axes))):
        if zero or (any(chosen) and math.gcd(*chosen) == 1):
            vector = np.zeros(dimension)
            vector[own] = chosen
            yield vector


def independent(rows: Array) -> list[int]:
    """Return the numbers of the rows that are no combination of those before."""
    found: list[int] = []
    for k in range(len(rows)):
        if len(found) < rows.shape[1] and np.linalg.matrix_rank(rows[[*found, k]]) > len(found):
            found.append(k)
    return found


def raised(columns: Sequence[Array], powers: Array) -> Array:
    """Return the product of powers of arrays."""
    return math.prod((x ** float(p) for x, p in zip(columns, powers, strict=True) if p), start=np.ones_like(columns[0]))


def product(inputs: Sequence[sp.Expr], powers: Array) -> sp.Expr:
    """Return the product of powers of inputs."""
    return sp.Mul(*(x ** int(p) for x, p in zip(inputs, powers, strict=True)))
