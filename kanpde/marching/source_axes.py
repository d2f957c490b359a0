"""Spline axes that represent a steady problem's source, which shows where its solution needs knots."""

from __future__ import annotations

import math

import numpy as np
import torch

from kanpde.collocation.rows import Placed
from kanpde.marching.axes import SplineAxis
from kanpde.marching.knot_placement import derivative_sizes, place_knots
from kanpde.marching.piece import CutGrid
from kanpde.marching.quadrature import quadrature
from kanpde.marching.tolerances import MarchTolerances
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

FIRST_UNKNOWNS = 500  # largest number of unknowns of a first attempt with more knots than usual
FIRST_RESIDUAL = 1e-7  # relative residual for which its knots are placed, if they are few enough


def axes_of_source(
    usual: tuple[SplineAxis, ...], block: Block, problem: Problem, order: int, limits: MarchTolerances
) -> tuple[SplineAxis, ...]:
    """Return axes with more knots than the `usual` ones where the source of the equation in `block` needs them.

    The terms of an equation of order m, in splines of degree k, have the degree k − m; these must represent the source.
    """
    where = quadrature(block, problem.domain, usual)
    if isinstance(where.shapes, CutGrid) or len(where.shapes) != 1 or order >= usual[0].degree:
        return usual
    placed = Placed.at(block, problem.domain.names, torch.as_tensor(where.points), None)
    zero = torch.zeros(len(where.points), len(placed.plan), len(problem.fields), dtype=torch.float64)
    with torch.no_grad():
        source = placed.rows([zero] * len(placed.images), {}).numpy()
    size = float(np.abs(source).max())
    if not 0 < size < math.inf:
        return usual
    values = np.moveaxis((source / size).reshape(-1, *where.shapes[0]), 0, -1)
    needs = []
    for a, axis in enumerate(usual):
        lower = SplineAxis(axis.breakpoints, axis.degree - order, axis.periodic)
        along = np.moveaxis(values, a, 0).reshape(values.shape[a], -1) / math.sqrt(values.size / values.shape[a])
        fitted = np.asarray(np.linalg.lstsq(lower.design(axis.points), along, rcond=None)[0], dtype=np.float64)
        needs.append((lower, derivative_sizes(lower, fitted)))
    most, aim = max(FIRST_UNKNOWNS, math.prod(axis.size for axis in usual)), FIRST_RESIDUAL
    for _ in range(limits.relaxations):
        found = []
        for axis, (lower, sizes) in zip(usual, needs, strict=True):
            new = place_knots(lower, sizes, aim, (axis.intervals, math.ceil(limits.growth * axis.intervals)))
            found.append(SplineAxis(new.breakpoints, axis.degree, axis.periodic))
        if math.prod(axis.size for axis in found) <= most:
            return tuple(found)
        aim *= 2
    return usual
