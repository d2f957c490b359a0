"""Where a train needs more knots: how much of it the highest degrees of its splines carry, interval by interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from kanpde.calculus.arrays import Array
from kanpde.calculus.legendre import gauss_rule, legendre
from kanpde.marching.axes import SplineAxis, design_of, transfer_matrix
from kanpde.marching.tensor_trains.algebra import Train, apply, orthogonal, solved, triangle


def omitted(train: Train, axes: Sequence[SplineAxis], orders: Sequence[int]) -> list[Array]:
    """Return for every interval of every axis the estimated size of what its polynomials lack, relative to the train.

    On each interval the derivative of the axis's order is a sum of Legendre polynomials; its last two degrees, and
    their ratio to the two before, tell what the next degree would add.
    """
    triangles = [triangle(axis, order) for axis, order in zip(axes, orders, strict=True)]
    cores = [apply(r, core) for r, core in zip(triangles, train, strict=True)]
    left = orthogonal(cores)
    size = float(np.linalg.norm(left[-1])) or 1.0
    right = [core.transpose(0, 2, 1) for core in reversed(orthogonal([c.transpose(0, 2, 1) for c in reversed(cores)]))]
    found, carried = [], np.eye(1)
    for a, (axis, order) in enumerate(zip(axes, orders, strict=True)):
        # Between orthonormal cores on both sides, the norm of this core is that of the train.
        core = np.einsum("xy,gyz->gxz", carried, cores[a])
        after = right_factor(cores[a + 1 :], right[a + 1 :])
        centre = solved(triangles[a], np.einsum("gxy,yz->gxz", core, after)).reshape(axis.size, -1)
        found.append(omitted_along(axis, order, centre) / size)
        if a < len(axes) - 1:
            carried = np.asarray(np.linalg.qr(core.reshape(-1, core.shape[2]), mode="r"))
    return found


def right_factor(cores: Sequence[Array], orthonormal: Sequence[Array]) -> Array:
    """Return the matrix (r, r') by which the cores differ from orthonormal ones of the same span, on their left."""
    matrix = np.eye(1)
    for core, q in zip(reversed(cores), reversed(orthonormal), strict=True):
        matrix = np.einsum("gxy,yz,gwz->xw", core, matrix, q)
    return matrix


def omitted_along(axis: SplineAxis, order: int, functions: Array) -> Array:
    """Return the same, not yet divided by a norm, for functions with coefficients (size, c) along one axis."""
    nodes, weights = gauss_rule(axis.degree + 1)
    ends, degree = axis.breakpoints, axis.degree - order
    length, result = float(ends[-1] - ends[0]), np.zeros(axis.intervals)
    for i, (low, high) in enumerate(zip(ends[:-1], ends[1:], strict=True)):
        x = (low + high) / 2 + (high - low) / 2 * nodes
        values = design_of(axis, x, order + 1)[:, order] @ functions * (length / math.pi) ** order
        basis = legendre(torch.as_tensor(x), float(low), float(high), degree, 1)[:, 0].numpy()
        amounts = np.linalg.norm(basis.T @ (weights[:, None] / 2 * values), axis=1)
        last, before = np.hypot(*amounts[-2:]), np.hypot(*amounts[-4:-2])
        result[i] = math.sqrt((high - low) / length) * last * math.sqrt(min(1.0, last / max(before, 1e-300)))
    return result


def finer_axes(
    trains: Sequence[Train], axes: Sequence[SplineAxis], orders: Sequence[int], least: float, share: float
) -> tuple[SplineAxis, ...]:
    """Return the axes with the intervals halved that lack at least this share of what the worst one does.

    They are the same objects if the worst one lacks less than `least`.
    """
    lacking = [np.max(each, axis=0) for each in zip(*(omitted(t, axes, orders) for t in trains), strict=True)]
    worst = max(float(each.max()) for each in lacking)
    if worst < least:
        return tuple(axes)
    return tuple(halved(axis, each >= share * worst) for axis, each in zip(axes, lacking, strict=True))


def halved(axis: SplineAxis, which: Array) -> SplineAxis:
    """Return an axis with some of its intervals halved."""
    if not which.any():
        return axis
    ends = axis.breakpoints
    middles = ((ends[:-1] + ends[1:]) / 2)[which]
    return SplineAxis(np.sort(np.concatenate([ends, middles])), axis.degree, axis.periodic)


def transferred(train: Train, old: Sequence[SplineAxis], new: Sequence[SplineAxis]) -> Train:
    """Return the same train on axes that have all knots of the old ones."""
    return tuple(
        core if a is b else apply(transfer_matrix(a, b), core) for core, a, b in zip(train, old, new, strict=True)
    )


def equally_fine(axes: Sequence[SplineAxis]) -> tuple[SplineAxis, ...]:
    """Return axes that all have as many intervals as the finest; the widest intervals are halved."""
    most = max(axis.intervals for axis in axes)
    result = []
    for axis in axes:
        while axis.intervals < most:
            widths = np.diff(axis.breakpoints)
            axis = halved(axis, np.arange(len(widths)) == int(widths.argmax()))
        result.append(axis)
    return tuple(result)
