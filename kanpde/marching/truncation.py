"""How far a compression on a shape may be truncated: its error counts inside only, where it is measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from kanpde.calculus.arrays import Array
from kanpde.calculus.devices import PROCESSOR
from kanpde.calculus.jets import JetPlan
from kanpde.marching.axes import SplineAxis
from kanpde.marching.continuation import Beside
from kanpde.marching.slabs import Pass

MIN_SINGULAR_VALUE = 1e-14  # relative singular values below this are rounding errors
TRIED = 28  # number of truncations that are tried, each about a third of the one before


def tolerance_inside(
    points: Array, axes: Sequence[SplineAxis], solve: Sequence[Array], values: Array, tolerance: float
) -> float:
    """Return the truncation with which the root mean square of the error at points (n, d) inside is `tolerance`.

    Outside a shape the continued solution may be much larger than inside, or smaller.
    """
    designs = designs_at(points, axes, solve)
    own = inside_values(designs, values)
    largest = np.linalg.norm(values)
    for power in range(TRIED):
        cut = tolerance * math.pow(10.0, -power / 2)
        error = np.sqrt(np.square(inside_values(designs, truncated(values, cut)) - own).sum(axis=1).mean())
        if error <= tolerance or cut * largest <= MIN_SINGULAR_VALUE:
            break
    return cut


def field_sizes(
    found: Pass,
    points: Array,
    axes: Sequence[SplineAxis],
    solve: Sequence[Array],
    values: Array,
    beside: Beside | None = None,
) -> Array:
    """Return the largest value of each field at points (n, d), or that of its splines alone if it is smaller, (f,).

    That is the whole field's if it has singular functions `beside` the splines, of an evolution.
    """
    splines = inside_values(designs_at(points, axes, solve), values)
    if beside is None:
        sizes = np.minimum(np.abs(splines).max(axis=0), sizes_with_functions(found, points))
    else:
        sizes = np.abs(splines + beside.sums).max(axis=0)
    return np.where(sizes > 0, sizes, 1.0)


def designs_at(points: Array, axes: Sequence[SplineAxis], solve: Sequence[Array]) -> list[Array]:
    """Return the values (n, r) of the functions `solve` (size, r) of every axis at points (n, d)."""
    return [axis.design(points[:, a]) @ each for a, (axis, each) in enumerate(zip(axes, solve, strict=True))]


def sizes_with_functions(found: Pass, points: Array) -> Array:
    """Return each field's largest value at points (n, d), (f,), with singular functions that may cancel splines."""
    slab = found.slabs[0]
    if not slab.functions:
        return np.full(slab.coefficients.shape[-1], math.inf)
    local = slab.space.local(torch.as_tensor(points), JetPlan(points.shape[1], [()]))
    terms = slab.tensor(PROCESSOR)[local.columns] * local.features[:, 0, :, None]
    return np.asarray(terms.sum(dim=1).abs().amax(dim=0).numpy())


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
