"""Collocation points of a tensor product: Gauss points of its cells and of their faces, with quadrature weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanpde.calculus.arrays import Array
from kanpde.geometry.box import Box
from kanpde.marching.axes import Axis, gauss_points, gauss_weights
from kanpde.problem.block import Block


@dataclass(frozen=True)
class Quadrature:
    """Points (n, d), weights (n,) that sum to 1, and the number of each point's face (`index`, None in the interior).

    The points are tensor grids of these `shapes` in order; `shapes` is empty if the points are measurements.
    """

    points: Array
    weights: Array
    index: npt.NDArray[np.int64] | None
    shapes: tuple[tuple[int, ...], ...] = ()


def quadrature(block: Block, box: Box, axes: Sequence[Axis]) -> Quadrature:
    """Return the Gauss points of the box or the faces on which the block must vanish.

    If the block has points of its own, return those with equal weights.
    """
    if block.points is not None:
        count = len(block.points)
        return Quadrature(block.points, np.full(count, 1 / count), np.arange(count))
    if not block.faces:
        unit, weights = product_rule([*axes])
        return Quadrature(box.interior(unit), weights, None, (points_per_axis([*axes]),))
    measures = np.array([box.face_measure(face) for face in block.faces])
    points, shares, index, shapes = [], [], [], []
    for number, (face, share) in enumerate(zip(block.faces, measures / measures.sum(), strict=True)):
        unit, weights = product_rule([axis for a, axis in enumerate(axes) if a not in face.axes])
        points.append(box.on_face(face, unit))
        shares.append(share * weights)
        index.append(np.full(len(unit), number))
        shapes.append(tuple(1 if a in face.axes else count for a, count in enumerate(points_per_axis(axes))))
    return Quadrature(np.concatenate(points), np.concatenate(shares), np.concatenate(index), tuple(shapes))


def points_per_axis(axes: Sequence[Axis]) -> tuple[int, ...]:
    """Return the number of Gauss points of each axis."""
    return tuple(axis.nodes * axis.intervals for axis in axes)


def product_rule(axes: Sequence[Axis]) -> tuple[Array, Array]:
    """Return the tensor grid of the axes' Gauss points in the unit cube, (n, d), and its weights (n,)."""
    lines = [gauss_points(axis) for axis in axes]
    unit = np.stack([g.ravel() for g in np.meshgrid(*lines, indexing="ij")], axis=-1) if lines else np.zeros((1, 0))
    weights = np.ones(1)
    for axis in axes:
        weights = np.multiply.outer(weights, gauss_weights(axis)).ravel()
    return unit, weights
