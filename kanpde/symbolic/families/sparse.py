"""Functions of data as sparse combinations of features: G(u) = c₀ + Σ c_k t_k, or u = c Π x_i^{p_i} Π e_k^{q_k}.

The samples themselves decide, and not the network that was fitted to them, so without noise a combination fits to
round-off or not at all; with noise the shortest description is the best. G is the inverse of an outer function; the t_k
are products of powers of inputs and a function of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.expressions import symbols
from kanpde.symbolic.clock import Clock
from kanpde.symbolic.constants.description_length import length_of
from kanpde.symbolic.families.proposal import Constants, Proposal, constant, evaluated
from kanpde.symbolic.structure.features import (
    FOR_TRIPLES,
    Feature,
    Screened,
    Terms,
    distinct,
    elements,
    screened,
    terms,
    triples,
    unit,
)
from kanpde.symbolic.structure.outer_functions import OUTER
from kanpde.symbolic.structure.sampled import Sampled
from kanpde.symbolic.structure.span_search import criterion

Wrap = Callable[[sp.Expr], sp.Expr]

# Samples that decide, and those without which there is no search.
SAMPLES, FEWEST = 300, 30
# The relative residual at which a combination fits the samples; a larger one is accepted up to the field's error.
EXACT = 1e-8
# Proposals with a larger residual than EXACT that are kept of one outer function.
KEPT = 2
# The relative error above which samples are taken as noisy, and multiples of it that a combination may leave.
NOISY, SLACK = 1e-3, 2.0
# The share of the time after which other families have their turn.
SHARE = 0.5
# The closest and the simplest features with which a pursuit begins.
FIRST = 8
# The largest number of inputs whose products of two are among the polynomials that every sum may have.
FEW_INPUTS = 5
# Exponents that are fractions with a denominator of at most DENOMINATOR within NEAR are these fractions.
DENOMINATOR, NEAR = 3, 1e-5
# The coefficient of a constant term, relative to the largest term, below which it is left out.
NOTHING = 1e-9


@dataclass(frozen=True)
class Samples:
    """The inputs and values of a function at samples, with their relative error."""

    inputs: tuple[Feature, ...]
    values: Array
    error: float
    allowed: Sequence[str] | None = None

    @cached_property
    def elements(self) -> list[Feature]:
        """The simplest functions of the inputs."""
        with np.errstate(all="ignore"):
            return elements(self.inputs, self.allowed)

    @property
    def noisy(self) -> bool:
        """True if the error may be that of the samples and not of the network."""
        return self.error > NOISY

    @property
    def tolerance(self) -> float:
        """The relative residual up to which a combination is a proposal."""
        return max(EXACT, SLACK * self.error if self.noisy else self.error)

    @classmethod
    def of(
        cls, names: Sequence[str], points: Array, values: Array, error: float, allowed: Sequence[str] | None
    ) -> Samples:
        """Return samples (n, d), (n,), at most `SAMPLES` of them."""
        picked = np.random.default_rng(0).permutation(len(points))[:SAMPLES]
        inputs = (Feature(x, column) for x, column in zip(symbols(names), points[picked].T, strict=True))
        return cls(tuple(inputs), values[picked], error, allowed)


@dataclass(frozen=True)
class Outer:
    """G(u) at the samples, and its inverse in SymPy."""

    name: str
    values: Array
    back: Wrap


def outer_values(given: Samples) -> Iterator[Outer]:
    """Yield u itself, u over each input, and its images under inverses of outer functions that are defined."""
    u = given.values
    yield Outer("u", u, lambda w: w)
    for each in given.inputs if len(given.inputs) > 1 else ():
        if np.abs(each.values).min() > 0:
            yield Outer(f"u/{each.expression}", u / each.values, lambda w, x=each.expression: x * w)  # type: ignore[misc]
    for sign in (1, -1):
        for outer in OUTER:
            if outer.name in ("log u", "1/u", "u^2", "sqrt u", "exp u") and outer.fits(sign * u):
                yield Outer(outer.name, outer.forward(sign * u)[0], lambda w, s=sign, o=outer: s * o.back(w))  # type: ignore[misc]
        # Numbers of particles after Bose and Einstein, and after Fermi and Dirac: 1/(e^w − 1) and 1/(e^w + 1).
        if (sign * u).min() > 0:
            yield Outer("log(1 + 1/u)", np.log1p(1 / (sign * u)), lambda w, s=sign: s / (sp.exp(w) - 1))  # type: ignore[misc]
        if (sign * u).min() > 0 and (sign * u).max() < 1:
            yield Outer("log(1/u - 1)", np.log(1 / (sign * u) - 1), lambda w, s=sign: s / (sp.exp(w) + 1))  # type: ignore[misc]
    if u.min() > 0:
        yield Outer("1/u^2", u**-2.0, lambda w: 1 / sp.sqrt(w))
    if np.abs(u).max() <= np.pi / 2:
        yield Outer("sin u", np.sin(u), sp.asin)
    if u.min() >= 0 and u.max() <= np.pi:
        yield Outer("cos u", np.cos(u), sp.acos)
    if np.abs(u).max() < np.pi / 2:
        yield Outer("tan u", np.tan(u), sp.atan)


def of_samples(found: Sampled, given: Samples, clock: Clock) -> Iterator[Proposal]:
    """Yield proposals for a function that is known at samples: all that fit to round-off, then approximations."""
    if len(given.values) < FEWEST or not np.ptp(given.values) > 0:
        return
    approximate: list[Proposal] = []
    with np.errstate(all="ignore"):
        for some in passes(found, given, clock):
            for exact, proposal in some:
                if exact:
                    yield proposal
                else:
                    approximate.append(proposal)
    yield from sorted(approximate, key=lambda each: each.score)


def passes(found: Sampled, given: Samples, clock: Clock) -> Iterator[Iterator[tuple[bool, Proposal]]]:
    """Yield products and sums with whether they are exact: sums with the inputs, then with polynomials of them."""
    yield products(found, given)
    own = terms(given.elements, given.inputs)
    outers, count = list(outer_values(given)), len(given.values)
    bases = [constant_and(given.inputs, count), constant_and(polynomials(given.inputs), count)]
    # A part that every sum may have takes the noise, and what is left of a term is below it.
    for parts in [constant_and((), count), *bases] if given.noisy else bases:
        base = np.stack([each.values for each in parts], axis=1)
        screens = screened(own, base, np.stack([each.values for each in outers], axis=1))
        yield itertools.chain.from_iterable(
            sums(found, given, own, screen, outer, parts)
            for outer, screen in zip(outers, screens, strict=True)
            if outer is outers[0] or clock.passed <= SHARE * clock.seconds
        )
        if clock.passed > SHARE * clock.seconds:
            return


def constant_and(features: Sequence[Feature], count: int) -> list[Feature]:
    """Return 1 and the features."""
    return [Feature(sp.S.One, np.ones(count)), *features]


def polynomials(inputs: Sequence[Feature]) -> list[Feature]:
    """Return the inputs, their squares and cubes, and products of two."""
    powers = [Feature(x.expression**k, x.values**k) for k in (1, 2, 3) for x in inputs]
    pairs = itertools.combinations(inputs, 2) if len(inputs) <= FEW_INPUTS else ()
    return [*powers, *(Feature(a.expression * b.expression, a.values * b.values) for a, b in pairs)]


def combinations(own: Terms, screen: Screened, base: Array, target: Array) -> Iterator[tuple[Feature, ...]]:
    """Yield features, pairs and triples of features, the most promising ones of each."""
    for numbers in screen.combinations():
        yield tuple(own.feature(k) for k in numbers)
    few = [own.feature(int(k)) for k in screen.closest[:FOR_TRIPLES]]
    q, _ = np.linalg.qr(base)
    values = unit(q, np.stack([each.values for each in few], axis=1))
    for chosen in triples(values, unit(q, target[:, None])[:, 0]):
        yield tuple(few[k] for k in chosen)


def pursued(own: Terms, screen: Screened, base: Array, target: Array) -> Iterator[tuple[Feature, ...]]:
    """Yield the closest and the simplest features, each with features and pairs closest to what it leaves.

    A factor that changes little is close to what the others leave, and not to the target. This is matching pursuit:
    Mallat and Zhang, IEEE Trans. Signal Process. 41 (1993) 3397.
    """
    for number in dict.fromkeys([*screen.closest[:FIRST], *own.simple[:FIRST]]):
        first = own.feature(int(number))
        (rest,) = screened(own, np.column_stack([base, first.values]), target[:, None])
        for numbers in rest.combinations():
            yield first, *(own.feature(k) for k in numbers)


def sums(
    found: Sampled, given: Samples, own: Terms, screen: Screened, outer: Outer, base: Sequence[Feature]
) -> Iterator[tuple[bool, Proposal]]:
    """Yield G(u) = Σ c_k t_k with some of the terms and the `base`, and whether it is exact."""
    size = float(np.linalg.norm(outer.values))
    columns = np.stack([each.values for each in base], axis=1)
    fits = []
    for chosen in combinations(own, screen, columns, outer.values):
        design = np.column_stack([columns, *(each.values for each in chosen)])
        coefficients, left = solved(design, outer.values)
        if left <= given.tolerance * size:
            fits.append((left, design, coefficients, chosen))
        if left <= EXACT * size:
            break

    def length(fit: tuple[float, Array, Array, tuple[Feature, ...]]) -> float:
        terms = sum(length_of(each.expression) + np.log(len(fit[1])) for each in fit[3])
        return float(len(fit[1]) * np.log(max(fit[0] / size, EXACT)) + terms)

    for left, design, coefficients, chosen in sorted(fits, key=length)[:KEPT]:
        expression, constants = added([each.expression for each in (*base, *chosen)], design, coefficients)
        whole, constants = mapped_back(outer, expression, constants)
        proposal = proposed(f"{outer.name} of a sum", found, whole, constants)
        exact = left <= EXACT * size
        if proposal is not None:
            yield exact, proposal
        if exact:
            return


def mapped_back(outer: Outer, expression: sp.Expr, constants: Constants) -> tuple[sp.Expr, Constants]:
    """Return u from the sum w = G(u); an addend under an exponential becomes a factor, whose number is simpler."""
    addends = [symbol for symbol in constants if sp.diff(expression, symbol) == 1]
    if outer.name != "log u" or not addends:
        return outer.back(expression), constants
    (addend,) = addends
    return addend * outer.back(expression - addend), {**constants, addend: float(np.exp(constants[addend]))}


def added(expressions: Sequence[sp.Expr], design: Array, coefficients: Array) -> tuple[sp.Expr, Constants]:
    """Return the sum of the terms that are not negligible, with their coefficients as constants."""
    sizes = np.abs(coefficients) * np.linalg.norm(design, axis=0)
    constants: Constants = {}
    total = sp.S.Zero
    for expression, value, size in zip(expressions, coefficients, sizes, strict=True):
        if size > NOTHING * sizes.max():
            symbol = constant(len(constants))
            constants[symbol] = float(value)
            total += symbol * expression
    return total, constants


def products(found: Sampled, given: Samples) -> Iterator[tuple[bool, Proposal]]:
    """Yield u = c Π x_i^{p_i} Π e_k^{q_k}, from the logarithms of absolute values, and whether it is exact."""
    size = np.abs(given.values)
    usable = [each for each in given.inputs if np.abs(each.values).min() > 0]
    if not size.min() > 1e-12 * size.max():
        return
    sizes = map(absolute, given.elements)
    own = distinct((each.with_values(np.log(each.values)) for each in sizes), len(given.elements))
    base = np.stack([np.ones(len(size)), *(np.log(np.abs(each.values)) for each in usable)], axis=1)
    target = np.log(size)
    spread = float(np.linalg.norm(target - target.mean()))
    if given.noisy:
        # Errors of u, and not of its logarithm, are of the same size everywhere.
        weight = size / np.sqrt(np.mean(size**2))
        own = [each.with_values(weight * each.values) for each in own]
        base, target, spread = weight[:, None] * base, weight * target, len(size) ** 0.5
    every = Terms.alone(own)
    (screen,) = screened(every.with_all_pairs(), base, target[:, None])
    more = pursued(every, screen, base, target)
    for chosen in itertools.chain([()], combinations(every, screen, base, target), more):
        parts = [*usable, *chosen]
        columns = np.column_stack([base, *(each.values for each in parts[len(usable) :])])
        coefficients, left = solved(columns, target)
        if left > given.tolerance * spread:
            continue
        expression, constants = multiplied([each.expression for each in parts], coefficients, given)
        proposal = proposed("a product of powers", found, expression, constants)
        if proposal is not None:
            yield left <= EXACT * spread, proposal
        if left <= EXACT * spread:
            return


def absolute(feature: Feature) -> Feature:
    """Return the absolute values of a feature, and the negative expression of a negative one, which has roots."""
    if feature.values.max() < 0:
        return Feature(lambda: -feature.expression, -feature.values)
    return feature.with_values(np.abs(feature.values))


def multiplied(factors: Sequence[sp.Expr], exponents: Array, given: Samples) -> tuple[sp.Expr, Constants]:
    """Return c Π f_k^{p_k}; simple fractions are exact exponents, the others constants."""
    constants: Constants = {constant(0): float(np.exp(exponents[0]))}
    whole = sp.S.One
    for factor, value in zip(factors, exponents[1:], strict=True):
        simple = sp.Rational(str(round(6 * value))) / 6
        if abs(float(simple) - value) > (given.error if given.noisy else NEAR) or simple.q > DENOMINATOR:
            symbol = constant(len(constants))
            constants[symbol] = float(value)
            whole *= raised_to(factor, symbol)
        else:
            whole *= raised_to(factor, simple)
    names = {each.expression.name: each.values for each in given.inputs}
    ratio = np.median(given.values / evaluated(whole, {k: v for k, v in constants.items() if k != constant(0)}, names))
    if np.isfinite(ratio):
        constants[constant(0)] = float(ratio)
    return constant(0) * whole, constants


def raised_to(factor: sp.Expr, power: sp.Expr) -> sp.Expr:
    """Return a power; that of an exponential is an exponential."""
    return sp.exp(power * factor.args[0]) if isinstance(factor, sp.exp) else factor**power


def solved(design: Array, target: Array) -> tuple[Array, float]:
    """Return the coefficients of a least-squares fit and the norm of what it leaves."""
    scale = np.linalg.norm(design, axis=0)
    coefficients = np.linalg.lstsq(design / scale, target, rcond=1e-14)[0] / scale
    return coefficients, float(np.linalg.norm(target - design @ coefficients))


def proposed(family: str, found: Sampled, expression: sp.Expr, constants: Constants) -> Proposal | None:
    """Return the proposal with its misfit, or None if it is not finite on the grid of the field."""
    columns = dict(zip(found.names, found.coordinates, strict=True))
    misfit = found.norm(evaluated(expression, constants, columns) - found.values) / max(found.norm(), 1e-300)
    if not np.isfinite(misfit):
        return None
    return Proposal(
        family, expression, constants, misfit, criterion(misfit, len(constants), len(found.nodes[0]), found.error)
    )
