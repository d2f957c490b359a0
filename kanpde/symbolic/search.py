"""The search for formulas: proposals by structure, each refitted to the problem, the best first."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from kanpde.problem.problem import Problem
from kanpde.problem.regression import Regression
from kanpde.symbolic.clock import Clock
from kanpde.symbolic.constants.description_length import Candidate, description_length
from kanpde.symbolic.constants.fit import LeastSquares
from kanpde.symbolic.constants.simple_numbers import simplified
from kanpde.symbolic.constants.uncertainty import precision
from kanpde.symbolic.families.proposal import Proposal, evaluated
from kanpde.symbolic.proposals import Hints, proposals
from kanpde.symbolic.structure.atoms import library
from kanpde.symbolic.structure.report import report
from kanpde.symbolic.structure.sampled import Sampled, Surrogate, sample
from kanpde.symbolic.workers import in_order

Progress = Callable[[str], None]
Ansatz = Any  # an expression, or a dict from fields to expressions

# Relative residual below which a refitted ansatz solves the problem (the best wrong one reached 7.7e-5).
ROUND_OFF = 1e-10
# Relative distance from the network above which a refit is on another solution branch, for example u = 0.
ASTRAY = 0.05
# Proposals are postponed if their misfit exceeds both BEYOND errors and FAR.
BEYOND, FAR = 30.0, 1e-2
# Time limit of one refit, in seconds.
REFIT = 5.0
# The largest number of yielded candidates that solve the problem, and the seconds of search after the first of them
# (the time to find the first is allowed in addition).
SOLVED, AFTER = 4, 5.0
# The largest number of yielded candidates that only approximate the solution.
APPROXIMATIONS = 5
# Approximations of data whose constants are made simple, and the share of the search's seconds for it beyond them.
SIMPLIFIED, SIMPLER = 12, 0.15
# Constants below this fraction of the largest are set to zero if the problem stays solved.
NOTHING = 1e-7
# Ratios at which constants of two fields are merged, and the relative tolerance.
SHARES, SAME = tuple(map(sp.Rational, ("1", "-1", "2", "-2", "1/2", "-1/2"))), 1e-9


def candidates(
    solution: Surrogate,
    seconds: float,
    seed: int,
    progress: Progress | None = None,
    functions: Sequence[str] | None = None,
) -> Iterator[tuple[Ansatz, dict[sp.Symbol, float]]]:
    """Yield (ansatz, constants) of a solution, refitted to the equation and conditions, the best first.

    An ansatz is an expression in the real symbols of the coordinates and constants, or for a system a dict of
    expressions by field. An ansatz whose refit reaches round-off is yielded at once; if the caller continues, the
    search yields a few more. The search ends after `seconds`. The same seed gives the same candidates unless the time
    limit ends the search early. `progress` receives lines of text; `functions` names the allowed functions of the
    library (None: all).

    Raise ConfigurationError if a name is unknown.
    """
    tell = progress or (lambda line: None)
    clock = Clock(seconds)
    bases = library(functions)
    fields, names = sample(solution), solution.problem.fields
    if not all(field.finite for field in fields):
        tell("the solution is not finite: there is nothing to search")
        return
    for name, field in zip(names, fields, strict=True):
        for finding in report(field):
            tell(f"{name}: {finding}")
    search = _Search(solution, fields, seed, clock, tell)
    found: list[Candidate] = []
    # The proposals of a system are combinations over its fields, so only accurate ones come first.
    least = FAR if len(fields) == 1 else 0.0
    largest = max(field.norm() for field in fields)
    hints = (Hints(solution.problem, clock, functions, place, solution, fields) for place in range(len(fields)))
    streams = [
        plausible_first(
            itertools.chain(nothing(field, largest), proposals(field, bases, own)), max(BEYOND * field.error, least)
        )
        for field, own in zip(fields, hints, strict=True)
    ]
    solved = 0
    for candidate in search.refits(joint(streams)):
        if candidate.residual <= ROUND_OFF:
            tidy = search.tied(search.without_nothing(candidate))
            yield search.ansatz(tidy), dict(tidy.constants)
            solved += 1
            # If SymPy cannot prove this candidate, it may prove an equivalent one with fewer constants.
            clock.end_within(AFTER + clock.passed)
            if solved == SOLVED:
                return
        found.append(candidate)
    if solved:
        return
    for candidate in search.approximations(found):
        yield search.ansatz(candidate), dict(candidate.constants)


def score(candidate: Candidate, problem: Problem) -> float:
    """Return what orders approximations: the residual, or for data the description length.

    Noise leaves every candidate with a residual, and one with more constants with a smaller one.
    """
    if not isinstance(problem, Regression):
        return candidate.residual
    return description_length(candidate, problem.values.size)


def nothing(field: Sampled, largest: float) -> Iterator[Proposal]:
    """Yield the proposal 0 if the field is no larger than the error of the largest field."""
    if field.norm() <= BEYOND * field.error * largest:
        yield Proposal("nothing", sp.S.Zero, {}, 0.0, 0.0)


def plausible_first(stream: Iterator[Proposal], misfit: float) -> Iterator[Proposal]:
    """Yield proposals within a misfit in their order, then the others by ascending misfit."""
    others = []
    for proposal in stream:
        if proposal.misfit <= misfit:
            yield proposal
        else:
            others.append(proposal)
    yield from sorted(others, key=lambda p: p.misfit)


def joint(streams: Sequence[Iterator[Proposal]]) -> Iterator[tuple[Proposal, ...]]:
    """Yield combinations of one proposal per field, with distinct constants, ordered by the sum of stream positions."""
    known: list[list[Proposal]] = [[] for _ in streams]
    for total in itertools.count():
        for own, stream in zip(known, streams, strict=True):
            own.extend(itertools.islice(stream, total + 1 - len(own)))
        if total > sum(len(own) - 1 for own in known) or not all(known):
            return
        for places in itertools.product(*(range(min(total + 1, len(own))) for own in known)):
            if sum(places) == total:
                yield _apart([own[place] for own, place in zip(known, places, strict=True)])


def _apart(chosen: Sequence[Proposal]) -> tuple[Proposal, ...]:
    starts = itertools.accumulate((len(proposal.constants) for proposal in chosen), initial=0)
    return tuple(proposal.renamed(start) for proposal, start in zip(chosen, starts, strict=False))


def beside(expression: sp.Expr, constant: sp.Symbol) -> frozenset[sp.Symbol]:
    """Return the coordinates common to all functions and powers that contain this constant."""
    nodes = [node.free_symbols for node in expression.atoms(sp.Function, sp.Pow) if node.has(constant)]
    return (
        frozenset(s for s in set.intersection(*nodes) if not s.name.startswith("constant_")) if nodes else frozenset()
    )


class _Search:
    """The refits of the candidates of one solution."""

    def __init__(self, solution: Surrogate, fields: Sequence[Sampled], seed: int, clock: Clock, tell: Progress) -> None:
        self.problem, self.fields, self.clock, self.tell = solution.problem, fields, clock, tell
        self.rows = LeastSquares(self.problem, seed)

    def ansatz(self, candidate: Candidate) -> Ansatz:
        """Return the expression of the only field, or a dict of expressions by field."""
        if len(self.fields) == 1:
            return candidate.expressions[0]
        return dict(zip(self.problem.fields, candidate.expressions, strict=True))

    def refits(self, chosen: Iterable[tuple[Proposal, ...]]) -> Iterator[Candidate]:
        """Yield the parallel refits in the order of the proposals, without those far from the network."""
        best = np.inf
        for number, (proposal, candidate) in enumerate(in_order(self.refitted, chosen, self.clock, REFIT), 1):
            if candidate is None or not self.near(candidate):
                continue
            if candidate.residual < best:
                best = candidate.residual
                self.tell(f"refit {number}: residual {best:.1e} from {'; '.join(p.family for p in proposal)}")
            yield candidate

    def refitted(self, proposal: tuple[Proposal, ...]) -> Candidate:
        starts = {symbol: value for part in proposal for symbol, value in part.constants.items()}
        return self.fitted(tuple(part.expression for part in proposal), starts)

    def approximations(self, found: Sequence[Candidate]) -> list[Candidate]:
        """Return the best approximations, those of data with simple numbers for constants where noise allows them."""
        best = sorted(found, key=self.score)
        if isinstance(self.problem, Regression):
            clock = Clock(SIMPLER * self.clock.seconds)
            count = self.problem.values.size
            simple = [simplified(each, count, self.fitted, clock) for each in best[:SIMPLIFIED]]
            best = sorted({each.expressions: each for each in simple}.values(), key=self.score)
        return best[:APPROXIMATIONS]

    def score(self, candidate: Candidate) -> float:
        return score(candidate, self.problem)

    def fitted(self, expressions: tuple[sp.Expr, ...], starts: Mapping[sp.Symbol, float]) -> Candidate:
        """Return expressions with constants that are fitted from their starts, and their precision."""
        fit = self.rows.fit(dict(zip(self.problem.fields, expressions, strict=True)), starts)
        root = precision(fit, self.problem.values.size) if isinstance(self.problem, Regression) else None
        return Candidate(expressions, {symbol: fit.constants[symbol.name] for symbol in starts}, fit.residual, root)

    def near(self, candidate: Candidate) -> bool:
        """Return True if the candidate is finite and close to the network."""
        largest = max(field.norm() for field in self.fields)
        return np.isfinite(candidate.residual) and all(
            self._distance(field, expression, candidate.constants)
            <= max(max(ASTRAY, 10 * field.error) * field.norm(), BEYOND * field.error * largest)
            for field, expression in zip(self.fields, candidate.expressions, strict=True)
        )

    def _distance(self, field: Sampled, expression: sp.Expr, constants: Mapping[sp.Symbol, float]) -> float:
        own = {symbol: value for symbol, value in constants.items() if symbol in expression.free_symbols}
        columns = dict(zip(field.names, field.coordinates, strict=True))
        difference = field.norm(evaluated(expression, own, columns) - field.values)
        return difference if np.isfinite(difference) else np.inf

    def without_nothing(self, candidate: Candidate) -> Candidate:
        """Return the candidate with negligible constants set to zero, if it still solves the problem."""
        largest = max(map(abs, candidate.constants.values()), default=0.0)
        zero = {symbol: sp.S.Zero for symbol, value in candidate.constants.items() if abs(value) < NOTHING * largest}
        expressions = tuple(expression.subs(zero) for expression in candidate.expressions)
        if not zero or any(expression.has(sp.nan, sp.zoo, sp.oo) for expression in expressions):
            return candidate
        return self._instead(candidate, expressions)

    def tied(self, candidate: Candidate) -> Candidate:
        """Return the candidate with one constant per rate, frequency or shift that fields share, if it fits as well."""
        parts = candidate.expressions
        inner = [{c: beside(part, c) for c in candidate.constants if sp.diff(part, c).has(c)} for part in parts]
        ties: dict[sp.Symbol, sp.Expr] = {}
        order = [*candidate.constants]
        for a, b in itertools.combinations(range(len(parts)), 2):
            for one, other in itertools.product(sorted(inner[a], key=order.index), sorted(inner[b], key=order.index)):
                ratio = candidate.constants[other] / candidate.constants[one] if candidate.constants[one] else 0.0
                close = [share for share in SHARES if abs(ratio / share - 1) < SAME]
                if close and inner[a][one] == inner[b][other] and other not in ties and one not in ties:
                    ties[other] = close[0] * one
        return self._instead(candidate, tuple(part.xreplace(ties) for part in parts)) if ties else candidate

    def _instead(self, candidate: Candidate, expressions: tuple[sp.Expr, ...]) -> Candidate:
        """Return a refit of simpler expressions if they solve the problem too, else the candidate."""
        used = set().union(*(expression.free_symbols for expression in expressions))
        kept = {symbol: value for symbol, value in candidate.constants.items() if symbol in used}
        again = self.fitted(expressions, kept)
        return again if again.residual <= ROUND_OFF else candidate
