"""Decide before a march whether errors of an evolution decay in time, so that its first slab may be all of time.

For u_t = Σ a_ij u_ij + Σ b_i u_i + c u + f with a positive definite matrix a, and u or its normal derivative prescribed
on every face in space, a maximum principle bounds errors: they grow by exp(T max c) at most (Protter and Weinberger,
"Maximum Principles in Differential Equations", ch. 3). The coefficients are those at random points, and must not change
with time, because a short change of them could hide between the points of a long slab. Without all this a solution in a
long slab may be smooth and wrong, because the polynomials in time exclude the modes that grow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.collocation.rows import Placed
from kanpde.geometry.box import Box
from kanpde.geometry.domain import interior_points
from kanpde.marching.periodic import periodic_fields
from kanpde.marching.separable.structure import plain
from kanpde.problem.block import Block

POINTS = 4096  # at which the coefficients are looked at, at two times each
GROWTH = 1.0  # largest T max c
SAME = 1e-9  # relative difference of coefficients that are the same at other times and fields
ELLIPTIC = 1e-6  # smallest eigenvalue of a, relative to the largest one at any point


def errors_decay(box: Box, equation: Block, conditions: Sequence[Block]) -> bool:
    """Return True if the maximum principle holds for an equation linear in one field with these later conditions."""
    if box.time is None or not plain(equation) or set(equation.partials) != {0} or len(equation.components) != 1:
        return False
    return _determined(box, conditions) and _parabolic(box, equation)


def _determined(box: Box, conditions: Sequence[Block]) -> bool:
    """Return True if every face in space has one condition: a value, a normal derivative, or periodicity."""
    counts = dict.fromkeys([face.name for axis in box.space for face in box.resolve(box.names[axis])], 0)
    for block in conditions:
        if not plain(block) or len(block.partials.get(0, ())) == 0:
            return False
        around = periodic_fields(block, box, 1)
        if around:
            names = [face.name for axis, _ in around for face in box.resolve(box.names[axis])]
        elif len(block.components) != 1 or len(block.images(torch.zeros(1, box.dimension))) != 1:
            return False
        else:
            (partial, *others) = block.partials[0]
            if others or any(partial not in ((), face.axes) for face in block.faces):
                return False
            names = [face.name for face in block.faces]
        for name in names:
            counts[name] = counts.get(name, 2) + 1
    return set(counts.values()) == {1}


def _parabolic(box: Box, equation: Block) -> bool:
    """Return True if a is positive definite and c small enough at all points."""
    time = box.time
    found = _coefficients(box, equation)
    if time is None or any(
        len(partial) > 2 or (time in partial and partial != (time,)) for partial, c in found.items() if c.any()
    ):
        return False
    rate = found.get((time,))
    if rate is None or not (rate.min() > 0 or rate.max() < 0):
        return False
    size = len(box.names)
    matrix = np.zeros((POINTS, size, size))
    for partial, coefficient in found.items():
        if len(partial) == 2:
            i, j = partial
            matrix[:, i, j] -= coefficient / rate / 2
            matrix[:, j, i] -= coefficient / rate / 2
    matrix = matrix[:, box.space][:, :, box.space]
    values = matrix if len(box.space) == 1 else np.linalg.eigvalsh(matrix)
    growth = float((-found.get((), 0.0) / rate).max()) * float(box.high[time] - box.low[time])
    return bool(np.isfinite(values).all() and values.min() > ELLIPTIC * values.max()) and growth <= GROWTH


def _coefficients(box: Box, equation: Block) -> dict[MultiIndex, Array]:
    """Return the coefficient (n,) of every partial at random points of an equation whose coefficients have no time.

    There are none if they change with time, or with the fields, or are not finite.
    """
    random = np.random.default_rng(0)
    here, later = (
        interior_points(box, POINTS, lambda count, dimension: random.random((count, dimension))) for _ in "12"
    )
    later[:, box.space] = here[:, box.space]
    placed = Placed.at(equation, box.names, torch.from_numpy(np.concatenate([here, later])), None)
    jet = torch.from_numpy(random.uniform(-1.5, 1.5, (2 * POINTS, len(placed.plan), 1)))
    both = next(placed.slopes([jet], {})[1]).by_jets[0][:, :, 0].numpy()
    found = both[:POINTS], both[POINTS:]
    if not np.isfinite(found[0]).all() or not (np.abs(found[0] - found[1]) <= SAME * np.abs(found[1])).all():
        return {}
    return {partial: found[0][:, a] for a, partial in enumerate(placed.plan.partials)}
