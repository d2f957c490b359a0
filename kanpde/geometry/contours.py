"""The zero lines of a level function in the plane, as smooth curves.

A line is traced on a grid, moved onto the zero of the function, and interpolated by a spline of degree 7 over its
length, with as many knots as round-off asks for.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.interpolate import make_interp_spline
from scipy.spatial import KDTree
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.geometry.curves import Curve, bisected
from kanpde.geometry.level_function import LevelFunction

_GRID = 256  # cells along every axis of the grid on which lines are found
_FINER, _DEPTH = 64, 5  # cells of the finer grids, and how often they are refined
_DEGREE = 7
_KNOTS = (48, 96, 192, 384, 768, 1536)  # numbers of knots that are tried
_ACCURACY = 1e-13  # of the spline, relative to the size of the line
_NODES = 1024  # among which the nearest to a point is looked for


@dataclass(frozen=True, eq=False)
class Contour(Curve):
    """A line f = 0 over the share s of its length, 0 ≤ s ≤ 1; the normal points to larger f if `sign` is 1."""

    function: LevelFunction
    spline: Any = field(repr=False)
    whole: bool  # True if the line ends where it starts
    start: float = 0.0
    end: float = 1.0
    sign: int = 1

    @property
    def period(self) -> float:  # type: ignore[override]
        return 1.0 if self.whole else math.inf

    def at(self, s: Array) -> Array:
        points = self._near(s)
        value, slope = self.function.slopes(points)
        square = (slope**2).sum(axis=1)
        # One step of Newton's method removes what interpolation left; where the function has no slope there is none.
        return np.asarray(points - (value / np.where(square > 0, square, np.inf))[:, None] * slope)

    def _near(self, s: Array) -> Array:
        return np.asarray(self.spline(np.mod(s, 1.0) if self.whole else s), dtype=np.float64)

    def velocity(self, s: Array) -> Array:
        return np.asarray(self._derivative(np.mod(s, 1.0) if self.whole else s), dtype=np.float64)

    @functools.cached_property
    def _derivative(self) -> Any:
        return self.spline.derivative()

    @functools.cached_property
    def _tree(self) -> Any:
        return KDTree(self.spline(np.linspace(0, 1, _NODES, endpoint=not self.whole)))

    def parameter(self, points: Array) -> Array:
        s = self._tree.query(points)[1] / (_NODES if self.whole else _NODES - 1)
        for _ in range(4):
            way = self.velocity(s)
            s = s - ((self._near(s) - points) * way).sum(axis=1) / (way**2).sum(axis=1)
            s = s if self.whole else np.clip(s, 0.0, 1.0)
        return np.asarray(self.start + np.mod(s - self.start, 1.0) if self.whole else np.maximum(s, self.start))

    def distance(self, points: Array) -> Array:
        if self.whole:
            return super().distance(points)
        return np.asarray(np.linalg.norm(self.at(np.minimum(self.parameter(points), self.end)) - points, axis=1))

    def level(self, points: Array) -> Array:
        return self.function.values(points)

    def turns(self, axis: int) -> Array:
        s = np.linspace(self.start, self.end, 2 * _NODES + 1)
        return bisected(lambda at: self.velocity(at)[:, axis], s, self.velocity(s)[:, axis])

    def normals(self, points: Tensor) -> Tensor:
        _, slope = self.function.gradient(points)
        return torch.mul(slope / slope.norm(dim=-1, keepdim=True).clamp_min(1e-30), self.sign)


def contours(function: LevelFunction, low: Array, high: Array) -> Iterator[Contour]:
    """Yield the lines on which the function vanishes in the box from low to high."""
    for line, cell in traced(function, low, high, _GRID):
        yield smoothed(function, line, low, high, cell)


def traced(
    function: LevelFunction, low: Array, high: Array, cells: int, depth: int = 0
) -> Iterator[tuple[Array, float]]:
    """Yield the polylines (n, 2) on which the function vanishes on a grid, and on finer ones where it nearly does, with
    the width of the grid's cells.

    A hole or an island between the nodes of a grid is looked for about nodes where the function is nearest to zero. In
    the finer grids there only closed lines count.
    """
    # Imported here because only implicit shapes need it.
    from contourpy import contour_generator

    x, y = (np.linspace(a, b, cells + 1) for a, b in zip(low, high, strict=True))
    grid = np.stack([column.ravel() for column in np.meshgrid(x, y, indexing="xy")], axis=1)
    values = function.values(grid).reshape(cells + 1, cells + 1)
    cell = float(((high - low) / cells).max())
    count = 0
    for line in contour_generator(x, y, np.ma.masked_invalid(values), line_type="Separate").lines(0.0):
        line = np.asarray(line, dtype=np.float64)
        keep = np.concatenate([[True], np.linalg.norm(np.diff(line, axis=0), axis=1) > 1e-9 * cell])
        line = line[keep]
        if len(line) > 2 and (depth == 0 or np.linalg.norm(line[0] - line[-1]) < 1e-9 * cell):
            count += 1
            yield line, cell
    if depth == _DEPTH or (depth and count):
        return
    known: list[Array] = []
    for node in grid[nearly_zero(values).ravel()]:
        if all(float(np.abs(node - other).max()) > 2 * cell for other in known):
            known.append(node)
            yield from traced(function, node - 2 * cell, node + 2 * cell, _FINER, depth + 1)


def nearly_zero(values: Array) -> npt.NDArray[np.bool_]:
    """Return the inner nodes (n, m) of a grid about which values of one sign come nearest to zero, and so near that
    they may reach it before the next nodes.
    """
    rows, columns = values.shape
    shifts = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    others = np.stack([values[i : rows - 2 + i, j : columns - 2 + j] for i, j in shifts])
    own = values[1:-1, 1:-1]
    alike = (np.sign(others) == np.sign(own)).all(axis=0)
    nearest = (np.abs(others) >= np.abs(own)).all(axis=0)
    near = np.abs(own) <= np.abs(others - own).max(axis=0)
    found = np.zeros(values.shape, dtype=bool)
    found[1:-1, 1:-1] = alike & nearest & near
    return found


def smoothed(function: LevelFunction, line: Array, low: Array, high: Array, cell: float) -> Contour:
    """Return the contour near a traced line (n, 2)."""
    whole = bool(np.linalg.norm(line[0] - line[-1]) < 1e-9 * cell)
    ends = None if whole else function.projected(line[[0, -1]], _along_border(line[[0, -1]], low, high), cell)
    points = _even_by_chords(line, _KNOTS[0], whole)
    size = float(np.abs(line).max())
    for knots in _KNOTS:
        for _ in range(3):
            points = function.projected(_even(points, knots, whole), reach=cell)
            if ends is not None:
                points[[0, -1]] = ends
        spline = _spline(points, whole)
        between = np.asarray(spline((np.arange(4 * knots) + 0.5) / (4 * knots)))
        value, slope = function.slopes(between)
        off = np.abs(value) / np.maximum(np.linalg.norm(slope, axis=1), 1e-300)
        if off.max() <= _ACCURACY * size:
            break
    return Contour(function, spline, whole)


def _along_border(ends: Array, low: Array, high: Array) -> Array:
    """Return the direction (n, 2) of the box' side on which each point lies."""
    gap = np.minimum(np.abs(ends - low), np.abs(ends - high)) / (high - low)
    return np.asarray(np.eye(2)[1 - gap.argmin(axis=1)])


