"""Polygons."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.errors import ProblemError
from kanpde.geometry.boundary import Pieces
from kanpde.geometry.curves import Segment
from kanpde.geometry.names import coordinates_of, face_name, fixed, point, shown
from kanpde.geometry.shape import Shape


class Polygon(Shape):
    """The polygon with these vertices, anticlockwise or clockwise.

    Its faces are "side1" from the first vertex to the second, "side2" …, and "sides" means all of them; with a `name`
    they are NAME1, NAME2 …, and NAME means all. Raises ProblemError if the polygon crosses or touches itself.
    """

    def __init__(
        self,
        vertices: Iterable[Sequence[float]],
        *,
        coordinates: Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        self.names, self.name = coordinates_of(coordinates, 2, "Polygon"), face_name(name, "Polygon")
        if isinstance(vertices, str) or not isinstance(vertices, Iterable):
            raise ProblemError(f"Polygon expects a list of vertices such as (0, 1), got {vertices!r}")
        self.vertices = fixed([point(vertex, 2, "a vertex of Polygon") for vertex in vertices])
        if len(self.vertices) < 3:
            raise ProblemError(f"Polygon expects at least 3 vertices, got {len(self.vertices)}")
        self._check()
        self.low, self.high = fixed(self.vertices.min(axis=0)), fixed(self.vertices.max(axis=0))

    @property
    def _nexts(self) -> Array:
        return np.roll(self.vertices, -1, axis=0)

    @property
    def _area(self) -> float:
        """The area, negative if the vertices are clockwise."""
        first, second = self.vertices - self.vertices[0], self._nexts - self.vertices[0]
        return float(np.sum(first[:, 0] * second[:, 1] - second[:, 0] * first[:, 1]) / 2)

    def _check(self) -> None:
        """Raise ProblemError if sides that are not neighbours meet, or neighbours meet in more than their vertex."""
        near = 1e-12 * float(np.abs(self.vertices).max())
        same = np.flatnonzero(np.linalg.norm(self._nexts - self.vertices, axis=1) <= near)
        if len(same):
            twice = shown(self.vertices[same[0]])
            raise ProblemError(f"Polygon expects different neighbours, got the vertex {twice} twice; leave one out")
        for i in range(len(self.vertices)):
            if self._touched(i, self._side(i, 1), near):
                name = f"{self.name or 'side'}{i + 1}"
                raise ProblemError(f"Polygon expects sides that do not cross, got {name} across another; reorder them")

    def _touched(self, i: int, side: Segment, near: float) -> bool:
        """Return whether another vertex lies on side i, or another side crosses it."""
        count = len(self.vertices)
        others = np.array([j for j in range(count) if j not in (i, (i + 1) % count)])
        if (side.distance(self.vertices[others]) <= near).any():
            return True
        apart = [j for j in range(count) if j not in (i, (i + 1) % count, (i - 1) % count)]
        a, b = self.vertices[apart], self._nexts[apart]
        here = side.level(a) * side.level(b)
        there = [self._side(j, 1).level(np.stack([self.vertices[i], self._nexts[i]])).prod() for j in apart]
        return bool(((here < 0) & (np.array(there) < 0)).any()) if apart else False

    def _side(self, i: int, sign: int) -> Segment:
        (x0, y0), (x1, y1) = self.vertices[i].tolist(), self._nexts[i].tolist()
        return Segment((x0, y0), (x1, y1), sign=sign)

    @functools.cached_property
    def pieces(self) -> Pieces:
        sign = 1 if self._area > 0 else -1
        return {f"{self.name or 'side'}{i + 1}": (self._side(i, sign),) for i in range(len(self.vertices))}

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """All sides."""
        return {self.name or "sides": tuple(self.pieces)}

    def level(self, points: Tensor) -> Tensor:
        """Return the signed distance."""
        distance, odd = points.new_full(points.shape[:-1], math.inf), torch.zeros_like(points[..., 0], dtype=torch.bool)
        for first, along in zip(self.vertices.tolist(), (self._nexts - self.vertices).tolist(), strict=True):
            x, y = (points[..., a] - first[a] for a in (0, 1))
            share = ((x * along[0] + y * along[1]) / (along[0] ** 2 + along[1] ** 2)).clamp(0, 1)
            away = torch.stack([x - share * along[0], y - share * along[1]], dim=-1)
            distance = torch.minimum(distance, away.norm(dim=-1))
            # A ray to the right crosses the boundary an odd number of times from inside.
            left = (y >= 0) != (y - along[1] >= 0)
            odd = odd ^ (left & (x - y * (along[0] / (along[1] or 1.0)) < 0))
        return torch.where(odd, -distance, distance)

    @property
    def measure(self) -> float:
        return abs(self._area)

    @property
    def key(self) -> tuple[Any, ...]:
        return tuple(map(tuple, self.vertices.tolist())), self.name

    def __repr__(self) -> str:
        first = ", ".join(shown(vertex) for vertex in self.vertices[:4])
        return f"Polygon([{first}{', …' if len(self.vertices) > 4 else ''}])"
