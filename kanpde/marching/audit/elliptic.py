"""How many conditions an elliptic equation needs on every face: half of its total order.

With weights s of rows and t of fields, of which derivatives of the order s_r + t_f are the principal part of row r, the
total order is that of the determinant of the principal symbol, Σ s + Σ t. The equation is elliptic where this has no
zeros but k = 0 (Agmon, Douglis and Nirenberg, Comm. Pure Appl. Math. 17 (1964) 35). In an evolution the derivatives in
space may be elliptic, as those of heat, waves and viscous flow.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.geometry.domain import Face, face_points, interior_points
from kanpde.marching.audit.frozen import Frozen, frozen
from kanpde.network.trial_function import Model
from kanpde.problem.problem import Problem

POINTS = 2**11  # inside, and on all faces together, at which the symbol is looked at
DIRECTIONS = 32
ELLIPTIC = 1e-6  # smallest determinant of the symbol, relative to the mean


def axes_of(problem: Problem) -> list[int]:
    """Return the axes in space with derivatives; a coordinate without them is a parameter."""
    partials = problem.blocks(hard=True)[0].partials.values()
    return sorted({axis for each in partials for partial in each for axis in partial} - {problem.domain.time})


def walls(problem: Problem) -> list[Face]:
    """Return the faces of a domain across which coordinates with derivatives lead, but time."""
    axes = set(axes_of(problem))
    return [face for face in problem.domain.faces.values() if axes & set(face.axes)]


def needed_on_faces(problem: Problem, model: Model, unknowns: Mapping[str, Tensor]) -> int | None:
    """Return how many conditions a problem needs on every wall, where derivatives in space are elliptic; else None.

    In evolutions fields with derivatives in time have second derivatives in space at least, and no mixed ones: waves
    of first order may need all conditions where they come in.
    """
    domain, equation = problem.domain, problem.blocks(hard=True)[0]
    random = np.random.default_rng(0)
    inside = interior_points(domain, POINTS, lambda n, d: random.random((n, d)))
    faces = walls(problem)
    each = POINTS // len(faces) + 1
    outside = [face_points(domain, face, each, lambda n, d: random.random((n, d))) for face in faces]
    found = frozen(problem, model, unknowns, np.concatenate([inside, *outside]))
    if found is None or not np.isfinite(found.slopes).all():
        return None
    space = [a for a, partial in enumerate(found.partials) if domain.time not in partial]
    orders = np.array([len(found.partials[a]) for a in space])
    present = np.abs(found.slopes[:, :, space]).max(axis=0) > 0
    highest = np.where(present, orders[:, None], -1).max(axis=1)  # of every row and field
    fields = highest.max(axis=0)
    rows = (highest - np.where(highest < 0, np.inf, 0) - fields).max(axis=1)
    later = [
        (partial, f) for f, partials in equation.partials.items() for partial in partials if domain.time in partial
    ]
    waves = any(fields[f] < 2 or set(partial) != {domain.time} for partial, f in later)
    total = rows.sum() + fields.sum()
    if waves or not np.isfinite(total) or total <= 0 or total % 2:  # a row may have no partials about a failed solution
        return None
    return int(total) // 2 if elliptic(found, space, rows[:, None] + fields[None], problem) else None


def elliptic(found: Frozen, space: list[int], orders: Array, problem: Problem) -> bool:
    """Return True if the determinant of the principal symbol keeps its sign, and its distance from zero."""
    directions = np.zeros((DIRECTIONS, problem.domain.dimension))
    axes = axes_of(problem)
    directions[:, axes] = np.random.default_rng(0).normal(size=(DIRECTIONS, len(axes)))
    directions /= problem.domain.high - problem.domain.low
    values = []
    for wave in directions:
        symbol = np.zeros(found.slopes.shape[:2] + found.slopes.shape[3:], complex)
        for a in space:
            partial = found.partials[a]
            factor = np.prod([1j * wave[axis] for axis in partial])
            symbol += np.where(orders == len(partial), factor * found.slopes[:, :, a], 0.0)
        values.append(np.linalg.det(symbol).real)
    sizes = np.abs(values)
    return bool(np.ptp(np.sign(values)) == 0 and sizes.min() > ELLIPTIC * sizes.mean())
