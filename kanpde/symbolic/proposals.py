"""The families of proposals for one field, in a table in the order of the search.

A family is a file in `families/` and a row of `FAMILIES`. The families of one stage alternate; a stage starts after the
previous one is exhausted, and a stream computes nothing until its first proposal is requested.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import sympy as sp

from kanpde.problem.problem import Problem
from kanpde.problem.regression import Regression
from kanpde.symbolic.clock import Clock
from kanpde.symbolic.families import polar
from kanpde.symbolic.families.carrier import carried
from kanpde.symbolic.families.cole_hopf import transformation, transformed
from kanpde.symbolic.families.joint_variable import joint
from kanpde.symbolic.families.liouville import prefactors
from kanpde.symbolic.families.ordinary import general
from kanpde.symbolic.families.polynomial import polynomial_in_one
from kanpde.symbolic.families.proposal import Proposal
from kanpde.symbolic.families.rational import rational
from kanpde.symbolic.families.scaled import scaled
from kanpde.symbolic.families.separated import Separation, at_error
from kanpde.symbolic.families.similarity import profile_proposals, radial, reductions
from kanpde.symbolic.families.sparse import Samples, of_samples
from kanpde.symbolic.families.travelling import two_waves
from kanpde.symbolic.structure.atoms import Basis
from kanpde.symbolic.structure.outer_functions import peel
from kanpde.symbolic.structure.polar import Pole
from kanpde.symbolic.structure.report import rank
from kanpde.symbolic.structure.sampled import Sampled, Surrogate

Streams = list[Iterator[Proposal]]

# The number of quick separated proposals that come first, and the largest rank of a field that has them.
SOON, FEW = 6, 2
BESSEL = "bessel"  # the name of the slow functions in the library


@dataclass(frozen=True)
class Hints:
    """Properties of the solutions that follow from the equation, or from data, computed on request.

    `place` is the number of the field among the problem's fields; `solution` is what can be evaluated elsewhere, and
    `fields` are all fields of a system.
    """

    problem: Problem
    clock: Clock
    functions: Sequence[str] | None
    place: int = 0
    solution: Surrogate | None = None
    fields: Sequence[Sampled] = ()

    def general(self, field: Sampled, linear: bool) -> Iterator[Proposal]:
        """Yield proposals from the general solutions of an ordinary equation."""
        return general(field, self.problem, self.clock, self.functions, linear)

    def logarithmic(self, field: Sampled, bases: Sequence[Basis]) -> list[Iterator[Proposal]]:
        """Return streams of proposals u = κ D_x / D if the equation is Burgers', else an empty list."""
        by = transformation(self.problem)
        if by is None:
            return []
        d, wrap = transformed(field, by)
        families = [profile_proposals(d, bases, reduction, wrap) for reduction in reductions(d)] if d.finite else []
        return [*families, Separation(d, "a logarithmic derivative, separated", wrap).quick()] if d.finite else []

    def samples(self, field: Sampled) -> Samples | None:
        """Return the samples of a field that is a function of data, else None."""
        if not isinstance(self.problem, Regression):
            return None
        points, values = self.problem.points, self.problem.values[:, self.place]
        return Samples.of(field.names, points, values, field.error, self.functions)

    def noisy(self, field: Sampled) -> bool:
        """Return True if the field is a function of data that may be noisy."""
        samples = self.samples(field)
        return samples is not None and samples.noisy

    def rational(self, field: Sampled, *, roots: bool) -> Iterator[Proposal]:
        """Yield quotients of polynomials that fit the samples, or their roots, if the field is a function of data."""
        if (samples := self.samples(field)) is not None:
            yield from rational(field, samples, roots=roots)

    def of_samples(self, field: Sampled) -> Iterator[Proposal]:
        """Yield sparse combinations of features that fit the samples, if the field is a function of data."""
        if (samples := self.samples(field)) is not None:
            yield from of_samples(field, samples, self.clock)

    def scaled(self, field: Sampled) -> Iterator[Proposal]:
        """Yield functions of the products of inputs that scalings keep, if the field is a function of data."""
        if (samples := self.samples(field)) is not None:
            yield from scaled(field, samples, self.clock)

    @cached_property
    def about_poles(self) -> list[tuple[Pole, Separation]]:
        """The separations of the field in polar coordinates, if its domain is a plane shape other than a box."""
        return [] if self.solution is None else polar.about_poles(self.solution, self.place)

    def in_holes(self, field: Sampled) -> Iterator[Proposal]:
        """Yield sums of functions that are singular in the holes of the domain."""
        if self.solution is not None and self.functions is None:
            yield from polar.in_holes(field, self.solution, self.place)

    def prefactors(self) -> Mapping[int, sp.Expr]:
        """Return the possible common prefactors of the factors by axis; empty if the functions are restricted."""
        return prefactors(self.problem) if self.functions is None else {}


