"""A prescribed value at one point, such as that of a pressure, or along a line if some coordinates are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kanpde.geometry.domain import Face
from kanpde.problem.conditions import OnFaces
from kanpde.problem.declaration import Declaration


@dataclass(frozen=True)
class Point(OnFaces):
    """u = value where the coordinates have the values ``at``, for all values of the others, such as t.

    ``value`` is as in Dirichlet. Raises ProblemError if no such point lies in the domain.
    """

    at: Mapping[str, float]
    value: Any = 0
    field: str | None = None

    def coefficients(self) -> tuple[Any, Any]:
        return 1, 0

    def faces(self, problem: Declaration) -> tuple[Face, ...]:
        return (problem.domain.section(self.at),)
