"""The coefficients of an equation, linearised about a solution and frozen at points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.collocation.rows import Placed
from kanpde.network.trial_function import Model
from kanpde.problem.block import Block


@dataclass(frozen=True, eq=False)
class Frozen:
    """The derivatives of as many rows as there are fields by the fields' partials: `slopes` (n, f, partials, f)."""

    partials: Sequence[MultiIndex]
    slopes: Array

    def of(self, partial: MultiIndex, field: int) -> Array:
        """Return the derivatives (n, f) of the rows by one partial of one field."""
        return self.slopes[:, :, list(self.partials).index(partial), field]


def frozen(
    equation: Block, names: tuple[str, ...], model: Model, unknowns: Mapping[str, Tensor], points: Array
) -> Frozen | None:
    """Return the coefficients of an equation in the coordinates `names` about a model, at points (n, d).

    The result is None for equations with integrals or unknown functions, with values of fields elsewhere, and with more
    or fewer rows than fields.
    """
    if equation.integrated or equation.functions or equation.place is not None:
        return None
    placed = Placed.at(equation, names, torch.from_numpy(points), None)
    if len(placed.images) != 1:
        return None
    with torch.no_grad():
        jets = [model.jets_at(placed.images[0], placed.plan).double().cpu()]
    if len(equation.components) != jets[0].shape[2]:
        return None
    slopes = [slope.by_jets[0].numpy() for slope in placed.slopes(jets, unknowns)[1]]
    return Frozen(placed.plan.partials, np.stack(slopes, axis=1))
