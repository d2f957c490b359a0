"""Conditions on faces, at the initial time, and at measured points.

Every condition takes ``weight=`` (a factor on its rows) and ``hard=True`` (it holds by construction). ``value`` is a
number, a callable of named coordinates (torch), a SymPy expression, or "exact". A system needs ``field``, except with
the value "exact", which applies to all fields.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Constant, MultiIndex
from kanpde.errors import ProblemError, short
from kanpde.geometry.domain import Face, On, Section, face_points, outward_normals
from kanpde.problem.block import Block, Side
from kanpde.problem.boundary_values import ValueFunction, check_value, value_function
from kanpde.problem.constraint import BoundaryValue, Closing, Constraint
from kanpde.problem.data import Data
from kanpde.problem.declaration import Declaration
from kanpde.problem.equation import Equation, Fields, Formulation
from kanpde.problem.field import Lookup, lookup
from kanpde.problem.residual import residual_block

__all__ = ["Condition", "Constraint", "Data", "Dirichlet", "Initial", "Neumann", "Periodic", "Robin"]

MAX_ORDER = 8  # of derivatives in Initial and Periodic; splines have few more
_LeftSide = Callable[[Lookup, Tensor], Tensor]


class OnFaces(Constraint):
    """a u + b du/dn = value on faces: the common base of Dirichlet, Neumann, Robin and Point."""

    value: Any
    on: On

    def coefficients(self) -> tuple[Any, Any]:
        """Return a and b as the user wrote them."""
        raise NotImplementedError

    def faces(self, problem: Declaration) -> tuple[Face, ...]:
        """Return the faces; raise ProblemError if a normal derivative or a hard condition has no face."""
        found = problem.domain.resolve(self.on)
        if any(isinstance(face, Section) for face in found) and (self.hard or float(self.coefficients()[1])):
            raise ProblemError(f"expected faces for a hard condition or a normal derivative, got on={self.on!r}")
        return found

    def block(self, name: str, problem: Declaration) -> Block:
        self.check()
        a, b = map(float, self.coefficients())
        domain, faces, chosen = problem.domain, self.faces(problem), self.field_indices(problem)
        axes = sorted({axis for face in faces for axis in face.axes}) if b else []
        needed: list[MultiIndex] = ([()] if a else []) + [(axis,) for axis in axes]

        def left_side(u: Lookup, normal: Tensor) -> Tensor:
            terms = [a * u(())] if a else []
            terms += [b * normal[..., axis] * u((axis,)) for axis in axes]
            return functools.reduce(operator.add, terms)

        targets = [self._target(problem, i, faces, needed, left_side) for i in chosen]

        def evaluate(sides: tuple[Side, ...], index: Tensor | None, unknowns: Mapping[str, Tensor]) -> Tensor:
            points, fields = sides[0].points, sides[0].fields
            normal = outward_normals(domain, faces, points, index) if axes else points
            rows = zip(chosen, targets, strict=True)
            return torch.stack([left_side(lookup(fields[i]), normal) - target(points, normal) for i, target in rows])

        def left(sides: tuple[Side, ...], index: Tensor | None) -> Tensor:
            points, fields = sides[0].points, sides[0].fields
            normal = outward_normals(domain, faces, points, index) if axes else points
            return torch.stack([left_side(lookup(fields[i]), normal) for i in chosen])

        components = tuple(problem.quantities[i] for i in chosen)
        partials = {i: frozenset(needed) for i in chosen}
        more: dict[str, Any] = {
            "weight": self.weight,
            "hard": self.hard,
            "affine": not callable(self.value),
            "left": left,
        }
        return Block(name, "condition", components, faces, partials, evaluate, **more)

    def _target(
        self, problem: Declaration, i: int, faces: tuple[Face, ...], needed: list[MultiIndex], left_side: _LeftSide
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the right side at points with normals; for "exact" it is the left side of the exact solution."""
        exact = isinstance(self.value, str)
        known = {p: value_function(self.value, problem, i, p) for p in (needed if exact else [()])}
        for function in known.values():
            check_value(function, problem, faces)
        if exact:
            return lambda points, normal: left_side(lambda p: known[p](points), normal)
        return lambda points, normal: known[()](points)

    def equations(self, name: str, formulation: Formulation) -> Iterator[Equation]:
        problem, (a, b) = formulation.problem, map(formulation.number, self.coefficients())
        for i in self.field_indices(problem):
            target = formulation.value(self.value, i)
            for face in self.faces(problem):

                def left(u: Any, face: Face = face) -> Any:
                    return a * u + b * formulation.normal_derivative(u, face)

                yield formulation.equal(name, i, face, left, left(target) if isinstance(self.value, str) else target)


