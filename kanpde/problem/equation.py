"""A condition as an equation in SymPy, and the operations with which a condition writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from kanpde.calculus.arrays import MultiIndex
from kanpde.geometry.domain import Face
from kanpde.problem.declaration import Declaration

Fields = tuple[Any, ...]


@dataclass(frozen=True)
class Equation:
    """of(fields) = 0 on the face named `face`, or in the whole domain if `face` is None.

    `around` is the same before the face's coordinates are put in, None if it is not known.
    """

    name: str
    component: str
    face: str | None
    of: Callable[[Fields], Any]
    around: Callable[[Fields], Any] | None = None

    @property
    def title(self) -> str:
        """The equation's name in a proof: the condition's name, its component, its face."""
        words = [self.name] if self.component in (self.name, "") else [self.name, self.component]
        return " ".join(words) + (f" on {self.face}" if self.face else "")


class Formulation(Protocol):
    """A problem in SymPy with some parameters as symbols; `Constraint.equations` writes its equations with it."""

    @property
    def problem(self) -> Declaration: ...

    def residual(self, name: str, function: Callable[..., Any], faces: tuple[Face, ...] | None) -> Iterator[Equation]:
        """Yield the equations residual = 0 on faces (None: in the whole domain), for a residual by argument names."""

    def equal(self, name: str, field: int, face: Face, left: Callable[[Any], Any], right: Any) -> Equation:
        """Return the equation left(u) = right on a face, where u is the field with this index."""

    def number(self, value: Any) -> Any:
        """Return an exact number, or an exact expression in the problem's parameters."""

    def value(self, value: Any, field: int) -> Any:
        """Return a prescribed value of any kind that `value_function` accepts, as an expression in the coordinates."""

    def partial(self, expression: Any, partial: MultiIndex) -> Any:
        """Return a partial derivative of an expression in the coordinates."""

    def normal_derivative(self, expression: Any, face: Face) -> Any:
        """Return the derivative along the outward normal of a face."""

    def on(self, face: Face, expression: Any) -> Any:
        """Return the expression on a face."""

    def component(self, field: int) -> str:
        """Return the name of the component of an equation about one field."""
