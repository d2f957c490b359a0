"""The zero surface of a level function in space, by triangles: marching tetrahedra.

Doi and Koide, "An efficient method of triangulating equi-valued surfaces by using tetrahedral cells", IEICE Trans. E74
(1991) 214. Points of the triangles are moved onto the surface along directions that are continuous on it.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.geometry.level_function import LevelFunction
from kanpde.geometry.triangles import Index, Triangles

_GRID = 40  # cells along every axis


@dataclass(frozen=True, eq=False)
class Isosurface(Triangles):
    """The surface f = 0 near triangles; the normal points to larger f if `sign` is 1."""

    function: LevelFunction = field(kw_only=True)

    @property
    def measure(self) -> float:
        return float(self.quadrature(4 * len(self.corners))[1].sum())

    @functools.cached_property
    def _slopes(self) -> Array:
        """The unit gradient at the triangles' corners, (n, 3, 3)."""
        slopes = self.function.slopes(self.corners.reshape(-1, 3))[1].reshape(self.corners.shape)
        return np.asarray(slopes / np.maximum(np.linalg.norm(slopes, axis=-1, keepdims=True), 1e-300))

    def at(self, which: Index, shares: Array) -> tuple[Array, Array]:
        flat, _ = super().at(which, shares)
        corners, slopes = self.corners[which], self._slopes[which]
        # Directions that are continuous from triangle to triangle leave no gaps between them.
        way = np.einsum("nc,ncx->nx", shares, slopes)
        points = self.function.projected(flat, way, float(np.sqrt(self._areas.mean())))
        _, slope = self.function.slopes(points)
        length = (((points - flat) * way).sum(axis=1) / np.maximum((way**2).sum(axis=1), 1e-300))[:, None]
        rate = (slope * way).sum(axis=1)
        tangents = []
        for c in (1, 2):
            along = corners[:, c] - corners[:, 0] + length * (slopes[:, c] - slopes[:, 0])
            tangents.append(along - ((slope * along).sum(axis=1) / np.where(rate, rate, np.inf))[:, None] * way)
        return points, np.linalg.norm(np.cross(*tangents), axis=1) / (2 * self._areas[which])

    def normals(self, points: Tensor) -> Tensor:
        _, slope = self.function.gradient(points)
        return torch.mul(slope / slope.norm(dim=-1, keepdim=True).clamp_min(1e-30), self.sign)

    def distance(self, points: Array) -> Array:
        return np.asarray(np.abs(self.function.values(points)))


def isosurface(function: LevelFunction, low: Array, high: Array) -> Iterator[Isosurface]:
    """Yield the surface on which the function vanishes in the box from low to high, if there is one."""
    lines = [np.linspace(a, b, _GRID + 1) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 3)
    corners = _triangles(grid, function.values(grid), _tetrahedra())
    corners = function.projected(corners.reshape(-1, 3), reach=float((high - low).max() / _GRID)).reshape(-1, 3, 3)
    # Corners on the box' faces stay there; others cannot leave the box by more than a cell.
    corners = np.clip(corners, low, high)
    crosses = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(crosses, axis=1)
    keep = areas > 1e-9 * areas.max(initial=0.0)
    corners, crosses = corners[keep], crosses[keep]
    if len(corners):
        outward = (function.slopes(corners.mean(axis=1))[1] * crosses).sum(axis=1) > 0
        corners[~outward] = corners[~outward][:, [0, 2, 1]]
        yield Isosurface(corners, function=function)


def _tetrahedra() -> npt.NDArray[np.int64]:
    """Return the corners' numbers (n, 4) of the six tetrahedra in every cell, all around the cell's diagonal."""
    number = np.arange((_GRID + 1) ** 3).reshape((_GRID + 1,) * 3)

    def shifted(corner: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return number[tuple(slice(int(k), _GRID + int(k)) for k in corner)].ravel()

    unit = np.eye(3, dtype=np.int64)
    paths = [np.cumsum(np.vstack([np.zeros((1, 3), np.int64), unit[list(order)]]), axis=0) for order in _ORDERS]
    return np.concatenate([np.stack([shifted(corner) for corner in path], axis=1) for path in paths])


_ORDERS = tuple(itertools.permutations(range(3)))


def _triangles(grid: Array, values: Array, tetrahedra: npt.NDArray[np.int64]) -> Array:
    """Return the triangles (n, 3, 3) in which the linear interpolants in tetrahedra vanish."""
    inside = values[tetrahedra] < 0
    count = inside.sum(axis=1)
    # The corners inside come first.
    ordered = np.take_along_axis(tetrahedra, np.argsort(~inside, axis=1, kind="stable"), axis=1)

    def cut(rows: npt.NDArray[np.int64], i: int, j: int) -> Array:
        a, b = rows[:, i], rows[:, j]
        share = values[a] / (values[a] - values[b])
        return np.asarray(grid[a] + share[:, None] * (grid[b] - grid[a]))

    one, two, three = (ordered[count == k] for k in (1, 2, 3))
    return np.concatenate(
        [
            np.stack([cut(one, 0, 1), cut(one, 0, 2), cut(one, 0, 3)], axis=1),
            np.stack([cut(three, 0, 3), cut(three, 1, 3), cut(three, 2, 3)], axis=1),
            np.stack([cut(two, 0, 2), cut(two, 0, 3), cut(two, 1, 3)], axis=1),
            np.stack([cut(two, 0, 2), cut(two, 1, 3), cut(two, 1, 2)], axis=1),
        ]
    )