@dataclass(frozen=True)
class Dirichlet(OnFaces):
    """u = value on faces."""

    value: Any = 0
    on: On = "boundary"
    field: str | None = None

    hardenable: ClassVar[bool] = True

    def coefficients(self) -> tuple[Any, Any]:
        return 1, 0

    def boundary_values(self, problem: Declaration) -> tuple[BoundaryValue, ...]:
        return (BoundaryValue(self.faces(problem), self.value),)


@dataclass(frozen=True)
class Neumann(OnFaces):
    """du/dn = value on faces, where n is the outward unit normal."""

    value: Any = 0
    on: On = "boundary"
    field: str | None = None

    def coefficients(self) -> tuple[Any, Any]:
        return 0, 1


@dataclass(frozen=True)
class Robin(OnFaces):
    """a u + b du/dn = value on faces, where n is the outward unit normal; a and b are numbers, not both zero."""

    a: float
    b: float
    value: Any
    on: On = "boundary"
    field: str | None = None

    def coefficients(self) -> tuple[Any, Any]:
        return self.a, self.b

    def check(self) -> None:
        super().check()
        try:
            a, b = float(self.a), float(self.b)
        except (TypeError, ValueError, OverflowError):
            raise ProblemError(f"Robin expects numbers a and b, got {short(self.a)} and {short(self.b)}") from None
        if not (math.isfinite(a) and math.isfinite(b)) or a == b == 0:
            raise ProblemError(f"Robin expects finite numbers a and b, not both zero; got {self.a!r} and {self.b!r}")


def check_order(condition: Initial | Periodic) -> None:
    """Raise ProblemError if the order of a derivative is not a whole number from 0 to MAX_ORDER."""
    kind, order = type(condition).__name__, condition.order
    if isinstance(order, bool) or not isinstance(order, int) or not 0 <= order <= MAX_ORDER:
        raise ProblemError(f"{kind} expects an order 0, 1, 2 … of at most {MAX_ORDER}, got {short(order)}")


@dataclass(frozen=True)
class Initial(Constraint):
    """∂^order u / ∂t^order = value at the initial time."""

    value: Any = 0
    order: int = 0
    field: str | None = None

    hardenable: ClassVar[bool] = True
    is_start: ClassVar[bool] = True

    def block(self, name: str, problem: Declaration) -> Block:
        self.check()
        faces, axes = self.faces(problem), self.partial(problem)
        chosen = self.field_indices(problem)
        targets = [self.target(problem, i) for i in chosen]
        for target in targets:
            check_value(target, problem, faces)

        def evaluate(sides: tuple[Side, ...], index: Tensor | None, unknowns: Mapping[str, Tensor]) -> Tensor:
            points, fields = sides[0].points, sides[0].fields
            return torch.stack([lookup(fields[i])(axes) - f(points) for i, f in zip(chosen, targets, strict=True)])

        def left(sides: tuple[Side, ...], index: Tensor | None) -> Tensor:
            return torch.stack([lookup(sides[0].fields[i])(axes) for i in chosen])

        components = tuple(problem.quantities[i] for i in chosen)
        partials = {i: frozenset([axes]) for i in chosen}
        more: dict[str, Any] = {
            "weight": self.weight,
            "hard": self.hard,
            "affine": not callable(self.value),
            "left": left,
        }
        return Block(name, "condition", components, faces, partials, evaluate, **more)

    def check(self) -> None:
        super().check()
        check_order(self)
        if self.hard and self.order > 1:
            raise ProblemError(f"a hard Initial of order {self.order} can't be built; leave out hard=True")

    def faces(self, problem: Declaration) -> tuple[Face, ...]:
        """Return the face of the initial time; raise ProblemError without a coordinate t."""
        if problem.domain.time is None:
            known = ", ".join(problem.domain.names)
            raise ProblemError(f"Initial expects a coordinate t, got {known}; use Dirichlet on a face")
        return problem.domain.resolve("t-")

    def partial(self, problem: Declaration) -> MultiIndex:
        """Return the multi-index of the prescribed time derivative."""
        return () if problem.domain.time is None else (problem.domain.time,) * self.order

    def target(self, problem: Declaration, field_index: int) -> ValueFunction:
        """Return the prescribed values of one field; for "exact" the derivative of the exact solution."""
        exact = isinstance(self.value, str)
        return value_function(self.value, problem, field_index, self.partial(problem) if exact else ())

    def boundary_values(self, problem: Declaration) -> tuple[BoundaryValue, ...]:
        return (BoundaryValue(self.faces(problem), self.value, self.order),)

    def equations(self, name: str, formulation: Formulation) -> Iterator[Equation]:
        problem = formulation.problem
        time, (face,) = self.partial(problem), self.faces(problem)
        for i in self.field_indices(problem):
            target = formulation.value(self.value, i)
            target = formulation.partial(target, time) if isinstance(self.value, str) else target
            yield formulation.equal(name, i, face, lambda u: formulation.partial(u, time), target)


