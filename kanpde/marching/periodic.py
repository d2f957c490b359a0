"""Which problems are periodic along all axes in space, with no other conditions there, found by probing their rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch

from kanpde.collocation.rows import Placed, plan_of
from kanpde.geometry.box import Box
from kanpde.geometry.domain import on_face
from kanpde.marching.separable.structure import PROBES, SAME, plain
from kanpde.problem.block import Block


def periodic_everywhere(domain: Box, conditions: Sequence[Block], space: Sequence[int], fields: int) -> bool:
    """Return True if the conditions say that all fields are periodic along all axes in space, and nothing else."""
    found = set[tuple[int, int]]()
    for block in conditions:
        each = periodic_fields(block, domain, fields) if plain(block) and block.kind == "condition" else None
        if each is None:
            return False
        found |= each
    return found == set(product(space, range(fields)))


def periodic_fields(block: Block, domain: Box, fields: int) -> set[tuple[int, int]] | None:
    """Return the axes and fields that a block declares periodic; None if its rows say anything else."""
    if len(block.faces) != 1 or len(block.faces[0].axes) != 1:
        return None
    (axis,) = block.faces[0].axes
    points = on_face(domain, block.faces[0], np.random.default_rng(0).random((PROBES, domain.dimension - 1)))
    plan = plan_of(block, domain.dimension)
    placed = Placed.at(
        block, domain.names, torch.from_numpy(points), torch.zeros(len(points), dtype=torch.long), plan=plan
    )
    if len(placed.images) != 2:
        return None
    apart = np.zeros(domain.dimension)
    apart[axis] = domain.high[axis] - domain.low[axis]
    low, high = sorted((image.numpy() for image in placed.images), key=lambda each: float(each[0, axis]))
    jet = torch.from_numpy(np.random.default_rng(1).normal(size=(len(points), len(plan), fields)))
    rows, slopes = placed.slopes([jet, jet], {})  # equal jets on both faces
    if not np.allclose(low + apart, high) or float(rows.abs().max()) > SAME:
        return None
    found = set()
    for slope in slopes:
        one, other = slope.by_jets
        used = [(s, f) for s, f in product(range(len(plan)), range(fields)) if one[:, s, f].any()]
        same = float((one + other).abs().max()) <= SAME and float((one - one[:1]).abs().max()) <= SAME
        if not same or len(used) != 1 or any(a != axis for a in plan.partials[used[0][0]]):
            return None
        if not plan.partials[used[0][0]]:
            found.add((axis, used[0][1]))
    return found
