"""The singular functions that a problem's solution may contain at the corners of a plane domain.

Near a corner of the opening ω between two straight sides, a solution of Δu = f behaves like r^α sin αθ if u is given on
the first side, or like r^α cos αθ if du/dn is, with α = jπ/ω if both sides have the same kind of condition and
α = (j - 1/2)π/ω otherwise (Grisvard, "Elliptic Problems in Nonsmooth Domains", ch. 4). If α is an integer, this is a
polynomial, and right sides and boundary values excite r^α (log r sin αθ + θ cos αθ) = Im z^α log z instead. An equation
with other terms, or a curved side, adds functions with exponents that are larger by integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kanpde.calculus.corner_functions import CornerFunction
from kanpde.geometry.corners import Meeting, corners_of
from kanpde.marching.terms import Terms, slopes_at
from kanpde.problem.block import Block
from kanpde.problem.problem import Problem

NEAR = 1e-3  # distance from a corner, relative to the domain, at which the conditions of its sides are looked at
SAME = 1e-9  # relative difference that is round-off
HIGHEST = 10.0  # largest exponent of the functions at a corner; splines approximate higher ones
GENERAL = 6.5  # the same if all products with polynomials are needed, which are many


@dataclass(frozen=True)
class Kind:
    """The leading term of the condition on a side: the field, or its normal derivative (`flux`); `robin` has both."""

    flux: bool
    robin: bool


def corner_functions(problem: Problem, terms: Terms) -> list[CornerFunction]:
    """Return the functions at all corners of the domain, for an equation with these terms."""
    found: list[CornerFunction] = []
    blocks = problem.blocks(hard=True)
    for meeting in corners_of(problem.domain):
        first, last = (kind_of(problem, blocks[1:], meeting, number) for number in (0, 1))
        if first is not None and last is not None:
            found += functions_at(meeting, first, last, terms)
    return found


def functions_at(meeting: Meeting, first: Kind, last: Kind, terms: Terms) -> list[CornerFunction]:
    """Return the singular functions at one corner, none where the solution is smooth.

    Those of Laplace's equation on straight sides are the first ones. A multiple of u adds their products with r^{2k};
    curved sides, Robin's condition and a pole add Re and Im of z^{α+m}; other terms add all z^{α+m-b} z̄^b.
    """
    corner, even, mixed = meeting.corner, first.flux, first.flux != last.flux
    if abs(corner.opening - math.pi) < SAME and not mixed:
        return []
    found: dict[tuple[float, int, bool], CornerFunction] = {}

    def add(power: float, conjugate: int, *parities: bool) -> None:
        whole = abs(power - round(power)) < SAME
        power = float(round(power)) if whole else power
        for parity in parities:
            function = CornerFunction(corner, power, conjugate, parity, log=whole)
            found.setdefault((round(power, 9), conjugate, parity), function)

    exponents = [(j - 0.5 * mixed) * math.pi / corner.opening for j in range(1, int(HIGHEST * 2 + 2))]
    for alpha in (each for each in exponents if each <= HIGHEST):
        add(alpha, 0, even)
        if terms is Terms.REACTION:
            for k in range(1, int((HIGHEST - alpha) / 2) + 1):
                add(alpha + k, k, even)
        if meeting.curved or first.robin or last.robin or corner.pole is not None:
            for m in range(1, int(HIGHEST - alpha) + 1):
                add(alpha + m, 0, False, True)
        if terms is Terms.OTHER:
            for m in range(1, int(GENERAL - alpha) + 1):
                for conjugate in range(m + 1):
                    add(alpha + m - conjugate, conjugate, False, True)
    return list(found.values())


# What the problem says ------------------------------------------------------------------------------------------------


def kind_of(problem: Problem, blocks: Sequence[Block], meeting: Meeting, number: int) -> Kind | None:
    """Return the kind of the only condition on a side of a corner; None if there is none, or another kind."""
    name, corner = meeting.faces[number], meeting.corner
    here = [block for block in blocks if any(face.name == name for face in block.faces)]
    if len(here) != 1 or here[0].integrated or len(here[0].components) != 1:
        return None
    angle = corner.first + (corner.opening if number else 0.0)
    along = np.array([math.cos(angle), math.sin(angle)])
    point = np.array(corner.at) + NEAR * float(np.max(problem.domain.high - problem.domain.low)) * along
    index = [face.name for face in here[0].faces].index(name)
    for (slopes,) in slopes_at(problem, here[0], point, index, 0.0):
        value, across = slopes.get((), 0.0), np.array([slopes.get((0,), 0.0), slopes.get((1,), 0.0)])
        size = float(np.linalg.norm(across))
        oblique = bool(abs(across @ along) > 10 * NEAR * size)
        if oblique or (size == value == 0) or any(slope for partial, slope in slopes.items() if len(partial) > 1):
            return None
        return Kind(size > 0, size > 0 and value != 0)
    return None
