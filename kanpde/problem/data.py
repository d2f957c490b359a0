"""Measured values of the fields, the data of an inverse problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, Constant, real_array
from kanpde.errors import ProblemError, short
from kanpde.problem.block import Block, Side
from kanpde.problem.constraint import Constraint
from kanpde.problem.declaration import Declaration
from kanpde.problem.equation import Equation, Formulation
from kanpde.problem.field import lookup


@dataclass(frozen=True, eq=False)
class Data(Constraint):
    """u = values (n,) at measured points (n, d), with columns in the order of the domain's coordinates.

    For a system without ``field``, values are (n, fields). `block` raises ProblemError if a shape is wrong, a number is
    not finite, or a point lies outside the domain.
    """

    points: Any
    values: Any
    field: str | None = None

    is_measured: ClassVar[bool] = True

    def block(self, name: str, problem: Declaration) -> Block:
        self.check()
        points, measured = self._arrays(problem)
        chosen = tuple(range(len(problem.fields))) if measured.shape[1] > 1 else self.field_indices(problem)
        table = Constant(measured)

        def evaluate(sides: tuple[Side, ...], index: Tensor | None, unknowns: Mapping[str, Tensor]) -> Tensor:
            rows = table.like(sides[0].points)
            rows = rows if index is None else rows[index]
            return torch.stack([lookup(sides[0].fields[i])(()) - rows[..., j] for j, i in enumerate(chosen)])

        components = tuple(problem.quantities[i] for i in chosen)
        partials = {i: frozenset([()]) for i in chosen}
        return Block(name, "condition", components, (), partials, evaluate, points=points, weight=self.weight)

    def equations(self, name: str, formulation: Formulation) -> tuple[Equation, ...]:
        return ()

    def _arrays(self, problem: Declaration) -> tuple[Array, Array]:
        d, fields = problem.domain.dimension, len(problem.fields)
        points, measured = _array("points", self.points), _array("values", self.values)
        points = points[:, None] if points.ndim == 1 and d == 1 else points
        measured = measured[:, None] if measured.ndim == 1 else measured
        if points.ndim != 2 or points.shape[1] != d or not len(points):
            raise ProblemError(f"Data expects points of shape (n, {d}), got shape {points.shape}")
        wide = fields if self.field is None else 1
        if measured.shape != (len(points), 1) and measured.shape != (len(points), wide):
            got = np.shape(self.values)
            raise ProblemError(f"Data expects values of shape ({len(points)},), one a point; got shape {got}")
        outside = ~problem.domain.contains(points)
        if outside.any():
            raise ProblemError(f"Data expects points inside {problem.domain}, got {points[outside][0].tolist()}")
        return points, measured


def _array(what: str, given: Any) -> Array:
    try:
        array = real_array(given)
    except ProblemError:
        raise ProblemError(f"Data expects {what} as a real array of numbers, got {short(given)}") from None
    if not np.isfinite(array).all():
        raise ProblemError(f"Data expects finite {what}, got {array[~np.isfinite(array)][0]}; leave such points out")
    return array
