"""What is needed of a solution to export it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from kanpde.calculus.arrays import Array
from kanpde.network.trial_function import Model
from kanpde.problem.problem import Problem

if TYPE_CHECKING:
    from kanpde.symbolic.formula import Formula


class Exportable(Protocol):
    """A solution: its problem, model and formula, the values of its unknowns, and its values at points."""

    problem: Problem
    model: Model
    formula: Formula | None

    @property
    def unknowns(self) -> dict[str, Any]: ...

    def evaluate(self, points: Array) -> Array:
        """Return all fields at points (n, d): (n, fields)."""
