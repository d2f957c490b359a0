"""The singular functions that a problem's solution may contain at the corners of a plane domain.

Near a corner of the opening ω between two straight sides, a solution of Δu = f behaves like r^α sin αθ if u is given on
the first side, or like r^α cos αθ if du/dn is, with α = jπ/ω if both sides have the same kind of condition and
α = (j - 1/2)π/ω otherwise (Grisvard, "Elliptic Problems in Nonsmooth Domains", ch. 4). If α is an integer, this is a
polynomial, and right sides and boundary values excite r^α (log r sin αθ + θ cos αθ) = Im z^α log z instead. With lower
terms in the equation, the products with r^{2k} follow.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.calculus.corner_functions import CornerFunction
from kanpde.collocation.rows import Placed
from kanpde.geometry.box import as_box
from kanpde.geometry.corners import Meeting, corners_of
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

NEAR = 1e-3  # distance from a corner, relative to the domain, at which conditions and the equation are looked at
SAME = 1e-9  # relative difference that is round-off
HIGHEST = 10.0  # largest exponent of the functions at a corner; splines approximate higher ones


@dataclass(frozen=True)
class Kind:
    """The leading term of the condition on a side: the field, or its normal derivative (`flux`); `robin` has both."""

    flux: bool
    robin: bool


def corner_functions(problem: Problem) -> tuple[CornerFunction, ...]:
    """Return the functions for a scalar problem whose principal part is a multiple of Laplace's; else none."""
    if as_box(problem.domain) is not None or len(problem.fields) > 1 or not problem.has_equation:
        return ()
    meetings, blocks = corners_of(problem.domain), problem.blocks()
    if not meetings or any(block.hard for block in problem.blocks(hard=True)):
        return ()
    found: list[CornerFunction] = []
    for meeting in meetings:
        kinds = [kind_of(problem, blocks[1:], meeting, number) for number in (0, 1)]
        equation = Principal.of(problem, blocks[0], place_inside(problem, meeting))
        if kinds[0] is not None and kinds[1] is not None and equation.laplacian:
            found += functions_at(meeting, kinds[0], kinds[1], equation)
    return tuple(found)


def functions_at(meeting: Meeting, first: Kind, last: Kind, equation: Principal) -> Iterator[CornerFunction]:
    """Yield the singular functions at one corner, none where the solution is smooth."""
    corner, mixed, j = meeting.corner, first.flux != last.flux, 0
    if abs(corner.opening - math.pi) < SAME and not mixed:
        return
    seen = set[tuple[int, int]]()
    while True:
        j += 1
        alpha = (j - 0.5 * mixed) * math.pi / corner.opening
        if alpha > HIGHEST:
            return
        whole = abs(alpha - round(alpha)) < SAME
        power = float(round(alpha)) if whole else alpha
        yield CornerFunction(corner, power, 0, first.flux, log=whole)
        seen.add((j, 0))
        if equation.lower:
            for k in range(1, int((HIGHEST - power) / 2) + 1):
                yield CornerFunction(corner, power + k, k, first.flux, log=whole)


# What the problem says ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Principal:
    """An equation near a corner: whether its terms of second order are a multiple of Δu, and whether it has lower ones."""

    laplacian: bool
    lower: bool

    @classmethod
    def of(cls, problem: Problem, block: Block, point: Array) -> Principal:
        """Return what the derivatives of the equation by the partials say, at a point and the field zero."""
        slopes = slopes_at(problem, block, point[None], None)
        if slopes is None or len(slopes) != 1:
            return cls(False, False)
        named = slopes[0]
        xx, yy, xy = (named.get(partial, 0.0) for partial in ((0, 0), (1, 1), (0, 1)))
        higher = any(value for partial, value in named.items() if len(partial) > 2)
        laplacian = xx != 0 and abs(xx - yy) <= SAME * abs(xx) and abs(xy) <= SAME * abs(xx) and not higher
        return cls(laplacian, any(value for partial, value in named.items() if len(partial) < 2))


def kind_of(problem: Problem, blocks: Sequence[Block], meeting: Meeting, number: int) -> Kind | None:
    """Return the kind of the only condition on a side of a corner; None if there is none, or another kind."""
    name = meeting.faces[number]
    here = [block for block in blocks if any(face.name == name for face in block.faces)]
    if len(here) != 1 or here[0].integrated or len(here[0].components) != 1:
        return None
    corner = meeting.corner
    angle = corner.first + (corner.opening if number else 0.0)
    along = np.array([math.cos(angle), math.sin(angle)])
    reach = NEAR * float(np.max(problem.domain.high - problem.domain.low))
    index = [face.name for face in here[0].faces].index(name)
    slopes = slopes_at(problem, here[0], (np.array(corner.at) + reach * along)[None], torch.tensor([index]))
    if slopes is None:
        return None
    named = slopes[0]
    value, across = named.get((), 0.0), np.array([named.get((0,), 0.0), named.get((1,), 0.0)])
    size = float(np.linalg.norm(across))
    if any(slope for partial, slope in named.items() if len(partial) > 1) or (not size and not value):
        return None
    if size and abs(across @ along) > 10 * NEAR * size:  # an oblique derivative
        return None
    return Kind(size > 0, size > 0 and value != 0)


def place_inside(problem: Problem, meeting: Meeting) -> Array:
    """Return a point (2,) near a corner, in the middle of its opening."""
    corner = meeting.corner
    angle = corner.first + corner.opening / 2
    reach = NEAR * float(np.max(problem.domain.high - problem.domain.low))
    return np.array(corner.at) + reach * np.array([math.cos(angle), math.sin(angle)])


def slopes_at(
    problem: Problem, block: Block, points: Array, index: Tensor | None
) -> list[dict[tuple[int, ...], float]] | None:
    """Return ∂r/∂(∂^α u) of every row of a block at one point and the field zero; None if it needs other points."""
    placed = Placed.at(block, problem.domain.names, torch.as_tensor(points), index)
    if len(placed.images) != 1:
        return None
    zero = torch.zeros(1, len(placed.plan), len(problem.fields), dtype=torch.float64)
    unknowns = {name: torch.tensor(float(value), dtype=torch.float64) for name, value in problem.unknowns.items()}
    _, slopes = placed.slopes([zero], unknowns)
    return [
        dict(zip(placed.plan.partials, slope.by_jets[0][0, :, 0].tolist(), strict=True)) for slope in slopes
    ]
