"""Manufactured right-hand sides: the equation is residual(u) = residual(exact).

So any known function solves the equation, whatever its terms are (Roache, J. Fluids Eng. 124 (2002) 4).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from kanpde.calculus.arrays import MultiIndex
from kanpde.calculus.expressions import PointFunction
from kanpde.errors import ProblemError
from kanpde.problem.block import Block, Side
from kanpde.problem.declaration import Declaration
from kanpde.problem.exact import exact_functions, point_functions
from kanpde.problem.field import Field

KEPT = 8  # sets of points whose right sides are kept, because most are used many times


def with_source(block: Block, problem: Declaration) -> Block:
    """Return the equation's block minus its rows at the exact solution.

    Raises ProblemError without ``exact``, or with unknowns, which then could have any values.
    """
    if exact_functions(problem) is None:
        raise ProblemError(f'source = "exact" of {problem.name} needs a method exact, and it has none; write one')
    if problem.unknowns:
        raise ProblemError(
            f'source = "exact" of {problem.name} expects no unknowns, because any values would solve the equation'
        )

    @functools.cache
    def functions(partial: MultiIndex) -> list[PointFunction]:
        return point_functions(problem, partial)

    def exact_side(side: Side) -> Side:
        points = side.points.detach()

        def field(i: int, name: str) -> Field:
            return Field(name, problem.domain.names, lambda partial: functions(partial)[i](points))

        return replace(side, points=points, fields=tuple(field(i, name) for i, name in enumerate(problem.fields)))

    known: list[tuple[Tensor, int, Tensor]] = []

    def source(side: Side, index: Tensor | None) -> Tensor:
        points = side.points
        # Points that are kept are no other object with the same identity; a version counts changes in place.
        for kept, version, values in known:
            if kept is points and version == points._version:
                return values
        with torch.no_grad():
            values = block.evaluate((exact_side(side),), index, {})
        if not values.isfinite().all():
            raise ProblemError(f'source = "exact" of {problem.name} is not finite: the exact solution is singular')
        known.append((points, points._version, values))
        del known[:-KEPT]
        return values

    def evaluate(sides: tuple[Side, ...], index: Tensor | None, unknowns: Mapping[str, Tensor]) -> Tensor:
        rows = block.evaluate(sides, index, unknowns)
        return rows - source(sides[0], index).to(rows)

    return block.with_rows(evaluate)
