"""Plane curves as pieces of a boundary: segments and arcs of ellipses, cut where they cross to round-off.

A closed curve is integrated by the trapezoidal rule, which converges faster than any power of the number of points; an
open one by Gauss' rule.
"""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.geometry.piece import Piece, Test, gauss, normals_at

_SAMPLES = 512  # of a curve, among which crossings are found
_TABLE = 2048  # of the length along a curve
_TOLERANCE = 1e-12  # of points on a curve, relative to its coordinates
TURN = 2 * math.pi


class Curve(Piece):
    """γ(s) for start ≤ s ≤ end; closed if its parameter covers a whole period."""

    start: float
    end: float
    period: float  # of the parameter; infinite if the curve cannot be closed

    @property
    def axes(self) -> tuple[int, ...]:
        return (0, 1)

    @property
    def closed(self) -> bool:
        """True if the curve ends where it starts."""
        return self.end - self.start >= self.period * (1 - 1e-14)

    @abstractmethod
    def at(self, s: Array) -> Array:
        """Return the points γ(s), (n, 2)."""

    @abstractmethod
    def velocity(self, s: Array) -> Array:
        """Return γ'(s), (n, 2)."""

    @abstractmethod
    def parameter(self, points: Array) -> Array:
        """Return the parameters, from start on, of the nearest points of the curve without ends; nearly, if curved."""

    @abstractmethod
    def level(self, points: Array) -> Array:
        """Return a function (n,) of the plane that vanishes on the curve, with a slope of about 1 across it."""

    @abstractmethod
    def turns(self, axis: int) -> Array:
        """Return the parameters between start and end at which the curve is perpendicular to an axis."""

    def between(self, start: float, end: float, sign: int) -> Curve:
        """Return the part between two parameters, its sign multiplied."""
        return cast(Curve, replace(cast(Any, self), start=start, end=end, sign=self.sign * sign))

    @property
    def ends(self) -> Array:
        """The first and the last point (2, 2); (0, 2) of a closed curve."""
        return np.empty((0, 2)) if self.closed else self.at(np.array([self.start, self.end]))

    @property
    def extent(self) -> tuple[Array, Array]:
        """The corners of the bounding box."""
        points = self.at(np.concatenate([[self.start, self.end], self.turns(0), self.turns(1)]))
        return points.min(axis=0), points.max(axis=0)

    def distance(self, points: Array) -> Array:
        s = self.parameter(points)
        # Beyond the end, the nearer of the two ends is nearest.
        beyond = s > self.end
        past, before = s - self.end, self.start + self.period - s
        s = np.where(beyond, np.where(past <= before, self.end, self.start), s)
        return np.asarray(np.linalg.norm(self.at(s) - points, axis=1))

    @property
    def measure(self) -> float:
        return float(self._lengths[-1])

    @functools.cached_property
    def _table(self) -> Array:
        return np.linspace(self.start, self.end, _TABLE + 1)

    @functools.cached_property
    def _lengths(self) -> Array:
        """The length from the start to every parameter of the table."""
        nodes, weights = np.polynomial.legendre.leggauss(8)
        half = np.diff(self._table)[:, None] / 2
        speeds = self.speed((self._table[:-1, None] + half * (1 + nodes)).ravel()).reshape(_TABLE, -1)
        return np.concatenate([[0.0], np.cumsum((half * weights * speeds).sum(axis=1))])

    def speed(self, s: Array) -> Array:
        """Return |γ'(s)|."""
        return np.asarray(np.linalg.norm(self.velocity(s), axis=1))

    def spread(self, unit: Array) -> Array:
        return self.at(np.interp(unit[:, 0] * self._lengths[-1], self._lengths, self._table))

    def quadrature(self, count: int) -> tuple[Array, Array]:
        if self.closed:
            s = self.start + (np.arange(count) + 0.5) * (self.end - self.start) / count
            weights = np.full(count, (self.end - self.start) / count)
        else:
            s, weights = gauss(count, self.start, self.end)
        return self.at(s), weights * self.speed(s)

    def crossings(self, other: Curve) -> Array:
        """Return the parameters at which the other curve crosses this one, or ends on it."""
        s = np.linspace(self.start, self.end, _SAMPLES + 1)
        near = _TOLERANCE * max(1e-300, float(np.abs(self.at(s)).max()))

        def height(parameters: Array) -> Array:
            return other.level(self.at(parameters))

        values = height(s)
        values[np.abs(values) <= near] = 0.0
        roots = bisected(height, s, values)
        roots = roots[other.distance(self.at(roots)) <= 1e3 * near]
        ends = other.ends
        ends = self.parameter(ends[self.distance(ends) <= 1e3 * near]) if len(ends) else np.empty(0)
        return np.concatenate([roots, ends])

    def kept(self, test: Test, others: Sequence[Piece]) -> Iterator[Piece]:
        cuts = [self.crossings(other) for other in others if isinstance(other, Curve)]
        parts = self._signed(np.concatenate([*cuts, np.empty(0)]), test)
        if self.closed and len(parts) > 1 and parts[0][2] == parts[-1][2]:
            first = parts.pop(0)
            parts[-1] = (parts[-1][0], first[1] + self.period, first[2])
        for start, end, sign in parts:
            if sign:
                yield self.between(start, end, sign)

    def _signed(self, cuts: Array, test: Test) -> list[tuple[float, float, int]]:
        """Return the intervals between cuts as (start, end, sign), neighbours of the same sign joined."""
        span = self.end - self.start
        inner = np.sort(cuts)
        inner = inner[(inner > self.start + 1e-12 * span) & (inner < self.end - 1e-12 * span)]
        edges = np.concatenate([[self.start], inner, [self.end]])
        edges = edges[np.concatenate([[True], np.diff(edges) > 1e-12 * span])]
        middles = self.at((edges[:-1] + edges[1:]) / 2)
        parts: list[tuple[float, float, int]] = []
        for start, end, sign in zip(edges, edges[1:], test(middles, normals_at(self, middles)), strict=False):
            if parts and parts[-1][2] == sign:
                parts[-1] = (parts[-1][0], float(end), int(sign))
            else:
                parts.append((float(start), float(end), int(sign)))
        return parts


