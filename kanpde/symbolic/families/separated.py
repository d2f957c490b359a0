"""Sums of products of functions of one coordinate each: u = Σ C_ij… φ_i(x) ψ_j(t) …"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.expressions import symbols
from kanpde.symbolic.families.nested import nested
from kanpde.symbolic.families.proposal import Constants, Proposal, evaluated, linear, placeholder
from kanpde.symbolic.structure.atoms import Basis
from kanpde.symbolic.structure.factors import Subspace, spectrum, subspace, tails
from kanpde.symbolic.structure.sampled import Sampled
from kanpde.symbolic.structure.span_search import closed, ranked, searched
from kanpde.symbolic.structure.variable_projection import Fit

# The largest rank that is guessed, and the largest that the error determines (a Fourier sum of six waves).
LARGEST_RANK, MOST_CERTAIN = 4, 6
# The largest number of products of spans, and the largest number of columns in a design matrix.
COMBINED, LARGEST_DESIGN = 12, 80
# Spans kept on one axis, and the misfit of the best one, in errors, above which compositions are searched too.
KEPT, BEYOND = 6, 30.0
# Points of the grid in the least-squares problem for the coefficients.
POINTS = 1024


def ranks(field: Sampled) -> list[tuple[int, ...]]:
    """Return the ranks along all axes by three rules: at the error, at the widest gap of each spectrum, at ten errors.

    The last rule covers equations that amplify a residual, because the error is estimated from residuals.
    """
    found = []
    for choose, largest in ((at_error, MOST_CERTAIN), (at_gap, LARGEST_RANK), (at_ten_errors, LARGEST_RANK)):
        chosen = tuple(choose(field, axis) for axis in range(field.dimension))
        if chosen not in found and max(chosen) <= largest:
            found.append(chosen)
    return found


def at_error(field: Sampled, axis: int, times: float = 1.0) -> int:
    """Return the smallest rank whose tail is at most 3 · `times` errors."""
    left = tails(spectrum(field, axis))
    return max(1, int(np.argmax(left <= 3 * times * field.error)))


def at_ten_errors(field: Sampled, axis: int) -> int:
    """Return the smallest rank whose tail is at most 30 errors."""
    return at_error(field, axis, 10.0)


def at_gap(field: Sampled, axis: int) -> int:
    """Return the rank up to `LARGEST_RANK` with the largest ratio of its singular value to the next."""
    singular = np.maximum(spectrum(field, axis)[: LARGEST_RANK + 1], 1e-16)
    return 1 if len(singular) < 2 else 1 + int(np.argmax(singular[:-1] / singular[1:]))


class Separation:
    """The proposals of separated form for a field of any plausible rank; `wrap` maps it back to the solution.

    `prefactors` maps an axis to a function of VARIABLE that all factors of that axis may share; `compositions` says
    whether factors may be functions of functions.
    """

    def __init__(
        self,
        field: Sampled,
        family: str,
        wrap: Callable[[sp.Expr], sp.Expr] = lambda w: w,
        prefactors: Mapping[int, sp.Expr] = MappingProxyType({}),
        compositions: bool = True,
    ) -> None:
        self.field, self.family, self.wrap, self.prefactors = field, family, wrap, prefactors
        self.compositions = compositions
        self.ranks = ranks(field)
        self._spaces = {(a, r): subspace(field, a, r) for chosen in self.ranks for a, r in enumerate(chosen)}

    @functools.cached_property
    def _closed(self) -> dict[tuple[int, int], list[Fit]]:
        return {key: self._read(space, self.prefactors.get(key[0])) for key, space in self._spaces.items()}

    def _read(self, space: Subspace, prefactor: sp.Expr | None) -> list[Fit]:
        """Return spans from relations between derivatives, and compositions too if all misfits are large."""
        error = self.field.error
        found = closed(space, error, prefactor)
        if self.compositions and min((f.misfit for f in found), default=1.0) > BEYOND * error:
            found = ranked([*found, *nested(space, error)], len(space.nodes), error, KEPT)
        return found

    def quick(self) -> Iterator[Proposal]:
        """Yield proposals from relations between factors and their derivatives only, the most promising first."""
        yield from self._proposals(self._closed)

    def thorough(self, bases: Sequence[Basis]) -> Iterator[Proposal]:
        """Yield proposals from a search over these bases too."""
        found = {key: searched(space, bases, self.field.error) for key, space in self._spaces.items()}
        yield from self._proposals({key: self._merged(key, fits) for key, fits in found.items()})

    def _merged(self, key: tuple[int, int], fits: list[Fit]) -> list[Fit]:
        return ranked([*self._closed[key], *fits], len(self._spaces[key].nodes), self.field.error, KEPT)

    def _proposals(self, spans: Mapping[tuple[int, int], list[Fit]]) -> Iterator[Proposal]:
        for chosen in self.ranks:
            for fits in _best_products([spans[key] for key in enumerate(chosen)]):
                found = product(self.field, fits, f"{self.family}, rank {max(chosen)}", self.wrap)
                if found is not None:
                    yield found


def _best_products(spans: list[list[Fit]]) -> list[tuple[Fit, ...]]:
    """Return choices of one span per axis, ordered by the sum of their positions in the lists."""
    places = itertools.product(*(range(len(fits)) for fits in spans))
    best = sorted(places, key=lambda places: (sum(places), max(places)))[:COMBINED]
    return [tuple(fits[i] for fits, i in zip(spans, chosen, strict=True)) for chosen in best]


def product(field: Sampled, fits: tuple[Fit, ...], family: str, wrap: Callable[[sp.Expr], sp.Expr]) -> Proposal | None:
    """Return the sum of products of span functions that elimination keeps, or None if there are too many products."""
    numbers = itertools.count()
    constants: Constants = {}
    functions: list[list[sp.Expr]] = []
    for fit, symbol in zip(fits, symbols(field.names), strict=True):
        own = [placeholder(next(numbers)) for _ in fit.parameters]
        constants.update(zip(own, map(float, fit.parameters), strict=True))
        functions.append(fit.functions(symbol, own))
    places = chosen_terms(functions)
    if places is None:
        return None
    terms = [sp.Mul(*(own[i] for own, i in zip(functions, place, strict=True))) for place in places]
    columns = [
        np.stack([evaluated(f, constants, {name: nodes}) for f in own], axis=1)
        for own, name, nodes in zip(functions, field.names, field.nodes, strict=True)
    ]
    design, target = _design(field, columns, places)
    return linear(family, terms, constants, design, target, field.error, len(field.nodes[0]), wrap)


def chosen_terms(functions: Sequence[Sequence[sp.Expr]]) -> list[tuple[int, ...]] | None:
    """Return the terms of a sum of products, each by the numbers of its factors; None if there are too many.

    With many coordinates they are those products of which as few factors as necessary are not 1: of one coordinate, of
    at most two, and so on.
    """
    if math.prod(map(len, functions)) <= LARGEST_DESIGN:
        return list(itertools.product(*(range(len(own)) for own in functions)))
    if not all(sp.S.One in own for own in functions):
        return None
    ones = tuple(list(own).index(sp.S.One) for own in functions)
    found: list[tuple[int, ...]] = [ones]
    for count in range(1, len(functions)):
        further = list(itertools.islice(terms_of(functions, ones, count), LARGEST_DESIGN))
        if len(found) + len(further) > LARGEST_DESIGN:
            break
        found += further
    return found if len(found) > 1 else None


def terms_of(functions: Sequence[Sequence[sp.Expr]], ones: tuple[int, ...], count: int) -> Iterator[tuple[int, ...]]:
    """Yield the products of which `count` factors are not 1; `ones` are the numbers of the factors 1."""
    for axes in itertools.combinations(range(len(functions)), count):
        others = [[i for i in range(len(functions[a])) if i != ones[a]] for a in axes]
        for chosen in itertools.product(*others):
            place = dict(zip(axes, chosen, strict=True))
            yield tuple(place.get(a, one) for a, one in enumerate(ones))


def _design(field: Sampled, columns: list[Array], places: Sequence[tuple[int, ...]]) -> tuple[Array, Array]:
    """Return the weighted products and the weighted field at points of the grid: (n, m) and (n,)."""
    picked = np.arange(field.values.size)
    if len(picked) > POINTS:
        picked = np.sort(np.random.default_rng(0).choice(picked, POINTS, replace=False))
    where = np.unravel_index(picked, field.values.shape)
    rows = [column[place] for column, place in zip(columns, where, strict=True)]
    chosen = np.array(places).T
    design = functools.reduce(np.multiply, [row[:, which] for row, which in zip(rows, chosen, strict=True)])
    root = np.sqrt(field.weight.ravel()[picked])
    target = root * field.values.ravel()[picked]
    size = max(float(np.linalg.norm(target)), 1e-300)
    return root[:, None] * design / size, target / size
