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
_NEIGHBOURS = 24  # parts of triangles with the nearest middles, among which the nearest is looked for
_PARTS, _HALVINGS = 24, 16  # parts of triangles are halved until they are shorter than this share of the surface
_CHUNK = 16384  # points looked at together


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

    @property
    def volume(self) -> float:
        """The volume within, if the surface is closed; negative if the normals point inwards."""
        a, b, c = np.moveaxis(self.corners, 1, 0)
        return float((a * np.cross(b, c)).sum() / 6)

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
        found = [self._nearest(part) for part in np.array_split(points, max(1, len(points) // _CHUNK))]
        return tuple(np.concatenate(each) for each in zip(*found, strict=True))  # type: ignore[return-value]

    def _nearest(self, points: Array) -> tuple[Index, Array]:
        near = self._around(points)
        distances = np.linalg.norm(points[:, None] - closest(points, self.corners[near])[0], axis=-1)
        rows, best = np.arange(len(points)), distances.argmin(axis=1)
        return near[rows, best], distances[rows, best]

    def signed_distance(self, points: Array) -> Array:
        """Return the distance of points (n, 3), negative inside the closed surface, by pseudo-normals.

        On an edge or at a corner the normals of the triangles around it are added, each times its angle there.
        Bærentzen and Aanæs, IEEE Trans. Vis. Comput. Graph. 11 (2005) 243.
        """
        found = [self._signed(part) for part in np.array_split(points, max(1, len(points) // _CHUNK))]
        return np.concatenate(found)

    def _signed(self, points: Array) -> Array:
        near = self._around(points)
        feet, angles = closest(points, self.corners[near])
        away = points[:, None] - feet
        distances = np.linalg.norm(away, axis=-1)
        least = distances.min(axis=1)
        # A triangle that occurs twice among the neighbours counts once.
        order = np.argsort(near, axis=1, kind="stable")
        ordered = np.take_along_axis(near, order, axis=1)
        again = np.zeros_like(near, dtype=bool)
        np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
        nearest = (distances <= least[:, None] + 1e-10 * np.abs(self.corners).max()) & ~again
        normal = ((angles * nearest)[..., None] * self.units[near]).sum(axis=1)
        foot = away[np.arange(len(points)), distances.argmin(axis=1)]
        return np.asarray(np.where((foot * normal).sum(axis=1) < 0, -least, least))

    def _around(self, points: Array) -> Index:
        """Return the triangles (n, k) with a part that is among the nearest to each point."""
        tree, owners = self._tree
        count = min(_NEIGHBOURS, len(owners))
        return np.asarray(owners[tree.query(points, k=count)[1].reshape(len(points), count)])

    @functools.cached_property
    def _tree(self) -> tuple[KDTree, Index]:
        """The middles of small parts of the triangles, and the number of each part's triangle."""
        parts, owners = self.corners, np.arange(len(self.corners))
        limit = float(np.linalg.norm(np.subtract(*self.extent))) / _PARTS
        for _ in range(_HALVINGS):
            edges = np.linalg.norm(parts - np.roll(parts, -1, axis=1), axis=-1)
            long = edges.max(axis=1) > limit
            if not long.any():
                break
            halves = _halved(parts[long], edges[long].argmax(axis=1))
            parts = np.concatenate([parts[~long], *halves])
            owners = np.concatenate([owners[~long], owners[long], owners[long]])
        return KDTree(parts.mean(axis=1)), owners


def _halved(corners: Array, edge: Index) -> tuple[Array, Array]:
    """Return the two halves of triangles (n, 3, 3), whose edges from corner `edge` to the next are cut."""
    rows = np.arange(len(corners))
    first, second, third = (corners[rows, (edge + k) % 3] for k in range(3))
    middle = (first + second) / 2
    return np.stack([first, middle, third], axis=1), np.stack([middle, second, third], axis=1)


def closest(points: Array, corners: Array) -> tuple[Array, Array]:
    """Return the nearest points (n, k, 3) of triangles (n, k, 3, 3) to points (n, 3), and the triangles' angles there.

    The angle (n, k) is 2π within a triangle, π on an edge, and that of the corner at a corner.
    """
    a = corners[..., 0, :]
    at = points[:, None]
    normal = np.cross(corners[..., 1, :] - a, corners[..., 2, :] - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-300)
    best = at - ((at - a) * normal).sum(-1, keepdims=True) * normal
    inside = np.ones(corners.shape[:2], dtype=bool)
    angle = np.full(corners.shape[:2], 2 * np.pi)
    least = np.full(corners.shape[:2], np.inf)
    for k in range(3):
        first, second, third = (corners[..., (k + j) % 3, :] for j in range(3))
        along = second - first
        inside &= ((at - first) * np.cross(normal, along)).sum(-1) >= 0
    for k in range(3):
        first, second, third = (corners[..., (k + j) % 3, :] for j in range(3))
        along = second - first
        share = np.clip(((at - first) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-300), 0, 1)
        foot = first + share[..., None] * along
        distance = np.linalg.norm(at - foot, axis=-1)
        nearer = ~inside & (distance < least)
        least = np.where(nearer, distance, least)
        best = np.where(nearer[..., None], foot, best)
        corner = np.where(share <= 0, _angle(first, second, third), _angle(second, third, first))
        angle = np.where(nearer, np.where((share <= 0) | (share >= 1), corner, np.pi), angle)
    return best, angle


def _angle(corner: Array, one: Array, other: Array) -> Array:
    """Return the angle at a corner between the ways to two points."""
    a, b = one - corner, other - corner
    return np.asarray(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1)))
