"""Collocation points of a tensor product: Gauss points of its cells and of their faces, with quadrature weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.geometry.box import Box, as_box
from kanpde.geometry.domain import Domain, Face, Section, face_measure
from kanpde.geometry.domain import on_face as points_on
from kanpde.geometry.integration import Index, factor_over, measure_over, rule, spread
from kanpde.geometry.region import Region
from kanpde.geometry.shape import Product, Shape
from kanpde.marching.axes import Axis, SplineAxis, gauss_points, gauss_weights
from kanpde.marching.piece import CutGrid, Shapes
from kanpde.problem.block import Block

COARSE = 3  # coordinates from which the first axes have few intervals, so that cells that are cut have few points
ON_FACES = 2.0  # density of points on a face of a shape, relative to that of the Gauss points along an axis


@dataclass(frozen=True)
class Quadrature:
    """Points (n, d), weights (n,) that sum to 1, and the number of each point's face (`index`, None in the interior).

    The points are tensor grids of these `shapes` in order, or a part of one; `shapes` is empty if they form no grids.
    If the rows are integrals, `sums` has the points' groups and weights, and `weights` are those of the groups.
    """

    points: Array
    weights: Array
    index: Index | None
    shapes: Shapes = ()
    sums: tuple[Index, Array] | None = None


def quadrature(block: Block, domain: Domain, axes: Sequence[Axis], least: int = 1) -> Quadrature:
    """Return the points of the domain or the faces on which the block must vanish.

    They are Gauss points of the cells in a box. In other shapes they are those inside, and as many points on the faces,
    at least `least` on each in the plane. If the block has points of its own, return those with equal weights.
    """
    if block.points is not None:
        count = len(block.points)
        return Quadrature(block.points, np.full(count, 1 / count), np.arange(count))
    if block.place is not None:
        domain = block.within(domain)
        axes = [scaled(axis, low, high) for axis, low, high in zip(axes, domain.low, domain.high, strict=True)]
    if block.integrated:
        return of_integrals(block, domain, axes)
    box = as_box(domain)
    if box is None:
        assert isinstance(domain, Shape)
        return in_shape(block.faces, domain, axes, least)
    return in_box(block.faces, box, axes)


def scaled(axis: Axis, low: float, high: float) -> Axis:
    """Return a spline axis moved to another interval; other axes unchanged."""
    b = axis.breakpoints
    if not isinstance(axis, SplineAxis) or (b[0] == low and b[-1] == high):
        return axis
    moved = low + (high - low) * (b - b[0]) / (b[-1] - b[0])
    moved[-1] = high
    return SplineAxis(moved, axis.degree, axis.periodic)


def in_box(faces: Sequence[Face], box: Box, axes: Sequence[Axis]) -> Quadrature:
    """Return the Gauss points of a box or of its faces."""
    if not faces:
        unit, weights = product_rule([*axes])
        return Quadrature(box.interior(unit), weights, None, (points_per_axis([*axes]),))
    measures = np.array([face_measure(box, face) for face in faces])
    points, shares, index, shapes = [], [], [], []
    for number, (face, share) in enumerate(zip(faces, measures / measures.sum(), strict=True)):
        unit, weights = product_rule([axis for a, axis in enumerate(axes) if a not in face.axes])
        points.append(points_on(box, face, unit))
        shares.append(share * weights)
        index.append(np.full(len(unit), number))
        shapes.append(tuple(1 if a in face.axes else count for a, count in enumerate(points_per_axis(axes))))
    return Quadrature(np.concatenate(points), np.concatenate(shares), np.concatenate(index), tuple(shapes))


def in_shape(faces: Sequence[Face], domain: Shape, axes: Sequence[Axis], least: int = 1) -> Quadrature:
    """Return the Gauss points of the bounding box's cells that lie inside a shape, or points on its faces."""
    if not faces:
        denser = point_densities(domain, len(axes))
        unit, weights = product_rule([*axes], denser)
        interior, weights, grid = inside(domain, unit, weights, points_per_axis([*axes], denser))
        return Quadrature(interior, weights / weights.sum(), None, grid)
    measures = np.array([face_measure(domain, face) for face in faces])
    points, shares, index = [], [], []
    for number, (face, share) in enumerate(zip(faces, measures / measures.sum(), strict=True)):
        here, weights = on_face(face, domain, axes, least)
        points.append(here)
        shares.append(share * weights / weights.sum())
        index.append(np.full(len(here), number))
    return Quadrature(np.concatenate(points), np.concatenate(shares), np.concatenate(index))


