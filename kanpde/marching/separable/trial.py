"""Whether the iteration converges for an equation, tried on a small tensor product."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from kanpde.geometry.box import Box
from kanpde.marching.axes import Axis
from kanpde.marching.separable.iterated import Rows, preconditioner
from kanpde.marching.separable.solver import TOLERANCE, Operator, Space
from kanpde.marching.separable.structure import EndCondition, Structure
from kanpde.optim.cgls import conjugate_gradients

ITERATIONS = 30  # largest number in which a random residual is fitted to the share FITTED
EDGE_POINTS = 9  # points along an axis at which prescribed values are compared
APART = 1e-3  # difference of prescribed values on an edge, relative to the largest ones, that is a contradiction
HERE = torch.device("cpu")  # a small space is tried on the processor, wherever large ones are solved
FITTED = 1e-3  # share of the residual that may still be removable


def compatible(structure: Structure, domain: Box) -> bool:
    """Return True if prescribed values agree where two faces meet; else no function satisfies them all."""
    rows, low, high = Rows(structure, domain, HERE), domain.low, domain.high
    fixed = [end for end in structure.ends if len(end.parts) == 1 and end.parts[0][1] == 0]
    inner = [np.linspace(a, b, EDGE_POINTS) for a, b in zip(low, high, strict=True)]

    def values(end: EndCondition, other: EndCondition | None) -> Tensor:
        """Return the values that `end` prescribes where its face meets that of `other`, or everywhere on its face."""
        lines = [inner[a] for a in range(len(low))]
        if other is not None:
            lines[other.axis] = np.array([(low, high)[other.parts[0][0]][other.axis]])
        given = rows.misfit(end, [line for a, line in enumerate(lines) if a != end.axis], None) / end.parts[0][2]
        return given.squeeze()

    largest = max((float(values(end, None).abs().max()) for end in fixed), default=0.0)
    for one, other in combinations(fixed, 2):
        if one.axis != other.axis and float((values(one, other) - values(other, one)).abs().max()) > APART * largest:
            return False
    return True


def converges(structure: Structure, domain: Box, axes: Sequence[Axis]) -> bool:
    """Return True if the iteration fits a random residual in few iterations, which do not depend on the knots.

    The axes are those of a small tensor product on the domain.
    """
    space = Space.of(structure, axes, HERE)
    if space is None:
        return False
    rows, slopes = Rows(structure, domain, HERE).equation(space.lines, None)
    modes = preconditioner(space, slopes)
    if not modes.regular:
        return False
    random = torch.from_numpy(np.random.default_rng(0).normal(size=rows.shape)) * space.roots
    operator = Operator(space, slopes, random)
    found = conjugate_gradients(operator, modes, ITERATIONS, TOLERANCE, removable=FITTED)
    left = float((operator.residual + found.image).norm())
    return found.left * found.start <= FITTED * left
