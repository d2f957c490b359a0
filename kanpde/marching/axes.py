"""One axis of a tensor product: the functions of one coordinate, local splines or Legendre polynomials."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.linalg import solve_triangular
from torch import Tensor

from kanpde.arrays import Array
from kanpde.calculus import splines
from kanpde.calculus.legendre import legendre
from kanpde.network.bspline import BSpline


@dataclass(frozen=True, eq=False)
class SplineAxis:
    """B-splines through breakpoints (n + 1,): n + k of them, or n where the axis is a circle."""

    breakpoints: Array
    degree: int
    periodic: bool = False

    @cached_property
    def basis(self) -> BSpline:
        """The same as edge functions of one input."""
        knots = (splines.periodic_knots if self.periodic else splines.clamped_knots)(self.breakpoints, self.degree)
        return BSpline(knots, self.degree, None, (self.periodic,))

    @property
    def intervals(self) -> int:
        return len(self.breakpoints) - 1

    @property
    def size(self) -> int:
        """How many functions there are."""
        return self.intervals if self.periodic else self.intervals + self.degree

    @property
    def nodes(self) -> int:
        """Gauss points for every interval; at three, terms with variable coefficients may vanish and grow between."""
        return max(4, math.ceil(1.5 * self.size / self.intervals))

    def local(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        """x (n,) -> columns (n, k+1) and values (n, orders, k+1)."""
        columns, values = self.basis.to(x.device).local(x[:, None], orders)
        return columns[0], values[0]


@dataclass(frozen=True, eq=False)
class LegendreAxis:
    """Polynomials on the one interval between two breakpoints."""

    breakpoints: Array
    degree: int

    @property
    def intervals(self) -> int:
        return 1

    @property
    def size(self) -> int:
        """How many functions there are."""
        return self.degree + 1

    @property
    def nodes(self) -> int:
        """Gauss points."""
        return self.degree + 3

    def local(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        """x (n,) -> columns (n, k+1) and values (n, orders, k+1)."""
        low, high = self.breakpoints
        columns = torch.arange(self.size, device=x.device).expand(len(x), -1)
        return columns, legendre(x, float(low), float(high), self.degree, orders)


Axis = SplineAxis | LegendreAxis


def gauss_points(axis: Axis) -> Array:
    """Gauss–Legendre points of every interval, one after the other, as shares of the axis in [0, 1]."""
    b = axis.breakpoints
    nodes = np.polynomial.legendre.leggauss(axis.nodes)[0]
    points = ((b[:-1] + b[1:]) / 2)[:, None] + np.diff(b)[:, None] / 2 * nodes
    return np.asarray((points.ravel() - b[0]) / (b[-1] - b[0]))


def gauss_weights(axis: Axis) -> Array:
    """Their weights, which sum to 1."""
    b = axis.breakpoints
    weights = np.polynomial.legendre.leggauss(axis.nodes)[1]
    return np.asarray((np.diff(b)[:, None] * weights).ravel() / (2 * (b[-1] - b[0])))


def design(axis: Axis, x: Array) -> Array:
    """All functions of the axis at x: (n, size)."""
    columns, values = axis.local(torch.as_tensor(x), 1)
    matrix = np.zeros((len(x), axis.size))
    np.add.at(matrix, (np.arange(len(x))[:, None], columns.numpy()), values[:, 0].numpy())
    return matrix


def transfer(old: Axis, new: Axis) -> Array:
    """(new size, old size): a function of the old axis fitted on the new one, exactly where it can be."""
    low, high = new.breakpoints[[0, -1]]
    places = low + (high - low) * gauss_points(new)
    orthonormal, triangle = np.linalg.qr(design(new, places))
    return np.asarray(solve_triangular(triangle, orthonormal.T @ design(old, places)))


def points_of(axis: Axis) -> Array:
    """The axis' Gauss points."""
    low, high = axis.breakpoints[[0, -1]]
    return np.asarray(low + (high - low) * gauss_points(axis))


def norm(axis: Axis, along: Array) -> float:
    """The root mean square of functions of one axis, (size, c)."""
    return float(np.linalg.norm(np.sqrt(gauss_weights(axis))[:, None] * (design(axis, points_of(axis)) @ along)))
