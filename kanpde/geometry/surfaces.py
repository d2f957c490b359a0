"""Surfaces as pieces of a boundary: sides of boxes, spheres, triangles, and products of a shape with a box."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.geometry.piece import Piece, gauss, tensor


class Solid(Protocol):
    """What a product needs of the shape that it extends."""

    low: Array
    high: Array

    @property
    def measure(self) -> float: ...

    def contains(self, points: Array) -> npt.NDArray[np.bool_]: ...

    def quadrature(self, count: int) -> tuple[Array, Array]: ...

    def inside(self, points: Array) -> Array: ...


@dataclass(frozen=True)
class Side(Piece):
    """The box from low to high, which has no extent along `axis`; the normal points up this axis if `sign` is 1."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    axis: int
    sign: int = 1

    @property
    def axes(self) -> tuple[int, ...]:
        return (self.axis,)

    @property
    def measure(self) -> float:
        return float(np.prod(np.delete(np.subtract(self.high, self.low), self.axis)))

    @property
    def extent(self) -> tuple[Array, Array]:
        return np.array(self.low), np.array(self.high)

    def spread(self, unit: Array) -> Array:
        whole = np.insert(unit, self.axis, 0.0, axis=1)
        return np.asarray(np.array(self.low) * (1 - whole) + np.array(self.high) * whole)

    def quadrature(self, count: int) -> tuple[Array, Array]:
        each = per_axis(count, len(self.low) - 1)
        lines = [gauss(each, a, b) for a, b in zip(self.low, self.high, strict=True)]
        lines[self.axis] = (np.array([self.low[self.axis]]), np.ones(1))
        return tensor(*zip(*lines, strict=True))

    def normals(self, points: Tensor) -> Tensor:
        normal = points.new_zeros(points.shape[-1])
        normal[self.axis] = self.sign
        return normal.expand_as(points)

    def distance(self, points: Array) -> Array:
        return np.asarray(np.linalg.norm(points - np.clip(points, self.low, self.high), axis=1))


@dataclass(frozen=True)
class Sphere(Piece):
    """The points at a distance `radius` from `center`; the normal points away from the center if `sign` is 1."""

    center: tuple[float, float, float]
    radius: float
    sign: int = 1

    @property
    def axes(self) -> tuple[int, ...]:
        return (0, 1, 2)

    @property
    def measure(self) -> float:
        return 4 * math.pi * self.radius**2

    @property
    def extent(self) -> tuple[Array, Array]:
        return np.array(self.center) - self.radius, np.array(self.center) + self.radius

    def spread(self, unit: Array) -> Array:
        # By Archimedes' theorem, equal heights have equal areas.
        return self._at(2 * unit[:, 0] - 1, 2 * math.pi * unit[:, 1])

    def quadrature(self, count: int) -> tuple[Array, Array]:
        rings = per_axis(-(-count // 2), 2)
        heights, weights = gauss(rings)
        angles = math.pi * (np.arange(2 * rings) + 0.5) / rings
        nodes, weights = tensor([heights, angles], [weights, np.full(2 * rings, math.pi / rings)])
        return self._at(*nodes.T), weights * self.radius**2

    def _at(self, height: Array, angle: Array) -> Array:
        ring = np.sqrt(np.maximum(1 - height**2, 0.0))
        unit = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)
        return np.asarray(self.center + self.radius * unit)

    def normals(self, points: Tensor) -> Tensor:
        away = points - points.new_tensor(self.center)
        return torch.mul(away / away.norm(dim=-1, keepdim=True).clamp_min(1e-30), self.sign)

    def distance(self, points: Array) -> Array:
        return np.asarray(np.abs(np.linalg.norm(points - self.center, axis=1) - self.radius))


@dataclass(frozen=True)
class Swept(Piece):
    """The product of a shape's piece with the box from low to high."""

    base: Piece
    low: tuple[float, ...]
    high: tuple[float, ...]
    dimension: int  # of the shape
    sign: int = 1

    @property
    def axes(self) -> tuple[int, ...]:
        return self.base.axes

    @property
    def measure(self) -> float:
        return self.base.measure * float(np.prod(np.subtract(self.high, self.low)))

    def spread(self, unit: Array) -> Array:
        split = self.dimension - 1
        rest = np.array(self.low) * (1 - unit[:, split:]) + np.array(self.high) * unit[:, split:]
        return np.concatenate([self.base.spread(unit[:, :split]), rest], axis=1)

    def quadrature(self, count: int) -> tuple[Array, Array]:
        each = per_axis(count, self.dimension - 1 + len(self.low))
        points, weights = self.base.quadrature(each ** (self.dimension - 1))
        lines = [gauss(each, a, b) for a, b in zip(self.low, self.high, strict=True)]
        return tensor([points, *(line[0] for line in lines)], [weights, *(line[1] for line in lines)])

    def normals(self, points: Tensor) -> Tensor:
        inner = self.sign * self.base.normals(points[..., : self.dimension])
        return torch.cat([inner, points.new_zeros(*points.shape[:-1], len(self.low))], dim=-1)

    def distance(self, points: Array) -> Array:
        rest = points[:, self.dimension :]
        beyond = np.linalg.norm(rest - np.clip(rest, self.low, self.high), axis=1)
        return np.asarray(np.hypot(self.base.distance(points[:, : self.dimension]), beyond))


@dataclass(frozen=True)
class Cap(Piece):
    """The product of a shape with a piece of a box' boundary."""

    shape: Solid
    end: Piece
    sign: int = 1

    @property
    def _split(self) -> int:
        return len(self.shape.low)

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(self._split + axis for axis in self.end.axes)

    @property
    def measure(self) -> float:
        return self.shape.measure * self.end.measure

    def spread(self, unit: Array) -> Array:
        first = self.shape.low * (1 - unit[:, : self._split]) + self.shape.high * unit[:, : self._split]
        first[~self.shape.contains(first)] = np.nan
        return np.concatenate([first, self.end.spread(unit[:, self._split :])], axis=1)

    def quadrature(self, count: int) -> tuple[Array, Array]:
        further = sum(axis not in self.end.axes for axis in range(self._box_axes))
        each = per_axis(count, self._split + further)
        first, second = self.shape.quadrature(each**self._split), self.end.quadrature(each**further)
        return tensor([first[0], second[0]], [first[1], second[1]])

    @property
    def _box_axes(self) -> int:
        return int(self.end.quadrature(1)[0].shape[1])

    def normals(self, points: Tensor) -> Tensor:
        inner = self.sign * self.end.normals(points[..., self._split :])
        return torch.cat([points.new_zeros(*points.shape[:-1], self._split), inner], dim=-1)

    def distance(self, points: Array) -> Array:
        outside = np.maximum(self.shape.inside(points[:, : self._split]), 0.0)
        return np.asarray(np.hypot(outside, self.end.distance(points[:, self._split :])))


def per_axis(count: int, axes: int) -> int:
    """Return how many points along each axis make about `count`."""
    return max(1, math.ceil(count ** (1 / axes) - 1e-9)) if axes else 1
