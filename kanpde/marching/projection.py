"""A pass in orthonormal functions of the axes of a network, and its leading singular vectors.

These are the dense products and factors of a compression; they are computed on the device of the march.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import scipy.sparse as sparse
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.calculus.devices import PROCESSOR
from kanpde.calculus.legendre import gauss_rule
from kanpde.marching.axes import MANY_FUNCTIONS, Axis, SplineAxis, gauss_weights, sparse_designs
from kanpde.marching.separable.along_axis import dense_on, placed
from kanpde.marching.separable.restricted_axis import fitting
from kanpde.marching.slabs import Pass, Slab

SAMPLED = 32  # first number of random functions of which the leading singular vectors are made
FEWER = 4  # factor on this number if they are too few; and a matrix of fewer columns than so many is not sampled


def orthonormalised(
    found: Pass, axes: Sequence[SplineAxis], time: int | None, device: torch.device
) -> tuple[Array, list[Array], list[list[Array]]]:
    """Return the coefficients (*shape, fields) of a pass in orthonormal functions of each axis, the splines'
    coefficients (size, r) of these functions, and for each axis and slab the matrix from its functions to these.

    `time` is the axis along which the pass has several slabs.

    Every interval of time has the same weight, so that a truncation leaves thin slabs as exact as all others.
    """
    spans, splines = [], []
    for a, axis in enumerate(axes):
        weighted, triangle = factors_of(axis, device)
        maps = maps_in_time(found, a, axis, weighted) if a == time else maps_in_space(found, a, axis, weighted)
        span = orthonormal_basis(maps)
        functions = torch.linalg.solve_triangular(triangle, span, upper=True)
        maps = [span.T @ each for each in maps]
        if a == time:
            values = values_of(axis, axis.points, device) @ functions
            even = torch.linalg.qr(placed(np.sqrt(even_weights(axis)), device)[:, None] * values, mode="r")[1]
            functions = torch.linalg.solve_triangular(even, functions, upper=True, left=False)
            maps = [even @ each for each in maps]
        spans.append(maps)
        splines.append(functions.cpu().numpy())
    slabs = zip(found.slabs, *spans, strict=True)
    pieces = (apply_along_axes(placed(slab.coefficients, device), maps) for slab, *maps in slabs)
    # A piece is zero outside its slab's part of time.
    total = reduce(torch.add, pieces).cpu().numpy()
    return total, splines, [[each.cpu().numpy() for each in maps] for maps in spans]


def factors_of(axis: SplineAxis, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the orthonormal factor of an axis's weighted values at its Gauss points, weighted once more, and R."""
    if axis.size <= MANY_FUNCTIONS and device == PROCESSOR:
        weighted, triangle = axis.factors
        return torch.from_numpy(weighted), torch.from_numpy(triangle)
    roots = placed(np.sqrt(gauss_weights(axis)), device)[:, None]
    orthonormal, triangle = torch.linalg.qr(roots * values_of(axis, axis.points, device))
    return roots * orthonormal, triangle


def even_weights(axis: SplineAxis) -> Array:
    """Return weights of the Gauss points, (n,), with the same sum in every interval; they sum to 1."""
    return np.tile(gauss_rule(axis.nodes)[1] / 2, axis.intervals) / axis.intervals


def fitted_along(axis: SplineAxis, slab: Slab) -> Array:
    """Return the coefficients (size, fields) of the least-squares fit of a slab of one axis by the splines of another.

    Sparse matrices make this cheap for thousands of functions.
    """
    points, roots = axis.points, sparse.diags(np.sqrt(gauss_weights(axis)))
    own, given = (roots @ sparse_designs(each, points, 1)[0] for each in (axis, slab.axes[0]))
    fit = fitting(own.tocsr(), PROCESSOR)
    return fit(torch.from_numpy(given @ slab.coefficients)).numpy()


def values_of(axis: Axis, x: Array, device: torch.device) -> Tensor:
    """Return the values of all functions of an axis at x (n,), (n, size)."""
    if device == PROCESSOR:
        return torch.from_numpy(axis.design(x))
    return dense_on(sparse_designs(axis, x, 1)[0], device)


def maps_in_space(found: Pass, a: int, axis: SplineAxis, weighted: Tensor) -> list[Tensor]:
    """Return for each slab the matrix (n, size) from its functions of axis `a` to the network's orthonormal ones.

    Slabs that share an axis share the matrix.
    """
    known: dict[int, Tensor] = {}
    for slab in found.slabs:
        own = slab.axes[a]
        if id(own) not in known:
            known[id(own)] = weighted.T @ values_of(own, axis.points, weighted.device)
    return [known[id(slab.axes[a])] for slab in found.slabs]


def maps_in_time(found: Pass, a: int, axis: SplineAxis, weighted: Tensor) -> list[Tensor]:
    """Return the same matrices for the axis of time, where a slab's functions are zero outside its part of time."""
    places, maps = axis.points, []
    which = np.searchsorted([slab.axes[a].breakpoints[1] for slab in found.slabs[:-1]], places)
    for number, slab in enumerate(found.slabs):
        inside = np.flatnonzero(which == number)
        there = weighted[torch.from_numpy(inside).to(weighted.device)]
        maps.append(there.T @ values_of(slab.axes[a], places[inside], weighted.device))
    return maps


def orthonormal_basis(maps: Sequence[Tensor]) -> Tensor:
    """Return orthonormal columns (n, r) that span the columns of all maps (n, size)."""
    columns = torch.cat([*{id(each): each for each in maps}.values()], dim=1)
    if columns.shape[1] < len(columns):
        basis: Tensor = torch.linalg.qr(columns)[0]
        return basis
    return torch.eye(len(columns), dtype=columns.dtype, device=columns.device)


def apply_along_axes(coefficients: Tensor, maps: Sequence[Tensor]) -> Tensor:
    """Return a tensor (*shape, f) with one matrix applied along each axis but the last."""
    for a, each in enumerate(maps):
        coefficients = torch.tensordot(each, coefficients, ([1], [a])).movedim(0, a)
    return coefficients


def leading_singular_vectors(matrix: Array, tolerance: float, device: torch.device) -> tuple[Array, Array, Array]:
    """Return the singular value decomposition U, σ, Vᵀ of a matrix; of a large one only a part that leaves less than
    `tolerance` σ_1.

    The part is in the span of products with random vectors, where a smooth solution has few singular values (Halko,
    Martinsson and Tropp, SIAM Rev. 53 (2011) 217).
    """
    whole, count = placed(matrix, device), SAMPLED
    random = np.random.default_rng(0)
    while FEWER * count <= min(matrix.shape):
        basis = torch.linalg.qr(whole @ placed(random.normal(size=(matrix.shape[1], count)), device))[0]
        basis = torch.linalg.qr(whole @ (whole.T @ basis))[0]
        inside = basis.T @ whole
        left, sizes, right = torch.linalg.svd(inside, full_matrices=False)
        if float((whole - basis @ inside).norm()) <= tolerance * float(sizes[0]):
            return (basis @ left).cpu().numpy(), sizes.cpu().numpy(), right.cpu().numpy()
        count *= FEWER
    left, sizes, right = torch.linalg.svd(whole, full_matrices=False)
    return left.cpu().numpy(), sizes.cpu().numpy(), right.cpu().numpy()
