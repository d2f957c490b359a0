"""The singular functions that enrich splines: those at the corners and of the holes of a plane domain, or of space."""

from __future__ import annotations

from functools import partial

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.calculus.singular import SingularFunction
from kanpde.geometry.box import as_box
from kanpde.geometry.cavities import cavities_of
from kanpde.geometry.domain import Domain
from kanpde.geometry.holes import Hole, holes_of, notches_of
from kanpde.geometry.shape import Product
from kanpde.marching.cavities import harmonics_around
from kanpde.marching.corners import corner_functions
from kanpde.marching.holes import functions_around
from kanpde.marching.principal import (
    ComplexArray,
    directions_of,
    is_laplacian,
    is_round,
    mapped,
    quadratic,
    roots_of,
)
from kanpde.marching.terms import Terms, terms_of
from kanpde.problem.problem import Problem

SPACE = 3  # coordinates


def singular_functions(problem: Problem, *, more: bool = False) -> tuple[SingularFunction, ...]:
    """Return the functions for a problem whose principal part is elliptic with constant coefficients; else none.

    Those of corners are known for multiples of Laplace's, without time. The series about holes end later if `more` are
    wanted.
    """
    if as_box(problem.domain) is not None or not problem.has_equation:
        return ()
    space = space_of(problem)
    if space is None:
        return ()
    blocks = problem.blocks(hard=True)
    found = None if any(block.hard for block in blocks) else terms_of(problem, blocks[0])
    if found is None:
        return ()
    build = partial(in_space, space) if space.dimension == SPACE else partial(in_plane, problem, space)
    return build(*found, more=more)


def in_plane(
    problem: Problem, space: Domain, terms: Terms, principal: ComplexArray, *, more: bool
) -> tuple[SingularFunction, ...]:
    """Return the functions of holes, notches and corners in the plane."""
    roots = roots_of(principal) or ()
    size, evolving = float(np.max(space.high - space.low)), problem.domain.time is not None
    of_holes = [
        function
        for root, count in roots
        for hole in holes_and_notches(space, None if is_round(root) else mapped(root))
        for function in functions_around(hole, terms, size, count, evolving=evolving, more=more)
    ]
    at_corners = not evolving and len(problem.fields) == 1 and is_laplacian(roots)
    return (*(corner_functions(problem, terms) if at_corners else ()), *of_holes)


def in_space(space: Domain, terms: Terms, principal: ComplexArray, *, more: bool) -> tuple[SingularFunction, ...]:
    """Return the functions of holes in space."""
    form = quadratic(principal, directions_of(3))
    if form is None:
        return ()
    matrix, count = form
    holes = cavities_of(space, np.linalg.inv(np.linalg.cholesky(matrix)))
    return tuple(function for hole in holes for function in harmonics_around(hole, terms, count, more=more))


def holes_and_notches(space: Domain, mapped: Array | None) -> list[Hole]:
    """Return the holes of a domain and its notches about other middles, in a mapped plane if a map is given."""
    holes = holes_of(space, mapped)
    return [*holes, *(notch for notch in notches_of(space, mapped) if notch.at not in {hole.at for hole in holes})]


def space_of(problem: Problem) -> Domain | None:
    """Return the domain in space if that is plane, and coordinates beside it are at most time, or if it has three
    coordinates without time; else None.
    """
    domain = problem.domain
    if domain.dimension in (2, SPACE) and domain.time is None:
        return domain
    if not isinstance(domain, Product) or domain.shape.dimension != 2 or domain.dimension != 3 or domain.time != 2:
        return None
    return domain.shape
