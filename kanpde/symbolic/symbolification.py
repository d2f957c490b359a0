"""From a solution to a formula: candidates of the search, certified one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.collocation.comparison import Comparison, grid
from kanpde.errors import KanpdeError
from kanpde.problem.problem import Problem
from kanpde.symbolic.clock import Clock, TimeLimit, time_limit
from kanpde.symbolic.formula import Formula
from kanpde.symbolic.options import SymbolicOptions
from kanpde.symbolic.proof.certification import Certificate, certify
from kanpde.symbolic.proof.maximum_principle import error_bound

Progress = Callable[[str], None]

# Points along each axis on which formula and network are compared, by the number of axes.
RESOLUTION = {1: 257, 2: 41, 3: 13, 4: 7, 5: 5, 6: 4}
# The most seconds on one candidate, and what a formula may be off a network beside its estimated error.
MOST, NEAR, FACTOR = 30.0, 0.02, 10.0
# The share of the budget after which the search ends, and the seconds that the last candidate has at least.
SEARCH, LEAST = 0.75, 5.0
BOUND = 10.0  # seconds at most for a bound on the error
RANK = {"proved": 0, "numeric": 1, "none": 2}


class Solved(Protocol):
    """What is asked of a solution: values and partials at points, and the relative error it believes in."""

    problem: Problem

    @property
    def estimate(self) -> float: ...

    def evaluate(self, points: Array, partial: MultiIndex = ()) -> Array: ...


def symbolify(
    solution: Solved,
    *,
    budget_seconds: float = 60.0,
    seed: int = 0,
    functions: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Formula:
    """The formula of a solution: proved where that can be done within the budget, else the best there is.

    `functions` names those of the library that formulas may contain, all of them for None; `progress` is called with a
    line of text now and then. Stops at the first candidate that is proved. Raises ConfigurationError for a budget that
    is no positive number and for unknown functions.
    """
    SymbolicOptions(budget_seconds=budget_seconds, functions=functions)
    return _Selection(solution, budget_seconds, progress or (lambda text: None)).run(seed, functions)


def candidates(
    solution: Solved, seconds: float, seed: int, progress: Progress, functions: Sequence[str] | None
) -> Iterator[tuple[Any, Any]]:
    """(ansatz, constants) of the search, best first."""
    # Imported when it is needed, because the search builds its library of functions.
    from kanpde.symbolic import search

    return iter(search.candidates(solution, seconds=seconds, seed=seed, progress=progress, functions=functions))


class _Selection:
    """The best certificate so far, and what it takes to compare one with another."""

    def __init__(self, solution: Solved, seconds: float, progress: Progress) -> None:
        self.solution, self.progress, self.clock = solution, progress, Clock(seconds)
        domain = solution.problem.domain
        self.points, self.weights = grid(domain, RESOLUTION[domain.dimension])
        self.target = solution.evaluate(self.points)
        believed = solution.estimate if math.isfinite(solution.estimate) else 0.0
        self.tolerance = min(0.3, max(NEAR, FACTOR * believed))
        self.best: tuple[tuple[float, float], Certificate | None] = ((math.inf, math.inf), None)

    def run(self, seed: int, functions: Sequence[str] | None) -> Formula:
        tried = 0
        found = candidates(self.solution, SEARCH * self.clock.seconds, seed, self.progress, functions)
        for ansatz, constants in self.unbroken(found):
            tried += 1
            self.progress(f"candidate {tried}: {self._told(ansatz)}")
            self.consider(ansatz, constants)
            if self.done() or not self.clock.left:
                break
        return self.formula(tried)

    def unbroken(self, found: Iterator[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        """The candidates up to where an error of algebra ends the search: no solution is lost for want of a formula."""
        try:
            yield from found
        except KanpdeError:
            raise
        except Exception as error:
            self.progress(f"the search ends: {type(error).__name__}: {error}")

    def consider(self, ansatz: Any, constants: Any) -> None:
        """Certify a candidate and keep it if it is the best; one that cannot be evaluated is passed over."""
        least = LEAST if self.best[1] is None else 0.1
        try:
            with time_limit(max(least, self.clock.left)):
                found = certify(
                    ansatz,
                    constants,
                    self.solution.problem,
                    surrogate=self.solution.evaluate,
                    tolerance=self.tolerance,
                    seconds=min(MOST, max(least, 0.8 * self.clock.left)),
                )
                rank = (RANK[found.status], self.distance(found))
        except (Exception, TimeLimit):
            return
        if rank < self.best[0]:
            self.best = (rank, found)

    def done(self) -> bool:
        return self.best[0][0] == RANK["proved"]

    def distance(self, certificate: Certificate) -> float:
        """The relative L2 distance from the network; infinite where the expression is not finite."""
        formula = Formula.of(certificate, self.solution.problem.domain.names, ())
        gap = np.square(formula.evaluate(self.points) - self.target).sum(axis=1)
        size = float(self.weights @ np.square(self.target).sum(axis=1))
        distance = math.sqrt(float(self.weights @ gap) / max(size, 1e-300))
        return distance if math.isfinite(distance) else math.inf

    def formula(self, tried: int) -> Formula:
        """The best as a formula, with its errors."""
        (_, distance), certificate = self.best
        problem = self.solution.problem
        names = problem.domain.names
        if certificate is None or not math.isfinite(distance):
            reason = f"none of {tried} candidates is finite on the domain" if tried else "the search found no candidate"
            return Formula(names, {}, {}, {}, "none", reason=reason, seconds=self.clock.passed)
        formula = Formula.of(certificate, names, problem.unknowns, distance=distance)
        try:
            error = Comparison(problem).relative_l2(formula.evaluate)
        except KanpdeError:
            error = None
        bound = self.bound(formula) if formula.status == "none" else None
        finite = error if error is not None and math.isfinite(error) else None
        return replace(formula, relative_l2=finite, bound=bound, seconds=self.clock.passed)

    def bound(self, formula: Formula) -> float | None:
        """The maximum principle's bound, where it says more than that the formula is a number."""
        seconds = min(BOUND, self.clock.left + 1)
        bound = error_bound(self.solution.problem, tuple(formula.expressions.values()), seconds)
        return bound if bound is not None and bound < float(np.abs(self.target).max()) else None

    def _told(self, ansatz: Any) -> str:
        parts = ansatz.values() if isinstance(ansatz, dict) else [ansatz]
        text = "; ".join(map(str, parts))
        return text if len(text) <= 60 else text[:57] + "…"
