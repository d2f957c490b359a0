"""The coefficients of an equation, linearised about a solution and frozen at points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.collocation.affine import is_affine
from kanpde.collocation.rows import Placed
from kanpde.network.trial_function import Model
from kanpde.problem.problem import Problem

MOST = 2e7  # parameters of the network times points; with more of them, fewer points are used
FEWEST = 256


@dataclass(frozen=True, eq=False)
class Frozen:
    """The derivatives of as many rows as there are fields by the fields' partials, `slopes` (n, f, partials, f), at the
    `points` (n, d)."""

    points: Array
    partials: Sequence[MultiIndex]
    slopes: Array

    def of(self, partial: MultiIndex, field: int) -> Array:
        """Return the derivatives (n, f) of the rows by one partial of one field."""
        return self.slopes[:, :, list(self.partials).index(partial), field]


def frozen(problem: Problem, model: Model, unknowns: Mapping[str, Tensor], points: Array) -> Frozen | None:
    """Return the coefficients of a problem's equation about a model, at points (n, d) or some of them.

    The result is None for equations with integrals or unknown functions, with values of fields elsewhere, and with more
    or fewer rows than fields. The model is evaluated only if the equation is not linear.
    """
    equation, fields = problem.blocks()[0], len(problem.fields)
    if equation.integrated or equation.functions or equation.place is not None or len(equation.components) != fields:
        return None
    linear = is_affine(equation, problem)
    if not linear:
        points = points[:: max(1, len(points) // max(FEWEST, int(MOST / max(model.size, 1))))]
    placed = Placed.at(equation, problem.domain.names, torch.from_numpy(points), None)
    if len(placed.images) != 1:
        return None
    jet = torch.zeros(len(points), len(placed.plan), fields, dtype=torch.float64)
    if not linear:
        with torch.no_grad():
            jet = model.jets_at(placed.images[0], placed.plan).double().cpu()
    slopes = [slope.by_jets[0].numpy() for slope in placed.slopes([jet], unknowns)[1]]
    return Frozen(points, placed.plan.partials, np.stack(slopes, axis=1))
