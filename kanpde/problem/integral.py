"""A prescribed integral of an expression in the fields, over space or over faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from kanpde.errors import ProblemError
from kanpde.geometry.domain import Face, On, Section
from kanpde.geometry.integration import measure_over
from kanpde.geometry.shape import Product
from kanpde.problem.arguments import asked
from kanpde.problem.block import Block, Side
from kanpde.problem.boundary_values import value_function
from kanpde.problem.constraint import Constraint
from kanpde.problem.declaration import Declaration
from kanpde.problem.field import lookup
from kanpde.problem.residual import residual_block


@dataclass(frozen=True)
class Integral(Constraint):
    """∫ integrand = value over space, for every t, or over the faces ``on``.

    ``integrand`` is a function of fields, coordinates and unknowns by name, as the equation's residual; by default it
    is the field. ``value`` is a number, a function of t (torch, SymPy), or, without an integrand, "exact". Parameters,
    the coordinates by which the equation does not differentiate, are like t. Raises ProblemError if the value depends
    on a coordinate of space.
    """

    value: Any
    integrand: Callable[..., Any] | None = None
    on: On | None = None
    field: str | None = None

    def block(self, name: str, problem: Declaration) -> Block:
        self.check()
        faces, axes = self._faces(problem), self._axes(problem)
        over = tuple(sorted({*axes, *(axis for face in faces for axis in face.axes)}))
        self._check_value(problem, over)
        integrand = self._field_block(name, problem) if self.integrand is None else self._own_block(name, problem)
        share = 1.0 if isinstance(self.value, str) else 1.0 / measure_over(problem.domain, faces, over)
        chosen = self.field_indices(problem) if self.integrand is None else (0,)
        values = [value_function(self.value, problem, i) for i in chosen]

        def evaluate(sides: tuple[Side, ...], index: Tensor | None, unknowns: Mapping[str, Tensor]) -> Tensor:
            # The mean of the value over the points is subtracted from the integrand, and with it the value itself.
            targets = torch.stack([share * value(sides[0].points) for value in values])
            return integrand.evaluate(sides, index, unknowns) - targets

        return integrand.with_rows(evaluate, faces=faces, integrated=over)

    def check(self) -> None:
        super().check()
        if self.integrand is not None and not callable(self.integrand):
            raise ProblemError(f"Integral expects a function of fields and coordinates, got {self.integrand!r}")
        if self.integrand is not None and isinstance(self.value, str):
            raise ProblemError(f"Integral of an integrand expects a number or a function of t, got {self.value!r}")

    def _faces(self, problem: Declaration) -> tuple[Face, ...]:
        faces = () if self.on is None else problem.domain.resolve(self.on)
        if any(isinstance(face, Section) for face in faces):
            raise ProblemError(f"Integral expects faces, got on={self.on!r}; name faces of {problem.domain}")
        return faces

    def _axes(self, problem: Declaration) -> tuple[int, ...]:
        """Return the coordinates of space by which the equation differentiates, and all of a shape."""
        domain = problem.domain
        if not domain.space:
            raise ProblemError("Integral expects a coordinate of space, and the domain has time alone; use Point")
        partials = residual_block(problem.residual, problem, "residual", kind="residual").partials.values()
        found = {axis for few in partials for partial in few for axis in partial} & set(domain.space)
        if isinstance(domain, Product):
            found |= set(range(domain.shape.dimension))
        return tuple(sorted(found)) or domain.space

    def _check_value(self, problem: Declaration, over: tuple[int, ...]) -> None:
        """Raise ProblemError if the value depends on a coordinate that is integrated over."""
        free = tuple(name for axis, name in enumerate(problem.domain.names) if axis not in over)
        if isinstance(self.value, sp.Expr):
            names = {str(symbol) for symbol in self.value.free_symbols} - set(free)
            if names:
                raise ProblemError(f"the integral's value expects no coordinate but {free}, got {', '.join(names)}")
        elif callable(self.value):
            asked(self.value, free, "the integral's value")

    def _field_block(self, name: str, problem: Declaration) -> Block:
        chosen = self.field_indices(problem)

        def evaluate(sides: tuple[Side, ...], index: Tensor | None, unknowns: Mapping[str, Tensor]) -> Tensor:
            return torch.stack([lookup(sides[0].fields[i])(()) for i in chosen])

        components = tuple(problem.quantities[i] for i in chosen)
        partials = {i: frozenset([()]) for i in chosen}
        return Block(name, "condition", components, (), partials, evaluate, weight=self.weight)

    def _own_block(self, name: str, problem: Declaration) -> Block:
        assert self.integrand is not None
        faces = self._faces(problem)
        return residual_block(self.integrand, problem, name, kind="condition", faces=faces, weight=self.weight)
