"""Domains whose boundary is known piece by piece: their faces, normals and measures, and points on them."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.geometry.domain import Domain, Face
from kanpde.geometry.domain import face_points as points_of_face
from kanpde.geometry.piece import Piece, normals_at

Pieces = Mapping[str, tuple[Piece, ...]]

_ROUND_OFF = 64 * np.finfo(np.float64).eps  # of points on the boundary, relative to the coordinates


class Bounded(Domain):
    """A domain with a level that is negative inside, and with the smooth pieces of every face of its boundary."""

    @property
    @abstractmethod
    def pieces(self) -> Pieces:
        """The pieces of the boundary by the name of their face."""

    @abstractmethod
    def level(self, points: Tensor) -> Tensor:
        """Return the level (n,) of points (n, d): negative inside, zero on the boundary, about the distance near it."""

    @overload
    def inside(self, points: Tensor) -> Tensor: ...
    @overload
    def inside(self, points: Array) -> Array: ...
    def inside(self, points: Tensor | Array) -> Tensor | Array:
        """Return the level of points (..., d), NumPy in, NumPy out, torch in, torch out."""
        if isinstance(points, Tensor):
            return self.level(points)
        return np.asarray(self.level(torch.as_tensor(np.asarray(points, dtype=np.float64))).numpy())

    def contains(self, points: Array) -> npt.NDArray[np.bool_]:
        return np.asarray(self.inside(points) <= _ROUND_OFF * self.size)

    @property
    def size(self) -> float:
        """The largest coordinate or width, by which round-off is measured."""
        return float(max(np.abs(self.low).max(), np.abs(self.high).max(), (self.high - self.low).max()))

    # Faces -----------------------------------------------------------------------------------------------------------

    @property
    def faces(self) -> Mapping[str, Face]:
        return {
            name: Face(name, tuple(sorted({axis for piece in pieces for axis in piece.axes})))
            for name, pieces in self.pieces.items()
        }

    def face_measure(self, face: Face) -> float:
        return sum(self._measures[face.name])

    @functools.cached_property
    def _measures(self) -> dict[str, list[float]]:
        return {name: [piece.measure for piece in pieces] for name, pieces in self.pieces.items()}

    def on_face(self, face: Face, unit: Array) -> Array:
        pieces = self.pieces[face.name]
        if not unit.shape[1]:
            return np.concatenate([pieces[i % len(pieces)].spread(row[None]) for i, row in enumerate(unit)])
        if len(pieces) == 1:
            points = pieces[0].spread(unit)
            return points[np.isfinite(points).all(axis=1)]
        measures = np.array(self._measures[face.name])
        shares = np.concatenate([[0.0], np.cumsum(measures) / measures.sum()])
        which = np.searchsorted(shares[1:-1], unit[:, 0], side="right")
        place = np.clip((unit[:, 0] - shares[which]) / (shares[which + 1] - shares[which]), 0.0, 1.0)
        local = np.concatenate([place[:, None], unit[:, 1:]], axis=1)
        points = np.empty((len(unit), self.dimension))
        for i, piece in enumerate(pieces):
            points[which == i] = piece.spread(local[which == i])
        return points[np.isfinite(points).all(axis=1)]

    def normals(self, face: Face, points: Tensor) -> Tensor:
        pieces = self.pieces[face.name]
        if len(pieces) == 1:
            return pieces[0].normals(points)
        # A point of a face that has several pieces takes the normal of the nearest.
        at = points.detach().cpu().double().numpy()
        nearest = torch.as_tensor(
            np.stack([piece.distance(at) for piece in pieces]).argmin(axis=0), device=points.device
        )
        each = torch.stack([piece.normals(points) for piece in pieces])
        return each[nearest, torch.arange(len(points), device=points.device)]

    def face_points(self, on: str | Iterable[str], count: int) -> tuple[Array, Array, Array]:
        """Return about `count` points (n, d) on faces, outward unit normals (n, d), and quadrature weights (n,).

        On smooth closed curves it is the trapezoidal rule, on other curves Gauss' rule, on spheres their product.
        """
        names = [face.name for face in self.resolve(on)]
        pieces = [(piece, m) for n in names for piece, m in zip(self.pieces[n], self._measures[n], strict=True)]
        total = sum(measure for _, measure in pieces)
        found = [(piece, *piece.quadrature(max(1, round(count * measure / total)))) for piece, measure in pieces]
        normals = [normals_at(piece, points) for piece, points, _ in found]
        return np.concatenate([f[1] for f in found]), np.concatenate(normals), np.concatenate([f[2] for f in found])

    def sample_face(self, on: str | Iterable[str], count: int, seed: int = 0) -> tuple[Array, Array, Array]:
        """Return `count` quasi-random points (n, d) of each face, evenly by measure, normals (n, d), weights (n,)."""
        draw, found = sobol(seed), []
        for face in self.resolve(on):
            points = points_of_face(self, face, count, draw)
            normals = self.normals(face, torch.as_tensor(points)).numpy()
            found.append((points, normals, np.full(count, self.face_measure(face) / count)))
        points, normals, weights = (np.concatenate(each) for each in zip(*found, strict=True))
        return points, normals, weights


def sobol(seed: int) -> Callable[[int, int], Array]:
    """Return a source of scrambled Sobol' points."""
    # Imported here because scipy.stats is slow to import.
    from scipy.stats import qmc

    engines: dict[int, Any] = {}

    def draw(count: int, dimension: int) -> Array:
        if not dimension:
            return np.empty((count, 0))
        engine = engines.setdefault(dimension, qmc.Sobol(dimension, seed=seed))
        power = max(1, count - 1).bit_length()
        return np.asarray(engine.random_base2(power) if engine.num_generated == 0 else engine.random(count))[:count]

    return draw
