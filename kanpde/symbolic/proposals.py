"""The families of proposals for one field: a table in the order in which they are tried.

A family is a file in `families/` and a row of `FAMILIES`. Those of one stage take turns; a stage begins when the one
before it has nothing left, and no stream does any work before its first proposal is asked for.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import sympy as sp

from kanpde.problem.problem import Problem
from kanpde.symbolic.clock import Clock
from kanpde.symbolic.families.cole_hopf import transformation, transformed
from kanpde.symbolic.families.liouville import prefactors
from kanpde.symbolic.families.ordinary import general
from kanpde.symbolic.families.polynomial import polynomial_in_one
from kanpde.symbolic.families.proposal import Proposal
from kanpde.symbolic.families.separated import Separation, at_error
from kanpde.symbolic.families.similarity import profile_proposals, reductions
from kanpde.symbolic.families.travelling import two_waves
from kanpde.symbolic.structure.atoms import Basis
from kanpde.symbolic.structure.outer_functions import peel
from kanpde.symbolic.structure.report import rank
from kanpde.symbolic.structure.sampled import Sampled

Streams = list[Iterator[Proposal]]

# How many quick proposals go first, and up to which rank.
SOON, FEW = 6, 2


@dataclass(frozen=True)
class Hints:
    """What the equation itself says of its solutions, found out when it is asked for."""

    problem: Problem
    clock: Clock
    functions: Sequence[str] | None

    def general(self, field: Sampled, linear: bool) -> Iterator[Proposal]:
        """Its general solutions, where it is an ordinary equation."""
        return general(field, self.problem, self.clock, self.functions, linear)

    def logarithmic(self, field: Sampled, bases: Sequence[Basis]) -> list[Iterator[Proposal]]:
        """Families for u = κ D_x / D, where it is Burgers'."""
        by = transformation(self.problem)
        if by is None:
            return []
        d, wrap = transformed(field, by)
        families = [profile_proposals(d, bases, reduction, wrap) for reduction in reductions(d)] if d.finite else []
        return [*families, Separation(d, "a logarithmic derivative, separated", wrap).quick()] if d.finite else []

    def prefactors(self) -> Mapping[int, sp.Expr]:
        """By axis, what the factors may have in common."""
        return prefactors(self.problem) if self.functions is None else {}


@dataclass(frozen=True)
class Look:
    """A field, the library, the equation's hints if there are any, and what several families share."""

    field: Sampled
    bases: Sequence[Basis]
    hints: Hints | None

    @cached_property
    def plain(self) -> Separation:
        """The separation of the field itself."""
        return Separation(self.field, "separated", prefactors=self.hints.prefactors() if self.hints else {})

    @cached_property
    def quick(self) -> Iterator[Proposal]:
        """Its quick proposals, one stream over all stages."""
        return self.plain.quick()

    @cached_property
    def inner(self) -> list[Separation]:
        """The separations of what outer functions leave."""
        return [Separation(w, f"{name} separated", wrap) for name, w, wrap in peel(self.field) if rank(w).holds]


def first_separated(look: Look) -> Streams:
    """A few quick separations of a field of low rank: enough for all cores, before what takes longer than a refit."""
    ranks = (at_error(look.field, axis) for axis in range(look.field.dimension))
    return [itertools.islice(look.quick, SOON)] if max(ranks) <= FEW else []


def invariant(look: Look) -> Streams:
    """A stream for each symmetry that the field has."""
    return [profile_proposals(look.field, look.bases, reduction) for reduction in reductions(look.field)]


def polynomials_in_one(look: Look) -> Streams:
    """Polynomials in one coordinate, of the field and of what outer functions leave."""
    fields = (("u", look.field, look.plain.wrap), *peel(look.field))
    return [polynomial_in_one(w, name, wrap) for name, w, wrap in fields]


@dataclass(frozen=True)
class Family:
    """A row: `streams` gives the family's proposals, each stream with its best first."""

    name: str
    stage: int
    streams: Callable[[Look], Streams]


def from_equation(streams: Callable[[Look, Hints], Streams]) -> Callable[[Look], Streams]:
    """A family that looks at the equation; it is empty without one."""
    return lambda look: streams(look, look.hints) if look.hints else []


FAMILIES = (
    Family("separated, the first", 0, first_separated),
    Family("linear ordinary", 1, from_equation(lambda look, hints: [hints.general(look.field, linear=True)])),
    Family("invariant", 2, invariant),
    Family("logarithmic derivative", 2, from_equation(lambda look, hints: hints.logarithmic(look.field, look.bases))),
    Family("two waves", 2, lambda look: [two_waves(look.field, look.bases)]),
    Family("outer of separated", 2, lambda look: [separation.quick() for separation in look.inner]),
    Family("polynomial in one", 2, polynomials_in_one),
    Family("separated", 2, lambda look: [look.quick]),
    Family("separated, thoroughly", 3, lambda look: [look.plain.thorough(look.bases)]),
    Family(
        "outer of separated, thoroughly",
        4,
        lambda look: [separation.thorough(look.bases) for separation in look.inner],
    ),
    Family("nonlinear ordinary", 5, from_equation(lambda look, hints: [hints.general(look.field, linear=False)])),
)


def stages(look: Look) -> Iterator[Streams]:
    """The streams of each stage."""
    for _, rows in itertools.groupby(FAMILIES, key=lambda family: family.stage):
        yield [stream for family in rows for stream in family.streams(look)]


def proposals(field: Sampled, bases: Sequence[Basis], hints: Hints | None = None) -> Iterator[Proposal]:
    """Every proposal for one field, what is found fast first."""
    seen = set()
    for streams in stages(Look(field, bases, hints)):
        for proposal in in_turn(streams):
            key = (proposal.expression, *(f"{abs(value):.2g}" for value in proposal.constants.values()))
            if key not in seen:
                seen.add(key)
                yield proposal


def in_turn(families: Sequence[Iterator[Proposal]]) -> Iterator[Proposal]:
    """One of every family, then another of every family, and so on; none is made before it is asked for."""
    going = [unbroken(family) for family in families]
    while going:
        for family in [*going]:
            proposal = next(family, None)
            if proposal is None:
                going.remove(family)
            else:
                yield proposal


def unbroken(family: Iterator[Proposal]) -> Iterator[Proposal]:
    """A family up to where its algebra breaks down, which ends no search."""
    # NumPy's and torch's errors of linear algebra are a ValueError and a RuntimeError.
    with contextlib.suppress(ArithmeticError, ValueError, RuntimeError):
        yield from family
