"""Whether the iteration converges for an equation, tried on a small tensor product."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kanpde.geometry.box import Box
from kanpde.marching.axes import Axis
from kanpde.marching.separable.iterated import Rows, preconditioner
from kanpde.marching.separable.solver import TOLERANCE, Operator, Space
from kanpde.marching.separable.structure import Structure
from kanpde.optim.cgls import conjugate_gradients

ITERATIONS = 30  # largest number in which a random residual is fitted to the share FITTED
FITTED = 1e-3  # share of the residual that may still be removable


def converges(structure: Structure, domain: Box, axes: Sequence[Axis]) -> bool:
    """Return True if the iteration fits a random residual in few iterations, which do not depend on the knots.

    The axes are those of a small tensor product on the domain.
    """
    space = Space.of(structure, axes)
    if space is None:
        return False
    rows, slopes = Rows(structure, domain).equation(space.lines, None)
    modes = preconditioner(space, slopes)
    if not modes.regular:
        return False
    random = np.random.default_rng(0).normal(size=rows.shape) * space.roots
    operator = Operator(space, slopes, random)
    found = conjugate_gradients(operator, modes, ITERATIONS, TOLERANCE, removable=FITTED)
    left = float((operator.residual + found.image).norm())
    return found.left * found.start <= FITTED * left