@dataclass(frozen=True)
class Look:
    """A field, the library and optional hints of the equation, with cached results that several families share."""

    field: Sampled
    bases: Sequence[Basis]
    hints: Hints | None

    @cached_property
    def elementary(self) -> list[Basis]:
        """The bases of all functions but Bessel's, which are slow to evaluate."""
        return [basis for basis in self.bases if basis.name != BESSEL]

    @cached_property
    def bessel(self) -> list[Basis]:
        """The bases of Bessel functions."""
        return [basis for basis in self.bases if basis.name == BESSEL]

    @cached_property
    def plain(self) -> Separation:
        """The separation of the field itself."""
        return Separation(self.field, "separated", prefactors=self.hints.prefactors() if self.hints else {})

    @cached_property
    def quick(self) -> Iterator[Proposal]:
        """The quick proposals of the separation, one stream across all stages."""
        return self.plain.quick()

    @cached_property
    def thorough(self) -> Iterator[Proposal]:
        """The thorough proposals of the separation, one stream across all stages."""
        return self.plain.thorough(self.elementary)

    @cached_property
    def inner(self) -> list[Separation]:
        """The separations of w in u = G(w), for every outer function G with a w of low rank."""
        return [Separation(w, f"{name} separated", wrap) for name, w, wrap in peel(self.field) if rank(w).holds]

    @cached_property
    def inner_quick(self) -> list[Iterator[Proposal]]:
        """The quick proposals of these separations, the same streams across all stages."""
        return [separation.quick() for separation in self.inner]

    @property
    def simple(self) -> bool:
        """Whether the rank of the field is low along all axes."""
        return max(at_error(self.field, axis) for axis in range(self.field.dimension)) <= FEW


def first_separated(look: Look) -> Streams:
    """Return the first quick separations of a field of low rank, which keep the cores busy during slower families."""
    return [itertools.islice(look.quick, SOON)] if look.simple else []


def separated_with_noise(look: Look, hints: Hints) -> Streams:
    """Return the first separations of noisy samples, because no exact combination of features ends their search.

    Grids of more than two coordinates have too few points along each to tell factors with noise.
    """
    if not hints.noisy(look.field) or look.field.dimension > 2:
        return []
    first = [itertools.islice(stream, 1) for stream in look.inner_quick]
    return [*first, *([itertools.islice(look.thorough, 1)] if look.simple else [])]


def invariant(look: Look) -> Streams:
    """Return one stream for each symmetry of the field."""
    return [profile_proposals(look.field, look.elementary, reduction) for reduction in reductions(look.field)]


def spherical(look: Look) -> Streams:
    """Return functions of the distance from a point in space, such as sin(k r) / r."""
    found = radial(look.field) if look.field.dimension == 3 and look.bessel and look.field.norm() > 0 else None
    if found is None or found.number > found.threshold:
        return []
    distance = replace(found, name="distance", variable=sp.sqrt(found.variable))
    return [profile_proposals(look.field, look.bessel, distance)]


def polar_quick(look: Look, hints: Hints) -> Streams:
    """Return the quick proposals in polar coordinates, and the sums of functions singular in holes."""
    return [hints.in_holes(look.field), *polar.quick(hints.about_poles, look.field.names)]


def polar_thorough(look: Look, hints: Hints) -> Streams:
    """Return the proposals in polar coordinates from Bessel functions of the radius."""
    return polar.thorough(hints.about_poles, look.bessel, look.field.names) if look.bessel else []


def carried_by(look: Look, hints: Hints) -> Streams:
    """Return one stream for every other field of a system with which the field may be an envelope times a carrier."""
    others = [other for place, other in enumerate(hints.fields) if place != hints.place]
    return [carried(look.field, other, look.elementary) for other in others]


