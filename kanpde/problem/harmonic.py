"""The smoothest functions that satisfy a problem's conditions, as a problem of their own: polyharmonic functions."""

from __future__ import annotations

import copy
from itertools import product
from typing import Any

from torch import Tensor

from kanpde.problem.problem import Problem


class Polyharmonic:
    """The residual Δᵐ u of every field, as a method `residual`."""

    def __init__(self, names: tuple[str, ...], fields: tuple[str, ...], power: int) -> None:
        self.fields = fields
        self.terms = [[name for each in axes for name in (each, each)] for axes in product(names, repeat=power)]

    def __call__(self, **values: Any) -> tuple[Tensor, ...]:
        """Return Δᵐ u of every field."""
        return tuple(sum(values[field].d(*term) for term in self.terms) for field in self.fields)


def polyharmonic(problem: Problem) -> Problem:
    """Return a copy of a problem with the equations Δᵐ u = 0, whose order is that of the problem's own or one less."""
    other = copy.copy(problem)
    blocks = problem.blocks(hard=True)
    order = max(len(partial) for block in blocks for wanted in block.partials.values() for partial in wanted)
    residual = Polyharmonic(problem.domain.names, tuple(problem.fields), max(order // 2, 1))
    object.__setattr__(other, "residual", residual)
    object.__setattr__(other, "source", None)
    return other
