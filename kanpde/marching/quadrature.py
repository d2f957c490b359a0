"""Where a tensor product's residuals are taken: Gauss points of its cells, inside and on faces, with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanpde.arrays import Array
from kanpde.geometry.box import Box
from kanpde.marching.axes import Axis, gauss_points, gauss_weights
from kanpde.problem.block import Block


@dataclass(frozen=True)
class Quadrature:
    """Points (n, d) with weights (n,) that sum to 1, and for each the number of its face (None in the interior).

    They are tensor grids of these `shapes`, one after the other; none where they are measurements.
    """

    points: Array
    weights: Array
    index: npt.NDArray[np.int64] | None
    shapes: tuple[tuple[int, ...], ...] = ()


def quadrature(block: Block, box: Box, axes: Sequence[Axis]) -> Quadrature:
    """Gauss points where the block is to vanish; its own points, alike in weight, where it has such."""
    if block.points is not None:
        count = len(block.points)
        return Quadrature(block.points, np.full(count, 1 / count), np.arange(count))
    if not block.faces:
        unit, weights = product([*axes])
        return Quadrature(box.interior(unit), weights, None, (counts([*axes]),))
    measures = np.array([box.face_measure(face) for face in block.faces])
    points, shares, index, shapes = [], [], [], []
    for number, (face, share) in enumerate(zip(block.faces, measures / measures.sum(), strict=True)):
        unit, weights = product([axis for a, axis in enumerate(axes) if a not in face.axes])
        points.append(box.on_face(face, unit))
        shares.append(share * weights)
        index.append(np.full(len(unit), number))
        shapes.append(tuple(1 if a in face.axes else count for a, count in enumerate(counts(axes))))
    return Quadrature(np.concatenate(points), np.concatenate(shares), np.concatenate(index), tuple(shapes))


def counts(axes: Sequence[Axis]) -> tuple[int, ...]:
    """How many Gauss points every axis has."""
    return tuple(axis.nodes * axis.intervals for axis in axes)


def product(axes: Sequence[Axis]) -> tuple[Array, Array]:
    """The tensor grid of the axes' Gauss points in the unit cube, (n, d), and its weights (n,)."""
    lines = [gauss_points(axis) for axis in axes]
    unit = np.stack([g.ravel() for g in np.meshgrid(*lines, indexing="ij")], axis=-1) if lines else np.zeros((1, 0))
    weights = np.ones(1)
    for axis in axes:
        weights = np.multiply.outer(weights, gauss_weights(axis)).ravel()
    return unit, weights