def polynomials_in_one(look: Look) -> Streams:
    """Return polynomials in one coordinate, for the field u and for every w in u = G(w) with an outer function G."""
    fields = (("u", look.field, look.plain.wrap), *peel(look.field))
    return [polynomial_in_one(w, name, wrap) for name, w, wrap in fields]


@dataclass(frozen=True)
class Family:
    """A row of the table: `streams` returns the proposals of the family, each stream with its best first."""

    name: str
    stage: int
    streams: Callable[[Look], Streams]


def with_hints(streams: Callable[[Look, Hints], Streams]) -> Callable[[Look], Streams]:
    """Return the streams of a family that needs the problem; they are empty without hints."""
    return lambda look: streams(look, look.hints) if look.hints else []


# All families in the order of the search.
FAMILIES = (
    Family("rational", 0, with_hints(lambda look, hints: [hints.rational(look.field, roots=False)])),
    Family("separated, the first", 1, first_separated),
    Family("separated, with noise", 1, with_hints(separated_with_noise)),
    Family("scaled", 1, with_hints(lambda look, hints: [hints.scaled(look.field)])),
    Family("sparse in features", 1, with_hints(lambda look, hints: [hints.of_samples(look.field)])),
    Family("roots of rational", 2, with_hints(lambda look, hints: [hints.rational(look.field, roots=True)])),
    Family("linear ordinary", 2, with_hints(lambda look, hints: [hints.general(look.field, linear=True)])),
    Family("polar", 2, with_hints(polar_quick)),
    Family("polar, thoroughly", 2, with_hints(polar_thorough)),
    Family("envelope and carrier", 2, with_hints(carried_by)),
    Family("invariant", 3, invariant),
    Family("joint variable", 3, lambda look: joint(look.field, look.elementary)),
    Family("spherical", 3, spherical),
    Family("logarithmic derivative", 3, with_hints(lambda look, hints: hints.logarithmic(look.field, look.elementary))),
    Family("two waves", 3, lambda look: [two_waves(look.field, look.elementary)]),
    Family("outer of separated", 3, lambda look: look.inner_quick),
    Family("polynomial in one", 3, polynomials_in_one),
    Family("separated", 3, lambda look: [look.quick]),
    Family("separated, thoroughly", 4, lambda look: [look.thorough]),
    Family(
        "outer of separated, thoroughly",
        5,
        lambda look: [separation.thorough(look.elementary) for separation in look.inner],
    ),
    Family(
        "separated with Bessel functions", 6, lambda look: [look.plain.thorough(look.bessel)] if look.bessel else []
    ),
    Family("nonlinear ordinary", 6, with_hints(lambda look, hints: [hints.general(look.field, linear=False)])),
)


def stages(look: Look) -> Iterator[Streams]:
    """Yield the streams of each stage."""
    for _, rows in itertools.groupby(FAMILIES, key=lambda family: family.stage):
        yield [stream for family in rows for stream in family.streams(look)]


def proposals(field: Sampled, bases: Sequence[Basis], hints: Hints | None = None) -> Iterator[Proposal]:
    """Yield every distinct proposal for one field, the fastest families first."""
    seen = set()
    for streams in stages(Look(field, bases, hints)):
        for proposal in in_turn(streams):
            key = (proposal.expression, *(f"{abs(value):.2g}" for value in proposal.constants.values()))
            if key not in seen:
                seen.add(key)
                yield proposal


def in_turn(families: Sequence[Iterator[Proposal]]) -> Iterator[Proposal]:
    """Yield one proposal of every family in turn until all are exhausted, each computed on request."""
    going = [unbroken(family) for family in families]
    while going:
        for family in [*going]:
            proposal = next(family, None)
            if proposal is None:
                going.remove(family)
            else:
                yield proposal


def unbroken(family: Iterator[Proposal]) -> Iterator[Proposal]:
    """Yield the proposals of a family until its linear algebra fails, which does not end the search."""
    # NumPy raises a ValueError and torch a RuntimeError if linear algebra fails.
    with contextlib.suppress(ArithmeticError, ValueError, RuntimeError):
        yield from family
