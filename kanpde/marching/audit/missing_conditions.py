"""Count conditions: without as many of them as the equation's order asks for, its solution is not the only one.

Along an axis of a box whose highest derivatives determine all fields, the equation can be solved for these. Then
functions on the faces, as many as the order, are free (Cauchy and Kovalevskaya's theorem; for one coordinate see
Coddington and Levinson, "Theory of Ordinary Differential Equations", ch. 3), and every condition takes one away. What a
missing condition leaves open may be a layer narrower than the knots, or singular, so that no rows notice it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import MultiIndex
from kanpde.geometry.box import Box
from kanpde.geometry.domain import Domain, Face
from kanpde.marching.audit.elliptic import axes_of, needed_on_faces, walls
from kanpde.marching.audit.frozen import frozen
from kanpde.network.trial_function import Model
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

POINTS = 2**12  # inside, and on each face, at which coefficients are looked at
REGULAR = 1e-6  # reciprocal condition of the matrix of highest derivatives, and its smallest size relative to the mean


@dataclass(frozen=True)
class Uncounted:
    """A place, such as "along x" or "on the face 'rim'", where `needed` conditions are expected, and those `given`."""

    place: str
    needed: int
    given: int


def missing_conditions(problem: Problem, model: Model, unknowns: Mapping[str, Tensor]) -> Uncounted | None:
    """Return a place where conditions are missing about a model; None if there is none.

    Nothing is said of problems with unknown constants, several measurements, parts, or conditions on inner shapes.
    """
    conditions = problem.blocks(hard=True)[1:]
    measured = any(block.points is not None and len(block.points) > 1 for block in conditions)
    inside = any(block.place is not None for block in conditions)
    if problem.unknowns or measured or inside or problem.partition is not None:
        return None
    found = (*on_faces(problem, model, unknowns), *along_axes(problem, model, unknowns))
    return next(iter(found), None)


def along_axes(problem: Problem, model: Model, unknowns: Mapping[str, Tensor]) -> Iterator[Uncounted]:
    """Yield the axes of a box along which conditions are missing."""
    domain = problem.domain
    equation, *conditions = problem.blocks(hard=True)
    if not isinstance(domain, Box):
        return
    for axis, name in enumerate(domain.names):
        given = sum(given_along(block, axis) for block in conditions)
        each = [highest_partial(partials, axis) for _, partials in sorted(equation.partials.items())]
        highest = [partial for partial in each if partial is not None]
        needed = sum(map(len, highest))
        if len(highest) == len(problem.fields) and given < needed and regular(problem, model, unknowns, axis, highest):
            yield Uncounted(f"along {name}", needed, given)


def given_along(block: Block, axis: int) -> int:
    """Return how many conditions a block has along an axis."""
    alone = block.points is not None or axis in block.integrated
    return len(block.components) * (1 if alone else sum(axis in face.axes for face in block.faces))


def highest_partial(partials: Collection[MultiIndex], axis: int) -> MultiIndex | None:
    """Return a field's highest partial along an axis; None if it has derivatives along others too, or company."""
    order = max(partial.count(axis) for partial in partials)
    highest = [partial for partial in partials if partial.count(axis) == order]
    return highest[0] if len(highest) == 1 and len(highest[0]) == order else None


def regular(
    problem: Problem, model: Model, unknowns: Mapping[str, Tensor], axis: int, highest: Sequence[MultiIndex]
) -> bool:
    """Return True if the equation can be solved for the `highest` partials along an axis, on its faces too."""
    domain = problem.domain
    unit = np.random.default_rng(0).random((3 * POINTS, domain.dimension))
    unit[:POINTS, axis], unit[POINTS : 2 * POINTS, axis] = 0.0, 1.0
    points = domain.low + (domain.high - domain.low) * unit
    found = frozen(problem, model, unknowns, points)
    if found is None or not np.isfinite(found.slopes).all():
        return False
    leading = np.stack([found.of(partial, f) for f, partial in enumerate(highest)], axis=-1)
    sizes = np.linalg.svd(leading, compute_uv=False)
    same_sign = np.ptp(np.sign(np.linalg.det(leading))) == 0  # else it vanishes between the points
    return bool(same_sign and (sizes[:, -1] > REGULAR * np.maximum(sizes[:, 0], sizes[:, 0].mean())).all())


def on_faces(problem: Problem, model: Model, unknowns: Mapping[str, Tensor]) -> Iterator[Uncounted]:
    """Yield the faces of any domain on which conditions of an elliptic equation are missing."""
    domain, conditions = problem.domain, problem.blocks(hard=True)[1:]
    space = set(axes_of(problem))
    integrals = [block for block in conditions if block.integrated]
    if len(space) < 2 and (domain.time is None or integrals):
        return  # both conditions of an equation in one coordinate may hold at one end
    if any(not space <= set(block.integrated) for block in integrals):
        return
    given = {face.name: sum(given_on(block, face, domain) for block in conditions) for face in walls(problem)}
    needed = needed_on_faces(problem, model, unknowns) if min(given.values(), default=2) < 2 else None
    for name, count in given.items():
        if needed is not None and count < needed:
            yield Uncounted(f"on the face {name!r}", needed, int(count))


def given_on(block: Block, face: Face, domain: Domain) -> float:
    """Return how many conditions a block has on a face; those of a periodic block belong to two faces."""
    if block.points is not None or block.integrated:
        return 0
    if len(block.images(torch.zeros(1, domain.dimension, dtype=torch.float64))) > 1:
        around = {axis for each in block.faces for axis in each.axes}
        return len(block.components) / 2 if around & set(face.axes) else 0
    return len(block.components) * any(each.name == face.name for each in block.faces)
