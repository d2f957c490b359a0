"""Surfaces of triangles as pieces of a boundary."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.geometry.piece import Piece, gauss, tensor
from kanpde.geometry.surfaces import per_axis

Index = npt.NDArray[np.int_]

_GOLDEN = 0.6180339887498949
_NEIGHBOURS = 24  # triangles with the nearest middles, among which the nearest is looked for


@dataclass(frozen=True, eq=False)
class Triangles(Piece):
    """A surface of triangles (n, 3, 3), each anticlockwise when it is seen from outside the body."""

    corners: Array = field(repr=False)
    sign: int = 1

    @property
    def axes(self) -> tuple[int, ...]:
        return (0, 1, 2)

    @property
    def extent(self) -> tuple[Array, Array]:
        return self.corners.min(axis=(0, 1)), self.corners.max(axis=(0, 1))

    @functools.cached_property
    def _crosses(self) -> Array:
        a, b, c = np.moveaxis(self.corners, 1, 0)
        return np.cross(b - a, c - a)

    @functools.cached_property
    def _areas(self) -> Array:
        return np.asarray(np.linalg.norm(self._crosses, axis=1) / 2)

    @property
    def measure(self) -> float:
        return float(self._areas.sum())

    @functools.cached_property
    def units(self) -> Array:
        """The unit normal of every triangle, (n, 3)."""
        return np.asarray(self._crosses / (2 * self._areas)[:, None])

    def spread(self, unit: Array) -> Array:
        return self.at(*self._places(unit))[0]

    def at(self, which: Index, shares: Array) -> tuple[Array, Array]:
        """Return points of triangles and the surface's area over the triangle's there, (n, 3) and (n,).

        `which` (n,) are the triangles' numbers, and `shares` (n, 3) those of their corners.
        """
        return np.einsum("nc,ncx->nx", shares, self.corners[which]), np.ones(len(which))

    def _places(self, unit: Array) -> tuple[Index, Array]:
        """Return the triangles and the shares of their corners at points of the unit square, evenly by area."""
        ends = np.concatenate([[0.0], np.cumsum(self._areas)]) / self._areas.sum()
        ends[-1] = 1.0
        which = np.clip(np.searchsorted(ends, unit[:, 0], side="right") - 1, 0, len(self._areas) - 1)
        # The place within a triangle's share is a new uniform number.
        root = np.sqrt((unit[:, 0] - ends[which]) / np.maximum(ends[which + 1] - ends[which], 1e-300))
        return which, np.stack([1 - root, root * (1 - unit[:, 1]), root * unit[:, 1]], axis=1)

    def quadrature(self, count: int) -> tuple[Array, Array]:
        """Return Gauss points of every triangle, or fewer points that are spread evenly, and weights."""
        if count < len(self.corners):
            even = (np.arange(count) + 0.5) / count
            which, shares = self._places(np.stack([even, np.mod(even * count * _GOLDEN, 1.0)], axis=1))
            weights = np.full(count, self._areas.sum() / count)
        else:
            u, line = gauss(per_axis(count // len(self.corners), 2), 0.0, 1.0)
            nodes, products = tensor([u, u], [line, line])
            # Duffy's map of the square to a triangle.
            x, y = nodes[:, 0] * (1 - nodes[:, 1]), nodes[:, 1]
            which = np.repeat(np.arange(len(self.corners)), len(x))
            shares = np.tile(np.stack([1 - x - y, x, y], axis=1), (len(self.corners), 1))
            weights = np.multiply.outer(2 * self._areas, products * (1 - y)).ravel()
        points, stretch = self.at(which, shares)
        return points, weights * stretch

    def normals(self, points: Tensor) -> Tensor:
        near = self.nearest(points.detach().cpu().double().numpy())[0]
        return points.new_tensor(self.sign * self.units[near])

    def distance(self, points: Array) -> Array:
        return self.nearest(points)[1]

    def nearest(self, points: Array) -> tuple[Index, Array]:
        """Return the nearest triangle of every point and its distance, (n,) each; nearly, among those around it."""
        count = min(_NEIGHBOURS, len(self.corners))
        near = self._tree.query(points, k=count)[1].reshape(len(points), count)
        parts = np.array_split(np.arange(len(points)), max(1, len(points) // 16384))
        distances = np.concatenate([_distances(points[part], self.corners[near[part]]) for part in parts])
        best = distances.argmin(axis=1)
        rows = np.arange(len(points))
        return near[rows, best], distances[rows, best]

    @functools.cached_property
    def _tree(self) -> KDTree:
        return KDTree(self.corners.mean(axis=1))


def _distances(points: Array, corners: Array) -> Array:
    """Return the distances (n, k) of points (n, 3) from triangles (n, k, 3, 3)."""
    a, b, c = np.moveaxis(corners, 2, 0)
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-300)
    least, above = np.full(corners.shape[:2], np.inf), np.ones(corners.shape[:2], dtype=bool)
    for first, second in ((a, b), (b, c), (c, a)):
        along, away = second - first, points[:, None] - first
        s = np.clip((away * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-300), 0, 1)
        least = np.minimum(least, np.linalg.norm(away - s[..., None] * along, axis=-1))
        above &= (away * np.cross(normal, along)).sum(-1) >= 0
    height = np.abs(((points[:, None] - a) * normal).sum(-1))
    return np.where(above, height, least)
