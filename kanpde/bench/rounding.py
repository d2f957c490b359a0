"""How much a proved bound depends on rounding: the same proof with numbers of several kinds.

Arb's balls of 53, 113 and 200 bits take the place of floating-point numbers in all enclosures: the pieces of splines,
the sources, the residual on every cell, what is left of the conditions, the companion. Only maxima, the last sums and
matrices that need no guarantee are of 53 bits, where sums are enlarged by a relative 1e-11.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kanpde.bench.spoiled import CASES, USUAL
from kanpde.calculus.balls import balls
from kanpde.calculus.precision import DOUBLE, PAIRS, Numbers
from kanpde.marching.audit.bound import error_bound
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.network.trial_function import Model
from kanpde.problem.problem import Problem
from kanpde.problem.registry import discover, load_problem
from kanpde.training.trainer import solve

BITS = (53, 113, 200)  # of balls
LARGEST = 200_000  # coefficients of a polynomial on all cells
PATIENCE = 120.0  # seconds of a proof with balls, which are given up then
DIGITS = 5e-4  # relative difference of bounds that are the same to three digits
SMALLEST = 1e-12  # bound that is compared


@dataclass(frozen=True)
class Rounded:
    """One solution: its bound with pairs, as by default, with single numbers of 53 bits, and with balls by bits."""

    name: str
    steps: tuple[str, ...]
    bound: float
    double: float
    balls: dict[int, float]

    def is_same(self, other: float) -> bool:
        """Return whether another bound is the same as that of the finest balls, to three digits."""
        exact = self.balls[max(BITS)]
        return abs(other - exact) <= DIGITS * exact


def rounded_bounds(names: Sequence[str], budget: float) -> Iterator[Rounded]:
    """Yield the bounds of solutions of shipped problems and of `spoiled.CASES` that balls prove in time.

    Training ends after `budget` seconds. Raises ConfigurationError if python-flint is not installed.
    """
    for name in names:
        problem = load_problem(name) if name in discover() else CASES[name].problem(USUAL)
        model = solve(problem, device="cpu", training={"budget_seconds": budget}).model
        bound, steps = error_bound(problem, model, PATIENCE)
        found = {} if bound is None or Enclosed(problem, model).size > LARGEST else in_balls(problem, model)
        if bound is not None and found:
            yield Rounded(name, steps, proved(problem, model, PAIRS), proved(problem, model), found)


def in_balls(problem: Problem, model: Model) -> dict[int, float]:
    """Return the bounds of an error that are proved with balls; none if they take too long."""
    found = {}
    for bits in BITS:
        with balls(bits) as numbers:
            found[bits] = proved(problem, model, numbers)
        if found[bits] == math.inf:
            return {}
    return found


def proved(problem: Problem, model: Model, numbers: Numbers = DOUBLE) -> float:
    """Return the bound of an error that is proved with these numbers; infinite if there is none."""
    bound, _ = error_bound(problem, model, PATIENCE, numbers)
    return math.inf if bound is None else bound
