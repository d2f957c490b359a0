"""What every condition of a problem shares, and what one of your own has to answer.

A condition is a frozen dataclass derived from `Constraint` with a method ``block``, the rows that must vanish; that is
enough for a solution. What else it can say of itself has defaults that claim nothing:

* ``equations`` lets a formula be proved; without it formulas are "numeric" at best,
* ``boundary_values`` and ``hardenable`` let it hold by construction (``hard=True``), and error bounds use them,
* ``is_start`` lets an evolution start from it, slab by slab of time,
* ``is_measured`` tells data with errors, about which nothing is proved.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from kanpde.errors import ProblemError, nearest
from kanpde.geometry.domain import Face
from kanpde.problem.block import Block
from kanpde.problem.declaration import Declaration
from kanpde.problem.equation import Equation, Formulation


@dataclass(frozen=True)
class BoundaryValue:
    """On these faces the order-th derivative along the axis that they cut has this value, of any kind of a value."""

    faces: tuple[Face, ...]
    value: Any
    order: int = 0


@dataclass(frozen=True)
class Closing:
    """Both ends of an axis are one: the fields and their derivatives up to an order agree there."""

    axis: int
    order: int


@dataclass(frozen=True, kw_only=True)
class Constraint(ABC):
    """A condition. Its methods raise ProblemError where it does not fit the problem."""

    weight: float = 1.0
    hard: bool = False

    hardenable: ClassVar[bool] = False
    is_start: ClassVar[bool] = False
    is_measured: ClassVar[bool] = False

    @abstractmethod
    def block(self, name: str, problem: Declaration) -> Block:
        """Return the rows that must vanish."""

    def equations(self, name: str, formulation: Formulation) -> Iterable[Equation] | None:
        """Return the same in SymPy; None where it cannot be written so."""
        return None

    def boundary_values(self, problem: Declaration) -> tuple[BoundaryValue, ...]:
        """Return the values that the condition prescribes; empty where it prescribes anything else."""
        return ()

    def closing(self, problem: Declaration) -> Closing | None:
        """Return the axis that the condition closes to a circle; None where it closes none."""
        return None

    def check(self) -> None:
        """Raise ProblemError for a weight or a ``hard`` that can't be met."""
        if not (isinstance(self.weight, (int, float)) and math.isfinite(self.weight) and self.weight > 0):
            raise ProblemError(f"expected a positive finite weight, got {self.weight!r}")
        if self.hard and not self.hardenable:
            raise ProblemError(f"a hard {type(self).__name__} can't be built; leave out hard=True")

    def field_indices(self, problem: Declaration) -> tuple[int, ...]:
        """Return the numbers of the fields that the condition is about: of ``field`` where it has one, else of all."""
        name = getattr(self, "field", None)
        if name is not None:
            if name not in problem.fields:
                raise ProblemError(f"expected a field, got {name!r}; {nearest(str(name), problem.fields)}")
            return (problem.fields.index(name),)
        if len(problem.fields) > 1 and not self.about_all_fields():
            known = ", ".join(problem.fields)
            raise ProblemError(f"a system expects field=, one of {known}, beside a value other than 'exact'; got none")
        return tuple(range(len(problem.fields)))

    def about_all_fields(self) -> bool:
        """Return whether the condition stands for all fields of a system where none is named."""
        value = getattr(self, "value", None)
        return isinstance(value, str) and value == "exact"
