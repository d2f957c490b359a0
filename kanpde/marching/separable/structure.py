"""Which problems have conditions that can be built into the axes of a tensor product, found by probing their rows.

A condition on a face of a box is one of its normal axis alone if its rows are Σ c ∂^m u = g, with derivatives along the
normal and coefficients c that are the same everywhere on the face: Dirichlet's, Neumann's, Robin's, a periodic one, an
initial one. With such conditions on all faces, a tensor product of restricted axes satisfies the homogeneous ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.collocation.rows import Placed, plan_of
from kanpde.geometry.box import Box
from kanpde.geometry.domain import Face, on_face
from kanpde.problem.block import Block

PROBES = 24  # random points at which the slopes of rows are looked at
SAME = 1e-10  # relative difference of slopes that is round-off


@dataclass(frozen=True, eq=False)
class EndCondition:
    """The condition Σ c ∂^m u = g on a face of `axis`.

    The `parts` are (end, m, c), where the end is 0 for the first and 1 for the last point of the axis; g is that of one
    `component` of a block on its face `number`, which is at the end `side`.
    """

    axis: int
    side: int
    parts: tuple[tuple[int, int, float], ...]
    block: Block
    number: int
    component: int


@dataclass(frozen=True, eq=False)
class Structure:
    """An equation of one field with the conditions of its axes.

    `slopes` are the derivatives of the equation's rows by the field's partials, at random points for the field zero;
    `constant` is True if they are the same everywhere and for every field.
    """

    equation: Block
    ends: tuple[EndCondition, ...]
    slopes: Mapping[MultiIndex, float]
    constant: bool

    def of_axis(self, axis: int) -> list[EndCondition]:
        """Return the conditions of one axis."""
        return [end for end in self.ends if end.axis == axis]


def structure_of(domain: Box, blocks: Sequence[Block], fields: int, size: float = 1.0) -> Structure | None:
    """Return the structure of an equation, the first block, with conditions; None if there is no such structure.

    `size` is that of the field, in the user's units.
    """
    equation, *conditions = blocks
    if fields != 1 or equation.kind != "residual" or len(equation.components) != 1 or not plain(equation):
        return None
    ends: list[EndCondition] = []
    for block in conditions:
        found = (
            end_conditions(block, domain, size) if plain(block) and block.kind == "condition" and block.faces else None
        )
        if found is None:
            return None
        ends += found
    unit = np.random.default_rng(0).random((PROBES, domain.dimension))
    probed = probe(equation, domain, domain.interior(unit), None, size)
    if probed is None:
        return None
    ((slopes,), partials, constant, _) = probed
    means = {partial: float(slopes[0][:, s].mean()) for s, partial in enumerate(partials)}
    return Structure(equation, tuple(ends), {p: mean for p, mean in means.items() if mean}, constant)


def plain(block: Block) -> bool:
    """Return True if a block's rows are those of points that are sampled, in a box."""
    unusual = block.points is not None or block.place is not None or block.integrated or block.functions
    return not unusual and not block.hard


def end_conditions(block: Block, domain: Box, size: float) -> list[EndCondition] | None:
    """Return the conditions of a block on all its faces; None if they are none of one axis alone."""
    found = []
    for number, face in enumerate(block.faces):
        each = conditions_of_face(block, domain, face, number, size)
        if each is None:
            return None
        found += each
    return found


def conditions_of_face(block: Block, domain: Box, face: Face, number: int, size: float) -> list[EndCondition] | None:
    """Return a block's conditions on one face, one for each component."""
    if len(face.axes) != 1 or domain.dimension < 2:
        return None
    (axis,) = face.axes
    unit = np.random.default_rng(number).random((PROBES, domain.dimension - 1))
    points = on_face(domain, face, unit)
    probed = probe(block, domain, points, number, size)
    if probed is None:
        return None
    components, partials, constant, images = probed
    if not constant:
        return None
    places = []
    others = [a for a in range(domain.dimension) if a != axis]
    for image in images:
        end = int(image[0, axis] == domain.high[axis])
        on_end = (image[:, axis] == (domain.low, domain.high)[end][axis]).all()
        if not on_end or not np.array_equal(image[:, others], points[:, others]):
            return None
        places.append(end)
    found = []
    for component, by_image in enumerate(components):
        parts = []
        for end, slope in zip(places, by_image, strict=True):
            for s, partial in enumerate(partials):
                value = float(slope[:, s].mean())
                if value and any(a != axis for a in partial):
                    return None
                if value:
                    parts.append((end, len(partial), value))
        if not parts:
            return None
        found.append(EndCondition(axis, places[0], tuple(parts), block, number, component))
    return found


def probe(
    block: Block, domain: Box, points: Array, face: int | None, size: float
) -> tuple[list[list[Array]], tuple[MultiIndex, ...], bool, list[Array]] | None:
    """Return the slopes (n, S) of every component at every image, the partials, whether the slopes are the same at all
    points and for other fields, and the images (n, d).

    The result is None if the slopes are not finite.
    """
    plan = plan_of(block, domain.dimension)
    index = None if face is None else torch.full((len(points),), face)
    placed = Placed.at(block, domain.names, torch.from_numpy(points), index)
    random = torch.from_numpy(np.random.default_rng(1).normal(size=(len(points), len(plan), 1)))
    # The units are the user's: a term that is nothing for a field of size one may be most for one of its own size.
    widths = domain.high - domain.low
    spans = torch.tensor([1 / math.prod(widths[list(partial)]) for partial in plan.partials])[:, None]
    rows, here = slopes_at(placed, torch.zeros_like(random))
    each = [here]
    for scale in (1.0, size * spans, balancing(rows, here, spans) * spans):
        each.append(slopes_at(placed, scale * random)[1])
    if not all(np.isfinite(slope).all() for component in here for slope in component):
        return None
    terms = spans[:, 0].numpy()  # the slopes by partials of different orders have different units
    sizes = [max(float((np.abs(slope) * terms).max()) for slope in component) for component in here]
    constant = all(
        float((np.abs(other - slope.mean(axis=0)) * terms).max()) <= SAME * size
        for fields in each
        for component, values, size in zip(here, fields, sizes, strict=True)
        for slope, other in zip(component, values, strict=True)
    )
    return here, tuple(plan.partials), constant, [image.numpy() for image in placed.images]


def slopes_at(placed: Placed, jet: Tensor) -> tuple[Tensor, list[list[Array]]]:
    """Return the rows (c, n) at a jet (n, S, 1), and the slopes (n, S) of every component at every image."""
    rows, slopes = placed.slopes([jet] * len(placed.images), {})
    return rows, [[by_jets[:, :, 0].numpy() for by_jets in slope.by_jets] for slope in slopes]


def balancing(rows: Tensor, slopes: Sequence[Sequence[Array]], spans: Tensor) -> float:
    """Return the size of a field whose largest term is as large as the rows at the field zero; 1 if those are zero."""
    terms = spans[:, 0].numpy()
    largest = max(float((np.abs(each) * terms).max()) for component in slopes for each in component)
    found = float(rows.abs().max()) / largest if largest > 0 else 0.0
    return found if 0 < found < math.inf else 1.0
