"""The singular functions that enrich the splines on a plane domain: those at its corners, and those of its holes."""

from __future__ import annotations

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.calculus.corner_functions import CornerFunction
from kanpde.geometry.box import as_box
from kanpde.geometry.domain import Domain
from kanpde.geometry.holes import holes_of
from kanpde.geometry.shape import Product
from kanpde.marching.corners import corner_functions
from kanpde.marching.holes import functions_around
from kanpde.marching.terms import is_laplacian, terms_of
from kanpde.problem.problem import Problem


def singular_functions(problem: Problem) -> tuple[CornerFunction, ...]:
    """Return the functions for a scalar problem whose principal part has constant coefficients; else none.

    Those of corners are known for multiples of Laplace's, without time.
    """
    if as_box(problem.domain) is not None or len(problem.fields) > 1 or not problem.has_equation:
        return ()
    space = plane_of(problem)
    if space is None:
        return ()
    blocks = problem.blocks(hard=True)
    found = None if any(block.hard for block in blocks) else terms_of(problem, blocks[0])
    if found is None:
        return ()
    terms, matrix = found
    size = float(np.max(space.high - space.low))
    holes = holes_of(space, None if is_laplacian(matrix) else to_laplacian(matrix))
    evolving = problem.domain.time is not None
    of_holes = [function for hole in holes for function in functions_around(hole, terms, size, evolving=evolving)]
    at_corners = not evolving and is_laplacian(matrix)
    return (*(corner_functions(problem, terms) if at_corners else ()), *of_holes)


def plane_of(problem: Problem) -> Domain | None:
    """Return the domain in space if that is plane and coordinates beside it are at most time; else None."""
    domain = problem.domain
    if domain.dimension == 2 and domain.time is None:
        return domain
    if not isinstance(domain, Product) or domain.shape.dimension != 2 or domain.dimension != 3 or domain.time != 2:
        return None
    return domain.shape


def to_laplacian(matrix: Array) -> Array:
    """Return the linear map (2, 2) that takes a principal part to Laplace's: M A Mᵀ = 1."""
    return np.asarray(np.linalg.inv(np.linalg.cholesky(matrix)))
