"""An axis restricted to the functions that satisfy its homogeneous conditions, with quadrature and fits along it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.linalg import null_space
from scipy.sparse.linalg import splu
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.calculus.devices import PROCESSOR
from kanpde.calculus.legendre import gauss_rule, legendre
from kanpde.marching.axes import Axis, LegendreAxis, design_of, sparse_designs
from kanpde.marching.separable.along_axis import AlongAxis, Matrix, dense_on, placed
from kanpde.marching.separable.structure import EndCondition

INSIDE = 3  # Gauss points of a cell: with two, a residual of splines of degree 7 may vanish at all of them
REDUNDANT = 1e-8  # smallest singular value of an axis's conditions, relative to the largest, of independent ones


Fit = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class RestrictedAxis:
    """An axis with Gauss `points` (n,) of `weights` (n,) that sum to 1, and its conditions e·c = g.

    `factors[m]` is the matrix (n, size) of the m-th derivatives times the roots of the weights. `conditions` (r, size)
    are the rows e; `kernel` Z (size, size - r) spans their null space, and `lifts` R (size, r) satisfies e R = 1. They
    are found on the processor; what is applied to tensors on the `device` is copied there once.
    """

    axis: Axis
    points: Array
    weights: Array
    factors: tuple[Matrix, ...]
    conditions: Array
    kernel: Matrix
    lifts: Array
    device: torch.device

    @classmethod
    def of(cls, axis: Axis, ends: Sequence[EndCondition], orders: int, device: torch.device) -> RestrictedAxis | None:
        """Return an axis with derivatives below `orders`; None if its conditions contradict or repeat each other."""
        points, weights = quadrature_of(axis)
        roots = sparse.diags(np.sqrt(weights))
        factors = tuple((roots @ each).tocsr() for each in sparse_designs(axis, points, orders))
        conditions = np.array([end_row(axis, end) for end in ends]).reshape(len(ends), axis.size)
        sizes = np.linalg.norm(conditions, axis=1, keepdims=True)
        if len(ends) and np.linalg.svd(conditions / sizes, compute_uv=False).min() < REDUNDANT:
            return None
        lifts = lifting(axis, points, np.sqrt(weights), factors[0], conditions)
        if lifts is None:
            return None
        kernel = kernel_of(conditions / sizes)
        return cls(axis, points, weights, factors, conditions, kernel, lifts, device)

    @cached_property
    def reduced(self) -> tuple[Matrix, ...]:
        """The factors of the restricted axis, (n, size - r)."""
        return tuple((factor @ self.kernel).tocsr() for factor in self.factors)

    @cached_property
    def roots(self) -> Tensor:
        """The roots of the weights, (n,)."""
        return placed(np.sqrt(self.weights), self.device)

    @cached_property
    def expansion(self) -> list[AlongAxis]:
        """The factors, for tensors of coefficients."""
        return [AlongAxis.of(each, self.device) for each in self.factors]

    @cached_property
    def reduced_expansion(self) -> list[AlongAxis]:
        """The factors of the restricted axis, for tensors of its coefficients."""
        return [AlongAxis.of(each, self.device) for each in self.reduced]

    @cached_property
    def extension(self) -> AlongAxis:
        """The kernel, for tensors of coefficients of the restricted axis."""
        return AlongAxis.of(self.kernel, self.device)

    @cached_property
    def fit(self) -> Fit:
        """The least-squares fit of values times the roots of the weights, (n, c) -> (size, c)."""
        return fitting(self.factors[0], self.device)

    @cached_property
    def fit_reduced(self) -> Fit:
        """The same with functions that satisfy the homogeneous conditions, (n, c) -> (size, c)."""
        fit = fitting(self.reduced[0], self.device)
        return lambda values: self.extension @ fit(values)


def quadrature_of(axis: Axis) -> tuple[Array, Array]:
    """Return Gauss points of all cells and their weights, which sum to 1.

    A spline has about k / 2 more functions near each end than cells, so that the cells there have more points.
    """
    b, n = axis.breakpoints, axis.intervals
    if isinstance(axis, LegendreAxis):
        rules = [gauss_rule(axis.nodes)]
    else:
        extra = 0 if axis.periodic else (axis.degree + 5) // 2
        rules = [gauss_rule(max(INSIDE, extra - min(i, n - 1 - i))) for i in range(n)]
    middles, halves = (b[:-1] + b[1:]) / 2, np.diff(b) / 2
    points = np.concatenate([m + h * nodes for m, h, (nodes, _) in zip(middles, halves, rules, strict=True)])
    weights = np.concatenate([h * weights for h, (_, weights) in zip(halves, rules, strict=True)])
    return points, weights / weights.sum()


def end_row(axis: Axis, end: EndCondition) -> Array:
    """Return e (size,) with e·c the condition's left side for the function with coefficients c."""
    row = np.zeros(axis.size)
    for side, order, value in end.parts:
        row += value * design_of(axis, axis.breakpoints[[-side]], order + 1)[0, order]
    return row


def kernel_of(conditions: Array) -> Matrix:
    """Return a sparse matrix whose orthonormal columns span the null space of rows (r, size)."""
    touched = (conditions != 0).any(axis=0)
    identity = sparse.identity(conditions.shape[1], format="csc")
    basis = null_space(conditions[:, touched]) if touched.any() else np.zeros((0, 0))
    places = sparse.csc_matrix(identity[:, np.flatnonzero(touched)] @ sparse.csc_matrix(basis))
    return sparse.hstack([identity[:, np.flatnonzero(~touched)], places], format="csr")


def fitting(factor: Matrix, device: torch.device) -> Fit:
    """Return the least-squares solution of factor · c = values as a function, refined once to the last digits."""
    if device.type == "cpu":
        solver = splu((factor.T @ factor).tocsc())
        here = AlongAxis(factor)

        def solve(right: Tensor) -> Tensor:
            return torch.from_numpy(solver.solve(right.numpy()))

    else:
        here = AlongAxis(dense_on(factor, device))
        triangle = torch.linalg.cholesky(dense_on(factor.T @ factor, device))

        def solve(right: Tensor) -> Tensor:
            return torch.cholesky_solve(right, triangle)

    def fit(values: Tensor) -> Tensor:
        first = solve(here.T @ values)
        return first + solve(here.T @ (values - here @ first))

    return fit


def lifting(axis: Axis, points: Array, roots: Array, factor: Matrix, conditions: Array) -> Array | None:
    """Return R (size, r) with conditions R = 1, of polynomials of the lowest degree; None if there are none.

    Polynomials are smooth, so that the equation's rows of R are not much larger than those of the solution.
    """
    count, fit = len(conditions), fitting(factor, PROCESSOR)
    for degree in range(max(count - 1, 0), min(2 * count + 1, axis.degree + 1)):
        low, high = axis.breakpoints[[0, -1]]
        values = legendre(torch.as_tensor(points), float(low), float(high), degree, 1)[:, 0]
        polynomials = fit(torch.from_numpy(roots)[:, None] * values).numpy()
        at_ends = conditions @ polynomials
        sizes = np.linalg.norm(at_ends, axis=1, keepdims=True)
        if count and sizes.all() and np.linalg.svd(at_ends / sizes, compute_uv=False).min() > REDUNDANT:
            lifts = polynomials @ np.linalg.pinv(at_ends)
            return np.asarray(lifts @ np.linalg.inv(conditions @ lifts))
    return np.zeros((axis.size, 0)) if not count else None
