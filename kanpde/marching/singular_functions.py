"""The singular functions that enrich the splines on a plane domain: those at its corners, and those of its holes."""

from __future__ import annotations

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.calculus.corner_functions import CornerFunction
from kanpde.geometry.box import as_box
from kanpde.geometry.domain import Domain
from kanpde.geometry.holes import Hole, holes_of, notches_of
from kanpde.geometry.shape import Product
from kanpde.marching.corners import corner_functions
from kanpde.marching.holes import functions_around
from kanpde.marching.principal import is_round, mapped
from kanpde.marching.terms import terms_of
from kanpde.problem.problem import Problem


def singular_functions(problem: Problem) -> tuple[CornerFunction, ...]:
    """Return the functions for a scalar problem whose principal part has constant coefficients; else none.

    Those of corners are known for multiples of Laplace's, without time.
    """
    if as_box(problem.domain) is not None or not problem.has_equation:
        return ()
    space = plane_of(problem)
    if space is None:
        return ()
    blocks = problem.blocks(hard=True)
    found = None if any(block.hard for block in blocks) else terms_of(problem, blocks[0])
    if found is None:
        return ()
    terms, roots = found
    size = float(np.max(space.high - space.low))
    evolving = problem.domain.time is not None
    of_holes = [
        function
        for root, count in roots
        for hole in holes_and_notches(space, None if is_round(root) else mapped(root))
        for function in functions_around(hole, terms, size, count, evolving=evolving)
    ]
    at_corners = (
        not evolving and len(problem.fields) == 1 and len(roots) == 1 and roots[0][1] == 1 and is_round(roots[0][0])
    )
    return (*(corner_functions(problem, terms) if at_corners else ()), *of_holes)


def holes_and_notches(space: Domain, mapped: Array | None) -> list[Hole]:
    """Return the holes of a domain, and the notches of others middles, in a mapped plane if a map is given."""
    holes = holes_of(space, mapped)
    return [*holes, *(notch for notch in notches_of(space, mapped) if notch.at not in {hole.at for hole in holes})]


def plane_of(problem: Problem) -> Domain | None:
    """Return the domain in space if that is plane and coordinates beside it are at most time; else None."""
    domain = problem.domain
    if domain.dimension == 2 and domain.time is None:
        return domain
    if not isinstance(domain, Product) or domain.shape.dimension != 2 or domain.dimension != 3 or domain.time != 2:
        return None
    return domain.shape