def of_integrals(block: Block, domain: Domain, axes: Sequence[Axis]) -> Quadrature:
    """Return the points of integrals at the Gauss points of the other axes."""
    free = [axis for axis in range(domain.dimension) if axis not in block.integrated]
    unit, shares = product_rule([axes[a] for a in free])
    box = as_box(domain)
    if box is not None:
        where = in_box(block.faces, box, axes)
        assert isinstance(where.shapes, tuple)
        group = np.concatenate([group_in_grid(shape, free) for shape in where.shapes])
        measure = measure_over(domain, block.faces, block.integrated)
        return replace(where, weights=shares, sums=(group, measure * where.weights / shares[group]))
    factor = factor_over(domain, block.integrated)
    spacing = min((axis.breakpoints[-1] - axis.breakpoints[0]) / (axis.nodes * axis.intervals) for axis in axes)
    measure = measure_over(domain, block.faces, block.integrated)
    count = math.ceil(ON_FACES * measure / spacing ** (factor.dimension - bool(block.faces)))
    others = domain.low[free] * (1 - unit) + domain.high[free] * unit
    found = spread(*rule(factor, block.faces, count), others, block.integrated)
    return Quadrature(found.points, shares, found.index, sums=(found.group, found.weights))


def group_in_grid(shape: Sequence[int], free: Sequence[int]) -> Index:
    """Return the number (n,) of the values of the free axes at each point of a tensor grid."""
    places = np.indices(shape).reshape(len(shape), -1)
    group = np.zeros(places.shape[1], dtype=np.int64)
    for axis in free:
        group = group * shape[axis] + places[axis]
    return group


def inside(domain: Domain, unit: Array, weights: Array, shape: tuple[int, ...]) -> tuple[Array, Array, Shapes]:
    """Return the points (n, d) of a grid of this shape in the unit cube that lie inside, their weights, and the grids
    of which they are the points, or a part.
    """
    box = as_box(domain)
    if box is not None:
        return box.interior(unit), weights, (shape,)
    points = spread_over(domain, unit)
    here = domain.contains(points)
    return points[here], weights[here], CutGrid.of(points, here, shape) if shape else ()


def spread_over(domain: Domain, unit: Array) -> Array:
    """Return points (n, d) of the unit cube as points of the domain's bounding box, or of a region's frame."""
    if isinstance(domain, Product):
        k = domain.shape.dimension
        return np.concatenate([spread_over(domain.shape, unit[:, :k]), spread_over(domain.box, unit[:, k:])], axis=1)
    if isinstance(domain, Region):
        return domain.spread(unit)
    return np.asarray(domain.low + (domain.high - domain.low) * unit)