@dataclass(frozen=True)
class Segment(Curve):
    """(1 - s) first + s second; the normal points to the right of the way from first to second."""

    first: tuple[float, float]
    second: tuple[float, float]
    start: float = 0.0
    end: float = 1.0
    sign: int = 1

    @property
    def period(self) -> float:  # type: ignore[override]
        return math.inf

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(axis for axis in (0, 1) if self._across[axis])

    @functools.cached_property
    def _along(self) -> Array:
        return np.subtract(self.second, self.first)

    @functools.cached_property
    def _across(self) -> Array:
        along = self._along
        return np.array([along[1], -along[0]]) / math.hypot(*along)

    def at(self, s: Array) -> Array:
        return np.asarray(np.array(self.first) * (1 - s[:, None]) + np.array(self.second) * s[:, None])

    def velocity(self, s: Array) -> Array:
        return np.broadcast_to(self._along, (len(s), 2))

    def spread(self, unit: Array) -> Array:
        return self.at(self.start + (self.end - self.start) * unit[:, 0])  # the speed is constant

    def parameter(self, points: Array) -> Array:
        s = (points - self.first) @ self._along / (self._along @ self._along)
        return np.maximum(s, self.start)

    def distance(self, points: Array) -> Array:
        s = np.minimum(self.parameter(points), self.end)
        return np.asarray(np.linalg.norm(self.at(s) - points, axis=1))

    def level(self, points: Array) -> Array:
        return np.asarray((points - self.first) @ self._across)

    def turns(self, axis: int) -> Array:
        return np.empty(0)

    def normals(self, points: Tensor) -> Tensor:
        return points.new_tensor((self.sign * self._across).tolist()).expand_as(points)


@dataclass(frozen=True)
class Arc(Curve):
    """center + (a cos s, b sin s) with radii (a, b); the normal points away from the center."""

    center: tuple[float, float]
    radii: tuple[float, float]
    start: float = 0.0
    end: float = TURN
    sign: int = 1

    @property
    def period(self) -> float:  # type: ignore[override]
        return TURN

    def at(self, s: Array) -> Array:
        return np.asarray(self.center + np.array(self.radii) * np.stack([np.cos(s), np.sin(s)], axis=1))

    def velocity(self, s: Array) -> Array:
        return np.asarray(np.array(self.radii) * np.stack([-np.sin(s), np.cos(s)], axis=1))

    def parameter(self, points: Array) -> Array:
        x, y = ((points - self.center) / self.radii).T
        return np.asarray(self.start + np.mod(np.arctan2(y, x) - self.start, TURN))

    def distance(self, points: Array) -> Array:
        if self.closed and self.radii[0] == self.radii[1]:
            return np.asarray(np.abs(np.linalg.norm(points - self.center, axis=1) - self.radii[0]))
        return super().distance(points)

    def level(self, points: Array) -> Array:
        scaled = np.linalg.norm((points - self.center) / self.radii, axis=1)
        return np.asarray((scaled - 1) * min(self.radii))

    def turns(self, axis: int) -> Array:
        quarter = math.pi / 2
        first = math.ceil((self.start / quarter - axis) / 2) * 2 + axis
        found = quarter * np.arange(first, math.floor(self.end / quarter) + 1, 2)
        return np.asarray(found[(found > self.start) & (found < self.end)])

    def normals(self, points: Tensor) -> Tensor:
        slope = (points - points.new_tensor(self.center)) / points.new_tensor(self.radii).square()
        return torch.mul(slope / slope.norm(dim=-1, keepdim=True).clamp_min(1e-30), self.sign)


def bisected(function: Any, s: Array, values: Array) -> Array:
    """Return the roots of a function (n,) -> (n,) among samples s with these values, to round-off.

    A sample with the value 0 is a root if its neighbours have opposite signs.
    """
    signs = np.sign(values)
    exact = np.flatnonzero((signs[1:-1] == 0) & (signs[:-2] * signs[2:] < 0)) + 1
    brackets = np.flatnonzero(signs[:-1] * signs[1:] < 0)
    low, high, sign = s[brackets], s[brackets + 1], signs[brackets]
    for _ in range(60 if len(brackets) else 0):
        middle = (low + high) / 2
        below = np.sign(function(middle)) == sign
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.concatenate([s[exact], (low + high) / 2])
