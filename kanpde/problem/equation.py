"""A condition written in SymPy: what must vanish, and the words in which a condition says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from kanpde.arrays import MultiIndex
from kanpde.geometry.domain import Face
from kanpde.problem.declaration import Declaration

Fields = tuple[Any, ...]


@dataclass(frozen=True)
class Equation:
    """What must vanish: `of(fields)`, on a face where `face` names one, else in the whole domain."""

    name: str
    component: str
    face: str | None
    of: Callable[[Fields], Any]

    @property
    def title(self) -> str:
        """What it is called in a proof: the condition's name, its component, its face."""
        words = [self.name] if self.component in (self.name, "") else [self.name, self.component]
        return " ".join(words) + (f" on {self.face}" if self.face else "")


class Formulation(Protocol):
    """A problem in SymPy, some of its parameters as symbols: what `Constraint.equations` writes equations with."""

    @property
    def problem(self) -> Declaration: ...

    def residual(self, name: str, function: Callable[..., Any], faces: tuple[Face, ...] | None) -> Iterator[Equation]:
        """Yield the equations of a residual written as the problem's own, on faces."""

    def equal(self, name: str, field: int, face: Face, left: Callable[[Any], Any], right: Any) -> Equation:
        """Return the equation left(u) = right on a face, u one of the fields."""

    def number(self, value: Any) -> Any:
        """Return a number, or an expression in the problem's parameters, exactly."""

    def value(self, value: Any, field: int) -> Any:
        """Return what a condition prescribes, of any kind that `value_function` knows, in the coordinates."""

    def partial(self, expression: Any, partial: MultiIndex) -> Any:
        """Return a partial derivative of an expression in the coordinates."""

    def normal_derivative(self, expression: Any, face: Face) -> Any:
        """Return the derivative along the outward normal of a face."""

    def on(self, face: Face, expression: Any) -> Any:
        """Return the expression on a face."""

    def component(self, field: int) -> str:
        """Return what an equation about one field is called beside its condition's name."""