@dataclass(frozen=True)
class Periodic(Constraint):
    """u and its derivatives along the coordinate ``axis``, up to ``order``, agree on both faces of the axis."""

    axis: str
    order: int = 1
    field: str | None = None

    hardenable: ClassVar[bool] = True

    def block(self, name: str, problem: Declaration) -> Block:
        self.check()
        axis, domain = problem.domain.axis(self.axis), problem.domain
        chosen = self.field_indices(problem)
        orders: list[MultiIndex] = [(axis,) * order for order in range(self.order + 1)]
        # keep * p + move sets one coordinate exactly and leaves the points unchanged.
        keep, move = np.ones(domain.dimension), np.zeros(domain.dimension)
        keep[axis], move[axis] = 0, domain.high[axis]
        keeps, moves = Constant(keep), Constant(move)

        def images(points: Tensor) -> tuple[Tensor, ...]:
            return points, points * keeps.like(points) + moves.like(points)

        def evaluate(sides: tuple[Side, ...], index: Tensor | None, unknowns: Mapping[str, Tensor]) -> Tensor:
            low, high = sides[0].fields, sides[1].fields
            return torch.stack([lookup(high[i])(o) - lookup(low[i])(o) for i in chosen for o in orders])

        def left(sides: tuple[Side, ...], index: Tensor | None) -> Tensor:
            return evaluate(sides, index, {})

        ends = ["_" + self.axis * len(order) if order else "" for order in orders]
        components = tuple(problem.quantities[i] + end for i in chosen for end in ends)
        partials = {i: frozenset(orders) for i in chosen}
        faces = domain.resolve(f"{self.axis}-")
        self._check_images(problem, faces, lambda points: images(points)[1])
        more: dict[str, Any] = {"weight": self.weight, "hard": self.hard, "affine": True, "left": left}
        return Block(name, "condition", components, faces, partials, evaluate, images=images, **more)

    def _check_images(self, problem: Declaration, faces: tuple[Face, ...], image: Callable[[Tensor], Tensor]) -> None:
        """Raise ProblemError if the two faces do not lie opposite each other."""
        domain, opposite = problem.domain, problem.domain.resolve(f"{self.axis}+")
        random = np.random.default_rng(0)
        points = torch.from_numpy(face_points(domain, faces[0], 64, lambda count, d: random.random((count, d))))
        same = math.isclose(domain.face_measure(faces[0]), domain.face_measure(opposite[0]), rel_tol=1e-6)
        if not same or not domain.contains(image(points).numpy()).all():
            names = f"{faces[0].name} and {opposite[0].name}"
            raise ProblemError(f"Periodic expects opposite faces of the same form, got {names} of {domain}")

    def closing(self, problem: Declaration) -> Closing | None:
        return Closing(problem.domain.axis(self.axis), self.order)

    def equations(self, name: str, formulation: Formulation) -> Iterator[Equation]:
        domain = formulation.problem.domain
        axis, (low, high) = domain.axis(self.axis), domain.resolve(self.axis)
        for i in self.field_indices(formulation.problem):
            for order in range(self.order + 1):

                def gap(fields: Fields, i: int = i, partial: MultiIndex = (axis,) * order) -> Any:
                    derivative = formulation.partial(fields[i], partial)
                    return formulation.on(high, derivative) - formulation.on(low, derivative)

                component = formulation.component(i) + ("_" + self.axis * order if order else "")
                yield Equation(name, component, None, gap)

    def about_all_fields(self) -> bool:
        return True

    def check(self) -> None:
        super().check()
        check_order(self)


@dataclass(frozen=True)
class Condition(Constraint):
    """residual = 0 on faces, or on a section such as ``on={"x": 0.3}``.

    Its arguments are fields, coordinates and unknowns by name, as in the equation.
    """

    residual: Callable[..., Any]
    on: On = "boundary"

    def block(self, name: str, problem: Declaration) -> Block:
        self.check()
        if not callable(self.residual):
            raise ProblemError(f"Condition expects a function of fields and coordinates, got {self.residual!r}")
        faces = problem.domain.resolve(self.on)
        return residual_block(self.residual, problem, name, kind="condition", faces=faces, weight=self.weight)

    def equations(self, name: str, formulation: Formulation) -> Iterator[Equation]:
        yield from formulation.residual(name, self.residual, formulation.problem.domain.resolve(self.on))
