"""What is needed of a solution to export it."""

from __future__ import annotations

from typing import Any, Protocol

from kanpde.calculus.arrays import Array
from kanpde.network.trial_function import Model
from kanpde.problem.problem import Problem


class Exportable(Protocol):
    """A solution: its problem, its model, the values of its unknowns, and its values at points."""

    problem: Problem
    model: Model

    @property
    def unknowns(self) -> dict[str, Any]: ...

    def evaluate(self, points: Array) -> Array:
        """Return all fields at points (n, d): (n, fields)."""