def on_face(face: Face, domain: Shape, axes: Sequence[Axis], least: int = 1) -> tuple[Array, Array]:
    """Return points (n, d) on a face, about as dense as the Gauss points inside, and their weights (n,).

    They are at least `least` if the domain is no product.
    """
    if isinstance(face, Section):
        return on_section(face, domain, axes)
    if not isinstance(domain, Product):
        spacing = min((axis.breakpoints[-1] - axis.breakpoints[0]) / (axis.nodes * axis.intervals) for axis in axes)
        count = math.ceil(ON_FACES * domain.face_measure(face) / spacing ** (len(axes) - 1))
        points, _, weights = domain.face_points(face.name, max(count, least))
        return points, weights
    k = domain.shape.dimension
    if face.name in domain.shape.faces:
        inner = on_face(domain.shape.faces[face.name], domain.shape, axes[:k])
        unit, shares = product_rule(axes[k:])
        outer = domain.box.interior(unit), shares
    else:
        unit, shares = product_rule(axes[:k], point_densities(domain, len(axes))[:k])
        inner = inside(domain.shape, unit, shares, ())[:2]
        ends = domain.box.faces[face.name]
        unit, shares = product_rule([axis for a, axis in enumerate(axes[k:]) if a not in ends.axes])
        outer = domain.box.on_face(ends, unit), shares
    (here, some), (there, others) = inner, outer
    points = np.concatenate([np.repeat(here, len(there), axis=0), np.tile(there, (len(here), 1))], axis=1)
    return points, np.multiply.outer(some, others).ravel()


def on_section(face: Section, domain: Shape, axes: Sequence[Axis]) -> tuple[Array, Array]:
    """Return the Gauss points (n, d) of a section that lie inside, and their weights (n,)."""
    unit, weights = product_rule([axis for a, axis in enumerate(axes) if a not in face.axes])
    points = face.place(domain.low, domain.high, unit)
    here = domain.contains(points)
    return points[here], weights[here]


def any_shape(domain: Domain, blocks: Sequence[Block]) -> bool:
    """Return True if a domain, or the place of a block on it, is not a box."""
    return any(as_box(block.within(domain)) is None for block in blocks) or as_box(domain) is None


def point_densities(domain: Shape, dimension: int) -> list[float]:
    """Return the factors on the points of every axis with which a shape has as many inside as its bounding box would.

    They are 1 in the plane, where the first knots are many.
    """
    shape = domain.shape if isinstance(domain, Product) else domain
    filled = shape.measure / float(np.prod(shape.high - shape.low))
    denser = 1.0 if dimension < COARSE or not 0 < filled < 1 else math.pow(filled, -1 / shape.dimension)
    return [denser] * shape.dimension + [1.0] * (dimension - shape.dimension)


def nodes_of(axes: Sequence[Axis], denser: Sequence[float] | None) -> list[int]:
    """Return the number of Gauss points of each interval of each axis, which may have a factor."""
    factors = denser or [1.0] * len(axes)
    return [math.ceil(factor * axis.nodes) for axis, factor in zip(axes, factors, strict=True)]


def points_per_axis(axes: Sequence[Axis], denser: Sequence[float] | None = None) -> tuple[int, ...]:
    """Return the number of Gauss points of each axis."""
    return tuple(each * axis.intervals for axis, each in zip(axes, nodes_of(axes, denser), strict=True))


def grid_of(lines: Sequence[Array]) -> Array:
    """Return the points (n, d) of the tensor grid of lines (n_a,), the last of which varies fastest."""
    points = np.empty((*(len(line) for line in lines), len(lines)))
    for a, line in enumerate(lines):
        points[..., a] = line.reshape([-1 if a == b else 1 for b in range(len(lines))])
    return points.reshape(math.prod(points.shape[:-1]), len(lines))


def product_rule(axes: Sequence[Axis], denser: Sequence[float] | None = None) -> tuple[Array, Array]:
    """Return the tensor grid of the axes' Gauss points in the unit cube, (n, d), and its weights (n,).

    They are `denser` than usual by a factor along each axis.
    """
    nodes = nodes_of(axes, denser)
    lines = [gauss_points(axis, each) for axis, each in zip(axes, nodes, strict=True)]
    unit = grid_of(lines)
    weights = np.ones(1)
    for axis, each in zip(axes, nodes, strict=True):
        weights = np.multiply.outer(weights, gauss_weights(axis, each)).ravel()
    return unit, weights
