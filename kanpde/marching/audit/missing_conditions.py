"""Count conditions: along an axis an equation needs as many of them as its order, or its solution is not the only one.

Where the highest derivatives along the axis determine all fields, the equation can be solved for them. Then functions
on the faces, as many as the order, are free (Cauchy and Kovalevskaya's theorem; for one coordinate see Coddington and
Levinson, "Theory of Ordinary Differential Equations", ch. 3), and every condition takes one of them away. A solution
that a condition leaves open may be a layer which is narrower than the knots, so that no rows notice it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import MultiIndex
from kanpde.collocation.rows import Placed
from kanpde.geometry.box import Box
from kanpde.network.trial_function import Model
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

POINTS = 2**12  # inside, and on each face, at which coefficients are looked at
REGULAR = 1e-6  # reciprocal condition of the matrix of highest derivatives, and its smallest size relative to the mean


@dataclass(frozen=True)
class Uncounted:
    """An axis along which an equation of this order has fewer conditions."""

    axis: str
    order: int
    conditions: int


def missing_conditions(problem: Problem, model: Model, unknowns: Mapping[str, Tensor]) -> Uncounted | None:
    """Return an axis along which conditions are missing; None if there is none.

    Nothing is said of other domains than boxes, of measurements and integrals, and of an axis along which the highest
    derivatives do not determine all fields everywhere, as at the axis of polar coordinates.
    """
    domain = problem.domain
    equation, *others = problem.blocks(hard=True)
    if not isinstance(domain, Box) or problem.unknowns or not all(counted(block) for block in (equation, *others)):
        return None
    for axis, name in enumerate(domain.names):
        conditions = sum(conditions_along(block, axis) for block in others)
        each = [highest_partial(partials, axis) for _, partials in sorted(equation.partials.items())]
        highest = [partial for partial in each if partial is not None]
        order = sum(map(len, highest))
        if len(highest) != len(problem.fields) or conditions >= order:
            continue
        if regular(domain, equation, model, unknowns, axis, highest):
            return Uncounted(name, order, conditions)
    return None


def highest_partial(partials: Collection[MultiIndex], axis: int) -> MultiIndex | None:
    """Return a field's highest partial along an axis; None if it has derivatives along others too, or company."""
    order = max(partial.count(axis) for partial in partials)
    highest = [partial for partial in partials if partial.count(axis) == order]
    return highest[0] if len(highest) == 1 and len(highest[0]) == order else None


def counted(block: Block) -> bool:
    """Return True if a block has rows at all points of faces, or of the domain."""
    return block.points is None and block.place is None and not (block.integrated or block.functions)


def conditions_along(block: Block, axis: int) -> int:
    """Return how many conditions a block has on faces across an axis."""
    return len(block.components) * sum(axis in face.axes for face in block.faces)


def regular(
    domain: Box,
    equation: Block,
    model: Model,
    unknowns: Mapping[str, Tensor],
    axis: int,
    highest: Sequence[MultiIndex],
) -> bool:
    """Return True if an equation can be solved for the `highest` partials along an axis, on its faces too."""
    points = np.random.default_rng(0).random((3 * POINTS, domain.dimension))
    points[:POINTS, axis], points[POINTS : 2 * POINTS, axis] = 0.0, 1.0
    places = torch.from_numpy(domain.low + (domain.high - domain.low) * points)
    placed = Placed.at(equation, domain.names, places, None)
    if len(placed.images) != 1:
        return False
    with torch.no_grad():
        jets = [model.jets_at(placed.images[0], placed.plan).double().cpu()]
    slopes = np.stack([slope.by_jets[0].numpy() for slope in placed.slopes(jets, unknowns)[1]], axis=1)
    if slopes.shape[1] != slopes.shape[3] or not np.isfinite(slopes).all():
        return False
    leading = np.stack([slopes[:, :, placed.plan.index[p], f] for f, p in enumerate(highest)], axis=-1)
    sizes = np.linalg.svd(leading, compute_uv=False)
    same_sign = np.ptp(np.sign(np.linalg.det(leading))) == 0  # else it vanishes between the points
    return bool(same_sign and (sizes[:, -1] > REGULAR * np.maximum(sizes[:, 0], sizes[:, 0].mean())).all())
