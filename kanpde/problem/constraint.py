"""What every condition of a problem shares: a weight, hardness, the fields it is about, and the block it becomes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kanpde.errors import ProblemError, nearest
from kanpde.problem.block import Block

if TYPE_CHECKING:
    from kanpde.problem.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Constraint(ABC):
    """What all conditions share. Their ``block`` raises ProblemError where the condition does not fit the problem."""

    weight: float = 1.0
    hard: bool = False

    hardenable: ClassVar[bool] = False

    @abstractmethod
    def block(self, name: str, problem: Problem) -> Block:
        """The rows that must vanish."""

    def check(self) -> None:
        """Raise ProblemError for a weight or a ``hard`` that can't be met."""
        if not (isinstance(self.weight, (int, float)) and math.isfinite(self.weight) and self.weight > 0):
            raise ProblemError(f"expected a positive finite weight, got {self.weight!r}")
        if self.hard and not self.hardenable:
            raise ProblemError(f"a hard {type(self).__name__} can't be built; leave out hard=True")

    def field_indices(self, problem: Problem) -> tuple[int, ...]:
        """The numbers of the fields it is about."""
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
        """Whether it stands for all fields of a system where none is named."""
        value = getattr(self, "value", None)
        return isinstance(value, str) and value == "exact"
