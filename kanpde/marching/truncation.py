"""How far a compression on a shape may be truncated: its error counts inside only, where it is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from kanpde.calculus.arrays import Array
from kanpde.calculus.devices import PROCESSOR
from kanpde.calculus.jets import JetPlan
from kanpde.marching.axes import SplineAxis, design
from kanpde.marching.slabs import Pass

MIN_SINGULAR_VALUE = 1e-14  # relative singular values below this are rounding errors
TRIED = 28  # number of truncations that are tried, each about a third of the one before


def tolerance_inside(
    points: Array, axes: Sequence[SplineAxis], solve: Sequence[Array], values: Array, tolerance: float, size: float
) -> float:
    """Return the truncation with which the error at points (n, d) inside is `tolerance` times the `size` there, as a
    root mean square.

    Outside a shape the continued solution may be much larger than inside, or smaller.
    """
    designs = designs_at(points, axes, solve)
    own = inside_values(designs, values)
    largest = np.linalg.norm(values)
    for power in range(TRIED):
        cut = tolerance * math.pow(10.0, -power / 2)
        error = np.sqrt(np.square(inside_values(designs, truncated(values, cut)) - own).sum(axis=1).mean())
        if error <= tolerance * size or cut * largest <= MIN_SINGULAR_VALUE * size:
            break
    return cut


def size_inside(found: Pass, points: Array, axes: Sequence[SplineAxis], solve: Sequence[Array], values: Array) -> float:
    """Return the largest value of a pass at points (n, d), or of its splines alone if these are smaller."""
    own = inside_values(designs_at(points, axes, solve), values)
    return min(float(np.abs(own).max()), size_with_functions(found, points))


def designs_at(points: Array, axes: Sequence[SplineAxis], solve: Sequence[Array]) -> list[Array]:
    """Return the values (n, r) of the functions `solve` (size, r) of every axis at points (n, d)."""
    return [design(axis, points[:, a]) @ each for a, (axis, each) in enumerate(zip(axes, solve, strict=True))]


def size_with_functions(found: Pass, points: Array) -> float:
    """Return the largest value at points (n, d) of splines and singular functions, which may cancel; inf if none."""
    slab = found.slabs[0]
    if not slab.functions:
        return math.inf
    local = slab.space.local(torch.as_tensor(points), JetPlan(points.shape[1], [()]))
    terms = slab.tensor(PROCESSOR)[local.columns] * local.features[:, 0, :, None]
    return float(terms.sum(dim=1).abs().max())


def inside_values(designs: Sequence[Array], values: Array) -> Array:
    """Return the values (n, f) of a tensor (*shape, f) at n points where the axes' functions have these values."""
    found = np.einsum("ni,i...->n...", designs[0], values)
    for each in designs[1:]:
        found = np.einsum("ni,ni...->n...", each, found)
    return np.asarray(found)


def truncated(values: Array, tolerance: float) -> Array:
    """Return a tensor (*shape, f) without the singular values below a tolerance, along every axis."""
    for a in range(values.ndim - 1):
        matrix = np.moveaxis(values, a, 0).reshape(values.shape[a], -1)
        left, singular, _ = np.linalg.svd(matrix, full_matrices=False)
        kept = left[:, : max(1, int((singular > tolerance * singular[0]).sum()))]
        values = np.moveaxis(np.tensordot(kept @ kept.T, values, (1, a)), 0, a)
    return values
