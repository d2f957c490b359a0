"""The axes of a tensor product: functions of one coordinate, either B-splines or Legendre polynomials."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.linalg import solve_triangular
from torch import Tensor

from kanpde.calculus import splines
from kanpde.calculus.arrays import Array
from kanpde.calculus.legendre import gauss_rule, legendre
from kanpde.network.bspline import BSpline

MANY_FUNCTIONS = 128  # functions from which a factor of their Gram matrix, which has far fewer rows, is used
KEPT = 8  # sets of points at which an axis keeps its functions
MANY_INTERVALS = 24  # intervals of a periodic axis from which two points of each are enough, or one if it is sparse
Known = dict[bytes, tuple[Tensor, Tensor]]


def kept(
    known: Known, x: Tensor, orders: int, local: Callable[[Tensor, int], tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """Return ``local(x, orders)``, and keep it in `known` among the last few results; on a GPU a key costs too much."""
    if x.device.type != "cpu":
        return local(x, orders)
    key = x.numpy().tobytes()
    if key not in known or known[key][1].shape[1] < orders:
        while len(known) >= KEPT:
            del known[next(iter(known))]
        known[key] = local(x, orders)
    columns, values = known[key]
    return columns, values[:, :orders]


@dataclass(frozen=True, eq=False)
class SplineAxis:
    """B-splines of degree k on breakpoints (n + 1,): n + k functions, or n if the axis is periodic.

    If it is `sparse`, its breakpoints are equidistant and its rows may have one point for each function.
    """

    breakpoints: Array
    degree: int
    periodic: bool = False
    sparse: bool = False

    @cached_property
    def basis(self) -> BSpline:
        """The same splines as edge functions of one input."""
        knots = (splines.periodic_knots if self.periodic else splines.clamped_knots)(self.breakpoints, self.degree)
        return BSpline(knots, self.degree, None, (self.periodic,))

    @cached_property
    def _known(self) -> Known:
        return {}

    @cached_property
    def root(self) -> Array:
        """R (r, size) with ‖R c‖² the mean over the axis of u², for functions u with coefficients c."""
        return root_of(self)

    @property
    def intervals(self) -> int:
        return len(self.breakpoints) - 1

    @property
    def size(self) -> int:
        """The number of functions."""
        return self.intervals if self.periodic else self.intervals + self.degree

    @property
    def nodes(self) -> int:
        """The number of Gauss points of each interval.

        It is at least four, because with three a residual with variable coefficients may vanish at the points and be
        large between them.
        """
        if self.periodic and self.intervals > MANY_INTERVALS:
            return 1 if self.sparse else 2
        return max(4, math.ceil(1.5 * self.size / self.intervals))

    def local(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        """Return the non-zero functions at x (n,): their indices (n, k+1) and derivatives (n, orders, k+1).

        The last few results are kept, because every attempt on the same axis has the same points.
        """
        return kept(self._known, x, orders, self._local)

    def _local(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        if x.device not in self._copies:
            self._copies[x.device] = copy.deepcopy(self.basis).to(x.device)
        columns, values = self._copies[x.device].local(x[:, None], orders)
        return columns[0], values[0]

    @cached_property
    def _copies(self) -> dict[torch.device, BSpline]:
        """The basis on every device that asked for it, because the march uses it on two in turns."""
        return {self.basis.knots.device: self.basis}


@dataclass(frozen=True, eq=False)
class StillAxis(SplineAxis):
    """The splines of an axis that vanish at both ends: all but the first and the last B-spline."""

    @property
    def size(self) -> int:
        return super().size - 2

    def _local(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        columns, values = super()._local(x, orders)
        inside = (columns > 0) & (columns <= self.size)
        return (columns - 1).clamp(0, self.size - 1), values * inside[:, None]


@dataclass(frozen=True, eq=False)
class LegendreAxis:
    """Legendre polynomials up to degree k on one interval, between two breakpoints."""

    breakpoints: Array
    degree: int

    @property
    def intervals(self) -> int:
        return 1

    @property
    def size(self) -> int:
        """The number of functions."""
        return self.degree + 1

    @property
    def nodes(self) -> int:
        """The number of Gauss points of the interval."""
        return self.degree + 3

    def local(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        """Return all functions at x (n,): their indices (n, k+1) and derivatives (n, orders, k+1).

        The last few results are kept.
        """
        return kept(self._known, x, orders, self._local)

    @cached_property
    def _known(self) -> Known:
        return {}

    @cached_property
    def root(self) -> Array:
        """R (r, size) with ‖R c‖² the mean over the axis of u², for functions u with coefficients c."""
        return root_of(self)

    def _local(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        low, high = self.breakpoints
        columns = torch.arange(self.size, device=x.device).expand(len(x), -1)
        return columns, legendre(x, float(low), float(high), self.degree, orders)


Axis = SplineAxis | LegendreAxis


def gauss_points(axis: Axis, nodes_each: int | None = None) -> Array:
    """Return the Gauss–Legendre points of all intervals in order, scaled to [0, 1], (n,); the axis has a number.

    A single point of each interval is the one about which splines are symmetric, so that no wave vanishes at all.
    """
    b = axis.breakpoints
    count = nodes_each or axis.nodes
    nodes = gauss_rule(count)[0]
    if count == 1 and axis.degree % 2:
        nodes = nodes - 1.0
    points = ((b[:-1] + b[1:]) / 2)[:, None] + np.diff(b)[:, None] / 2 * nodes
    return np.asarray((points.ravel() - b[0]) / (b[-1] - b[0]))


def gauss_weights(axis: Axis, nodes_each: int | None = None) -> Array:
    """Return the weights of the Gauss points, (n,), which sum to 1."""
    b = axis.breakpoints
    weights = gauss_rule(nodes_each or axis.nodes)[1]
    return np.asarray((np.diff(b)[:, None] * weights).ravel() / (2 * (b[-1] - b[0])))


def design(axis: Axis, x: Array) -> Array:
    """Return the values of all functions of the axis at x (n,), (n, size)."""
    return design_of(axis, x, 1)[:, 0]


def design_of(axis: Axis, x: Array, orders: int) -> Array:
    """Return the derivatives 0 … orders − 1 of all functions of the axis at x (n,), (n, orders, size)."""
    columns, values = axis.local(torch.as_tensor(x), orders)
    return dense(columns, values, axis.size).numpy()


def dense(columns: Tensor, values: Tensor, size: int) -> Tensor:
    """Return the values (n, orders, k) of the functions with the indices `columns` (n, k) among all `size` functions.

    They are added because the columns of a periodic axis may coincide.
    """
    found = values.new_zeros(*values.shape[:2], size)
    return found.scatter_add_(2, columns[:, None].expand_as(values), values)


def sparse_designs(axis: Axis, x: Array, orders: int) -> list[Any]:
    """Return the sparse matrices (n, size) of the functions' derivatives below `orders` at x (n,)."""
    columns, values = axis.local(torch.as_tensor(x), orders)
    places = np.repeat(np.arange(len(x)), columns.shape[1]), columns.numpy().ravel()
    return [sparse.csr_matrix((values[:, m].numpy().ravel(), places), shape=(len(x), axis.size)) for m in range(orders)]


