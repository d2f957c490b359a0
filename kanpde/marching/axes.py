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
from kanpde.calculus.legendre import gauss_rule, legendre, legendre_at_gauss_points
from kanpde.calculus.local_splines import LocalSplines
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
class FunctionsOfOne:
    """Functions of one coordinate on breakpoints (n + 1,), of a degree, with what is computed of them once."""

    breakpoints: Array
    degree: int

    @property
    def intervals(self) -> int:
        return len(self.breakpoints) - 1

    @property
    def size(self) -> int:
        """The number of functions."""
        raise NotImplementedError

    @property
    def nodes(self) -> int:
        """The number of Gauss points of each interval."""
        raise NotImplementedError

    def local(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        """Return the non-zero functions at x (n,): their indices (n, k+1) and derivatives (n, orders, k+1).

        The last few results are kept, because every attempt on the same axis has the same points.
        """
        if len(x) == 1 and x.device.type == "cpu" and float(x) in (ends := self.breakpoints[[0, -1]]):
            columns, values = kept(self._known, torch.from_numpy(ends), orders, self._local)
            this = slice(0, 1) if float(x) == ends[0] else slice(1, 2)
            return columns[this], values[this]
        return kept(self._known, x, orders, self._local)

    def _local(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    @cached_property
    def _known(self) -> Known:
        return {}

    @cached_property
    def lines(self) -> dict[bytes, Any]:
        """The functions at the last few sets of points on a line, with their products: see `Line`."""
        return {}

    @cached_property
    def unit_points(self) -> Array:
        """The Gauss–Legendre points of all intervals in order, scaled to [0, 1], (n,): shared, not to be written."""
        return gauss_points_of(self, self.nodes)

    @cached_property
    def points(self) -> Array:
        """The same in the coordinate of the axis."""
        low, high = self.breakpoints[[0, -1]]
        return np.asarray(low + (high - low) * self.unit_points)

    @cached_property
    def weights(self) -> Array:
        """The weights of the Gauss points, (n,), which sum to 1: shared, not to be written."""
        return gauss_weights_of(self, self.nodes)

    @cached_property
    def root(self) -> Array:
        """R (r, size) with ‖R c‖² the mean over the axis of u², for functions u with coefficients c."""
        roots = np.sqrt(self.weights)
        if self.size <= MANY_FUNCTIONS:
            return self.design(self.points) * roots[:, None]
        weighted = sparse.diags(roots) @ sparse_designs(self, self.points, 1)[0]
        return np.asarray(np.linalg.cholesky((weighted.T @ weighted).toarray()).T)

    def design(self, x: Array) -> Array:
        """Return the values of all functions at x (n,), (n, size), not to be written: those at its points are kept."""
        return self._own if x is self.points and self.size <= MANY_FUNCTIONS else design_of(self, x, 1)[:, 0]

    @cached_property
    def _own(self) -> Array:
        """The values of all functions at the axis's points, (n, size)."""
        return design_of(self, self.points, 1)[:, 0]

    def fit(self, values: Array) -> Array:
        """Return the coefficients (size, r) of the least-squares fit to values (n, r) at the Gauss points.

        The squares have the points' weights, so that it is the fit in the mean over the axis.
        """
        orthonormal, triangle = self.factors
        return np.asarray(solve_triangular(triangle, orthonormal.T @ values, check_finite=False))

    @cached_property
    def factors(self) -> tuple[Array, Array]:
        """The orthonormal factor of the functions' values at the Gauss points times roots of the weights, once more
        times these, and the triangular factor.
        """
        roots = np.sqrt(self.weights)[:, None]
        # NumPy's factors of it have three times the rounding errors of torch's.
        orthonormal, triangle = torch.linalg.qr(torch.from_numpy(roots * self.design(self.points)))
        return np.asarray(roots * orthonormal.numpy()), np.asarray(triangle.numpy())


@dataclass(frozen=True, eq=False)
class SplineAxis(FunctionsOfOne):
    """B-splines of degree k on breakpoints (n + 1,): n + k functions, or n if the axis is periodic.

    If it is `sparse`, its breakpoints are equidistant and its rows may have one point for each function.
    """

    periodic: bool = False
    sparse: bool = False

    @cached_property
    def basis(self) -> BSpline:
        """The same splines as edge functions of one input."""
        knots = splines.knots_on(self.breakpoints, self.degree, periodic=self.periodic)
        return BSpline(knots, self.degree, None, (self.periodic,))

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

    def _local(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        if x.device.type == "cpu":
            return self._splines.at(x.numpy(), orders)
        if x.device not in self._copies:
            self._copies[x.device] = copy.deepcopy(self.basis).to(x.device)
        columns, values = self._copies[x.device].local(x[:, None], orders)
        return columns[0], values[0]

    @property
    def pieces(self) -> Array:
        """The polynomials of the splines on every interval, (n, k+1 powers, k+1 splines): not to be written."""
        return self._splines.pieces

    @cached_property
    def _splines(self) -> LocalSplines:
        return LocalSplines(self.breakpoints, self.degree, periodic=self.periodic)

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
class LegendreAxis(FunctionsOfOne):
    """Legendre polynomials up to degree k on one interval, between two breakpoints."""

    @property
    def size(self) -> int:
        """The number of functions."""
        return self.degree + 1

    @property
    def nodes(self) -> int:
        """The number of Gauss points of the interval."""
        return self.degree + 3

    def _local(self, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        low, high = self.breakpoints.tolist()
        columns = torch.arange(self.size, device=x.device).expand(len(x), -1)
        if x.device.type == "cpu" and np.array_equal(x.numpy(), self.points):
            scales = (2 / (high - low)) ** torch.arange(orders, dtype=x.dtype)
            return columns, legendre_at_gauss_points(self.degree, self.nodes, orders) * scales[:, None]
        return columns, legendre(x, low, high, self.degree, orders)

    def fit(self, values: Array) -> Array:
        """Return the coefficients (size, r) of the best fit to values (n, r) at the Gauss points.

        The polynomials are orthonormal in the sums with the points' weights.
        """
        return np.asarray((self.design(self.points) * self.weights[:, None]).T @ values)


Axis = SplineAxis | LegendreAxis


def gauss_points(axis: Axis, nodes_each: int | None = None) -> Array:
    """Return the Gauss–Legendre points of all intervals in order, scaled to [0, 1], (n,); the axis has a number."""
    return axis.unit_points if nodes_each in (None, axis.nodes) else gauss_points_of(axis, nodes_each or axis.nodes)


def gauss_points_of(axis: FunctionsOfOne, count: int) -> Array:
    """Return the same with `count` points of each interval.

    A single one is that about which splines are symmetric, so that no wave vanishes at all.
    """
    b = axis.breakpoints
    nodes = gauss_rule(count)[0]
    if count == 1 and axis.degree % 2:
        nodes = nodes - 1.0
    points = ((b[:-1] + b[1:]) / 2)[:, None] + np.diff(b)[:, None] / 2 * nodes
    return np.asarray((points.ravel() - b[0]) / (b[-1] - b[0]))


def gauss_weights(axis: Axis, nodes_each: int | None = None) -> Array:
    """Return the weights of the Gauss points, (n,), which sum to 1."""
    return axis.weights if nodes_each in (None, axis.nodes) else gauss_weights_of(axis, nodes_each or axis.nodes)


def gauss_weights_of(axis: FunctionsOfOne, count: int) -> Array:
    """Return the same with `count` points of each interval."""
    b = axis.breakpoints
    weights = gauss_rule(count)[1]
    return np.asarray((np.diff(b)[:, None] * weights).ravel() / (2 * (b[-1] - b[0])))


def design_of(axis: FunctionsOfOne, x: Array, orders: int) -> Array:
    """Return the derivatives 0 … orders − 1 of all functions of the axis at x (n,), (n, orders, size)."""
    columns, values = axis.local(torch.as_tensor(x), orders)
    return dense(columns, values, axis.size).numpy()


def dense(columns: Tensor, values: Tensor, size: int) -> Tensor:
    """Return the values (n, orders, k) of the functions with the indices `columns` (n, k) among all `size` functions.

    They are added because the columns of a periodic axis may coincide.
    """
    found = values.new_zeros(*values.shape[:2], size)
    return found.scatter_add_(2, columns[:, None].expand_as(values), values)


def sparse_designs(axis: FunctionsOfOne, x: Array, orders: int) -> list[Any]:
    """Return the sparse matrices (n, size) of the functions' derivatives below `orders` at x (n,)."""
    columns, values = axis.local(torch.as_tensor(x), orders)
    places = np.repeat(np.arange(len(x)), columns.shape[1]), columns.numpy().ravel()
    return [sparse.csr_matrix((values[:, m].numpy().ravel(), places), shape=(len(x), axis.size)) for m in range(orders)]


def transfer_matrix(old: Axis, new: Axis) -> Array:
    """Return the matrix (new size, old size) of the least-squares fit of the old axis's functions by the new one's.

    The fit is exact if the new functions contain the old ones.
    """
    return new.fit(old.design(new.points))


def norm(axis: Axis, along: Array) -> float:
    """Return the root of the mean over the axis of Σ_c u_c², for functions with coefficients `along` (size, c)."""
    return float(np.linalg.norm(axis.root @ along))