def _spline(points: Array, whole: bool) -> Any:
    """Return the spline through points (n, 2) at even shares of the length; periodic for a whole line."""
    if whole:
        closed = np.concatenate([points, points[:1]])
        return make_interp_spline(np.linspace(0, 1, len(closed)), closed, k=_DEGREE, bc_type="periodic")
    return make_interp_spline(np.linspace(0, 1, len(points)), points, k=_DEGREE)


def _even(points: Array, count: int, whole: bool) -> Array:
    """Return `count` points at even shares of the length of the spline through points."""
    spline = _spline(points, whole)
    fine = np.linspace(0, 1, 4 * len(points) + 1)
    speed = make_interp_spline(fine, np.linalg.norm(spline.derivative()(fine), axis=1), k=_DEGREE)
    length = speed.antiderivative()
    wanted = length(1.0) * _shares(count, whole)
    s = np.interp(wanted, length(fine), fine)
    for _ in range(4):
        s = np.clip(s - (length(s) - wanted) / speed(s), 0.0, 1.0)
    return np.asarray(spline(s))


def _even_by_chords(line: Array, count: int, whole: bool) -> Array:
    """Return `count` points at even shares of the length of a polyline (n, 2); if whole, it ends where it starts."""
    chords = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    share = chords[-1] * _shares(count, whole)
    return np.stack([np.interp(share, chords, column) for column in line.T], axis=1)


def _shares(count: int, whole: bool) -> Array:
    return np.linspace(0, 1, count, endpoint=not whole)
