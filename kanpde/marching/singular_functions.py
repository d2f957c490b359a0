"""The singular functions that enrich the splines on a plane domain: those at its corners, and those of its holes."""

from __future__ import annotations

import numpy as np

from kanpde.calculus.corner_functions import CornerFunction
from kanpde.geometry.box import as_box
from kanpde.geometry.holes import holes_of
from kanpde.marching.corners import corner_functions
from kanpde.marching.holes import functions_around
from kanpde.marching.terms import terms_of
from kanpde.problem.problem import Problem


def singular_functions(problem: Problem) -> tuple[CornerFunction, ...]:
    """Return the functions for a scalar problem whose principal part is a multiple of Laplace's; else none."""
    if as_box(problem.domain) is not None or len(problem.fields) > 1 or not problem.has_equation:
        return ()
    if problem.domain.dimension != 2:
        return ()
    blocks = problem.blocks(hard=True)
    terms = None if any(block.hard for block in blocks) else terms_of(problem, blocks[0])
    if terms is None:
        return ()
    size = float(np.max(problem.domain.high - problem.domain.low))
    of_holes = [function for hole in holes_of(problem.domain) for function in functions_around(hole, terms, size)]
    return (*corner_functions(problem, terms), *of_holes)
