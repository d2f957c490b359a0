"""Points and weights of integrals over some coordinates of a domain, for given values of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kanpde.calculus.arrays import Array
from kanpde.errors import ProblemError
from kanpde.geometry.boundary import sobol
from kanpde.geometry.box import as_box
from kanpde.geometry.domain import Domain, Face, interior_points
from kanpde.geometry.shape import Product, Shape

_MOST_AXES = 3  # largest dimension of a tensor rule; quasi-random points integrate over more coordinates

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Integration:
    """Points (n, d) and the number of each point's face (n,), None in the interior.

    The integral number g is the sum of weights (n,) times values over the points n with `group` (n,) equal to g; there
    are `count` integrals.
    """

    points: Array
    index: Index | None
    group: Index
    weights: Array
    count: int

    def total(self, values: Array) -> Array:
        """Return the integrals (..., g) of values (..., n) at the points."""
        sums = np.zeros((*values.shape[:-1], self.count))
        np.add.at(np.moveaxis(sums, -1, 0), self.group, np.moveaxis(values * self.weights, -1, 0))
        return sums


def factor_over(domain: Domain, axes: Sequence[int]) -> Shape:
    """Return the factor of a domain over the coordinates of `axes`, such as the disk of a disk times time.

    Raises ProblemError if the domain is no product of such a factor and a box.
    """
    names, box = [domain.names[axis] for axis in axes], as_box(domain)
    if box is not None:
        return box.only(*names)
    if isinstance(domain, Shape) and len(axes) == domain.dimension:
        return domain
    if isinstance(domain, Product) and set(range(domain.shape.dimension)) <= set(axes):
        rest = [name for name in names if name in domain.box.names]
        whole = as_box(domain.box)
        return domain.shape * whole.only(*rest) if whole is not None and rest else domain.shape
    raise ProblemError(f"expected an integral over all coordinates of a shape, got {', '.join(names)} of {domain}")


def measure_over(domain: Domain, faces: Sequence[Face], axes: Sequence[int]) -> float:
    """Return the measure of the factor over `axes`, or of these faces of it."""
    factor = factor_over(domain, axes)
    return sum(factor.face_measure(factor.faces[face.name]) for face in faces) if faces else factor.measure


def integration(domain: Domain, faces: Sequence[Face], axes: Sequence[int], others: Array, count: int) -> Integration:
    """Return the integrals over `axes` of the domain or of faces, by about `count` points each.

    There is one for each of the values `others` (g, m) of the other coordinates.
    """
    inner, index, weights = rule(factor_over(domain, axes), faces, count)
    return spread(inner, index, weights, others, axes)


def rule(factor: Shape, faces: Sequence[Face], count: int) -> tuple[Array, Index | None, Array]:
    """Return about `count` points (q, k) of a factor or of faces of it, each point's face, and weights (q,)."""
    if faces:
        measures = [factor.face_measure(factor.faces[face.name]) for face in faces]
        shares = [max(1, round(count * measure / sum(measures))) for measure in measures]
        found = [factor.face_points(face.name, share) for face, share in zip(faces, shares, strict=True)]
        index = np.repeat(np.arange(len(faces)), [len(points) for points, _, _ in found])
        return np.concatenate([f[0] for f in found]), index, np.concatenate([f[2] for f in found])
    if factor.dimension <= _MOST_AXES:
        points, weights = factor.quadrature(count)
        return points, None, weights
    return interior_points(factor, count, sobol(0)), None, np.full(count, factor.measure / count)


def spread(inner: Array, index: Index | None, weights: Array, others: Array, axes: Sequence[int]) -> Integration:
    """Return the integrals by the rule of points `inner` (q, k) over `axes`, one for each of `others` (g, m)."""
    groups, each = len(others), len(inner)
    points = np.empty((groups * each, inner.shape[1] + others.shape[1]))
    points[:, axes] = np.tile(inner, (groups, 1))
    points[:, np.delete(np.arange(points.shape[1]), axes)] = np.repeat(others, each, axis=0)
    numbers = None if index is None else np.tile(index, groups)
    return Integration(points, numbers, np.repeat(np.arange(groups), each), np.tile(weights, groups), groups)