def root_of(axis: Axis) -> Array:
    """Return the values at the Gauss points times the roots of the weights, or a factor of their Gram matrix."""
    roots = np.sqrt(gauss_weights(axis))
    if axis.size <= MANY_FUNCTIONS:
        return design(axis, points_of(axis)) * roots[:, None]
    weighted = sparse.diags(roots) @ sparse_designs(axis, points_of(axis), 1)[0]
    return np.asarray(np.linalg.cholesky((weighted.T @ weighted).toarray()).T)


def transfer_matrix(old: Axis, new: Axis) -> Array:
    """Return the matrix (new size, old size) of the least-squares fit of the old axis's functions by the new one's.

    The fit is exact if the new functions contain the old ones.
    """
    points = points_of(new)
    orthonormal, triangle = np.linalg.qr(design(new, points))
    return np.asarray(solve_triangular(triangle, orthonormal.T @ design(old, points)))


def points_of(axis: Axis) -> Array:
    """Return the axis's Gauss points, (n,)."""
    low, high = axis.breakpoints[[0, -1]]
    return np.asarray(low + (high - low) * gauss_points(axis))


def norm(axis: Axis, along: Array) -> float:
    """Return the root of the mean over the axis of Σ_c u_c², for functions with coefficients `along` (size, c)."""
    return float(np.linalg.norm(axis.root @ along))
