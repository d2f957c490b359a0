"""Symbolic regression of a solution: the candidates of the search are certified in turn, and the best is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.collocation.comparison import Comparison, grid
from kanpde.errors import KanpdeError
from kanpde.problem.problem import Problem
from kanpde.problem.regression import Regression
from kanpde.symbolic.clock import Clock, TimeLimit, time_limit
from kanpde.symbolic.formula import Formula
from kanpde.symbolic.options import SymbolicOptions
from kanpde.symbolic.proof.certification import Certificate, certify
from kanpde.symbolic.proof.maximum_principle import error_bound

Progress = Callable[[str], None]

# Points per axis of the grid that compares formula and network, by the number of axes.
RESOLUTION = {1: 257, 2: 41, 3: 13, 4: 7, 5: 5, 6: 4}
# Seconds at most for one candidate, and its tolerance: the larger of NEAR and FACTOR estimated errors.
MOST, NEAR, FACTOR = 30.0, 0.02, 10.0
# The fraction of the budget for the search, and the minimum seconds for a candidate before one is certified.
SEARCH, LEAST = 0.75, 5.0
BOUND = 10.0  # seconds at most for a bound on the error
ROUND_OFF = 1e-10  # distances below are equal
OPEN_NUMBER = 30  # characters that a number without a closed form counts beyond those that it is printed with
# Order of the statuses, the best first.
RANK = {"proved": 0, "numeric": 1, "none": 2}


class Solved(Protocol):
    """The part of a solution that is used: values and partial derivatives at points, and the estimated error."""

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
    """Return the formula of a solution: a proved one if the budget suffices, else the best candidate.

    `functions` names the allowed functions of the library (None: all); `progress` receives lines of text. The search
    stops at the first proved candidate. Raise ConfigurationError if the budget is not a positive number or a function
    is unknown.
    """
    SymbolicOptions(budget_seconds=budget_seconds, functions=functions)
    if solution.problem.expansions:
        names = solution.problem.domain.names
        reason = "a solution beside unknown functions has no formula that could be proved"
        return Formula(names, {}, {}, {}, "none", reason=reason, seconds=0.0)
    if solution.problem.partition is not None:
        reason = "no formula is looked for on a domain with parts"
        return Formula(solution.problem.domain.names, {}, {}, {}, "none", reason=reason)
    if solution.problem.domain.dimension not in RESOLUTION:
        reason = f"no formula is looked for in more than {max(RESOLUTION)} coordinates"
        return Formula(solution.problem.domain.names, {}, {}, {}, "none", reason=reason)
    return _Selection(solution, budget_seconds, progress or (lambda text: None)).run(seed, functions)


def candidates(
    solution: Solved, seconds: float, seed: int, progress: Progress, functions: Sequence[str] | None
) -> Iterator[tuple[Any, Any]]:
    """Return the (ansatz, constants) pairs of the search, the best first."""
    # Imported late because the import of the search builds the library of functions.
    from kanpde.symbolic import search

    return iter(search.candidates(solution, seconds=seconds, seed=seed, progress=progress, functions=functions))


class _Selection:
    """The best certificate so far, with the data that rank certificates."""

    def __init__(self, solution: Solved, seconds: float, progress: Progress) -> None:
        self.solution, self.progress, self.clock = solution, progress, Clock(seconds)
        domain = solution.problem.domain
        self.points, self.weights = grid(domain, RESOLUTION[domain.dimension])
        self.target = solution.evaluate(self.points)
        believed = solution.estimate if math.isfinite(solution.estimate) else 0.0
        self.tolerance = min(0.3, max(NEAR, FACTOR * believed))
        self.best: tuple[tuple[float, float, int], Certificate | None] = ((math.inf, math.inf, 0), None)

    def run(self, seed: int, functions: Sequence[str] | None) -> Formula:
        """Certify candidates until one is proved or time is over; return the best formula."""
        tried = 0
        found = candidates(self.solution, SEARCH * self.clock.seconds, seed, self.progress, functions)
        for ansatz, constants in self.unbroken(found):
            tried += 1
            self.progress(f"candidate {tried}: {self._told(ansatz)}")
            self.consider(ansatz, constants, tried)
            if self.done() or not self.clock.left:
                break
        return self.formula(tried)

    def unbroken(self, found: Iterator[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        """Yield candidates until an unexpected error ends the search, so that it never discards the solution.

        Raise KanpdeError if the search does.
        """
        try:
            yield from found
        except KanpdeError:
            raise
        except Exception as error:
            self.progress(f"the search ends: {type(error).__name__}: {error}")

    def consider(self, ansatz: Any, constants: Any, number: int = 1) -> None:
        """Certify a candidate and keep it if it is the best; skip it if certification fails."""
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
                # Formulas that are equally far from the network are equal functions: the shortest one is the best.
                distance = float(f"{max(self.distance(found), ROUND_OFF):.3g}")
                if found.status == "none" and isinstance(self.solution.problem, Regression) and distance < math.inf:
                    # The network follows the noise of data too, so the order of the search decides.
                    distance = float(number)
                rank = (RANK[found.status], distance, length(found))
        except (Exception, TimeLimit):
            return
        if rank < self.best[0]:
            self.best = (rank, found)

    def done(self) -> bool:
        """Return True if the best candidate is proved."""
        return self.best[0][0] == RANK["proved"]

    def distance(self, certificate: Certificate) -> float:
        """Return the relative L2 distance from the network, or infinity if the expression is not finite."""
        formula = Formula.of(certificate, self.solution.problem.domain.names, ())
        gap = np.square(formula.evaluate(self.points) - self.target).sum(axis=1)
        size = float(self.weights @ np.square(self.target).sum(axis=1))
        distance = math.sqrt(float(self.weights @ gap) / max(size, 1e-300))
        return distance if math.isfinite(distance) else math.inf

    def formula(self, tried: int) -> Formula:
        """Return the best candidate as a formula with its errors."""
        (_, distance, _), certificate = self.best
        problem = self.solution.problem
        names = problem.domain.names
        if certificate is None or not math.isfinite(distance):
            reason = f"none of {tried} candidates is finite on the domain" if tried else "the search found no candidate"
            return Formula(names, {}, {}, {}, "none", reason=reason, seconds=self.clock.passed)
        formula = Formula.of(certificate, names, problem.unknowns, distance=self.distance(certificate))
        try:
            error = self.error(formula)
        except KanpdeError:
            error = None
        bound = self.bound(formula) if formula.status == "none" else None
        finite = error if error is not None and math.isfinite(error) else None
        return replace(formula, relative_l2=finite, bound=bound, seconds=self.clock.passed)

    def error(self, formula: Formula) -> float | None:
        """Return the relative L2 error against the known solution, or at the samples of a function of data."""
        problem = self.solution.problem
        if isinstance(problem, Regression):
            points, values = problem.unseen
            return float(np.linalg.norm(formula.evaluate(points) - values)) / max(float(np.linalg.norm(values)), 1e-300)
        return Comparison(problem).relative_l2(formula.evaluate)

    def bound(self, formula: Formula) -> float | None:
        """Return the bound of the maximum principle if it is below the largest value of the network, else None."""
        seconds = min(BOUND, self.clock.left + 1)
        bound = error_bound(self.solution.problem, tuple(formula.expressions.values()), seconds)
        return bound if bound is not None and bound < float(np.abs(self.target).max()) else None

    def _told(self, ansatz: Any) -> str:
        parts = ansatz.values() if isinstance(ansatz, dict) else [ansatz]
        text = "; ".join(map(str, parts))
        return text if len(text) <= 60 else text[:57] + "…"


def length(certificate: Certificate) -> int:
    """Return the number of characters of the expressions of a certificate; a number without a closed form has more."""
    return sum(
        len(str(e)) + OPEN_NUMBER * len(e.atoms(sp.Float)) for e in map(sp.sympify, certificate.expressions.values())
    )
