"""The base class of all conditions, and the methods that a condition of your own may define.

A condition is a frozen dataclass derived from `Constraint` with a method ``block``, which returns the rows that must
vanish; this is sufficient for a solution. The other methods and attributes are optional:

* ``equations`` allows a formula to be proved; without it the best status of a formula is "numeric",
* ``boundary_values`` and ``hardenable`` allow the condition to hold by construction (``hard=True``) and error bounds,
* ``is_start`` marks an initial condition, from which an evolution is solved slab by slab in time,
* ``is_measured`` marks data with errors, about which nothing can be proved.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from kanpde.errors import ProblemError, among, nearest, number, short
from kanpde.geometry.domain import Face
from kanpde.geometry.partition import Cut
from kanpde.problem.block import Block
from kanpde.problem.declaration import Declaration
from kanpde.problem.equation import Equation, Formulation

WEIGHTS = (1e-30, 1e30)  # beyond these a condition counts for nothing, or the equation does


@dataclass(frozen=True)
class BoundaryValue:
    """∂_a^order u = value on ``faces``, where a is the axis normal to a face; see `value_function` for ``value``."""

    faces: tuple[Face, ...]
    value: Any
    order: int = 0


@dataclass(frozen=True)
class Closing:
    """A periodic axis: the fields and their derivatives along it, up to ``order``, agree at both ends."""

    axis: int
    order: int


@dataclass(frozen=True, kw_only=True)
class Constraint(ABC):
    """A condition with a weight, soft or hard. Its methods raise ProblemError if it does not fit the problem."""

    weight: float = 1.0
    hard: bool = False

    hardenable: ClassVar[bool] = False
    is_start: ClassVar[bool] = False
    is_measured: ClassVar[bool] = False

    @abstractmethod
    def block(self, name: str, problem: Declaration) -> Block:
        """Return the rows that must vanish."""

    def equations(self, name: str, formulation: Formulation) -> Iterable[Equation] | None:
        """Return the condition's equations in SymPy; None if they cannot be written in SymPy."""
        return None

    def boundary_values(self, problem: Declaration) -> tuple[BoundaryValue, ...]:
        """Return the values that the condition prescribes; empty if it prescribes anything else."""
        return ()

    def cuts(self, problem: Declaration) -> tuple[Cut, ...]:
        """Return the planes that split the domain; empty if the condition splits nothing."""
        return ()

    def closing(self, problem: Declaration) -> Closing | None:
        """Return the axis that the condition makes periodic; None if it makes no axis periodic."""
        return None

    def check(self) -> None:
        """Raise ProblemError if the weight is not positive and finite or the condition cannot be hard."""
        if not (number(self.weight) and WEIGHTS[0] <= self.weight <= WEIGHTS[1]):
            least, most = WEIGHTS
            raise ProblemError(
                f"expected a positive finite weight, from {least:g} to {most:g}, got {short(self.weight)}"
            )
        if not isinstance(self.hard, bool):
            raise ProblemError(f"expected hard=True or hard=False, got {short(self.hard)}")
        if self.hard and not self.hardenable:
            raise ProblemError(f"a hard {type(self).__name__} can't be built; leave out hard=True")

    def field_indices(self, problem: Declaration) -> tuple[int, ...]:
        """Return the indices of the condition's fields: of ``field`` if it is given, else of all fields.

        Raises ProblemError if the field is unknown, or if a system needs one and it is missing.
        """
        name = getattr(self, "field", None)
        if name is not None:
            quantities = problem.quantities
            if not among(name, quantities):
                raise ProblemError(f"expected a field, got {name!r}; {nearest(name, quantities)}")
            return (quantities.index(name),)
        if len(problem.fields) > 1 and not self.about_all_fields():
            known = ", ".join(problem.fields)
            raise ProblemError(f"a system expects field=, one of {known}, beside a value other than 'exact'; got none")
        return tuple(range(len(problem.fields)))

    def about_all_fields(self) -> bool:
        """Return whether the condition without ``field`` applies to all fields of a system."""
        value = getattr(self, "value", None)
        return isinstance(value, str) and value == "exact"
