"""The smooth continuation of a solution from a shape to the box around it, which has a low rank.

Outside of a shape no row determines the solution. What a march leaves there is arbitrary and has full rank along every
axis, so that a network would need hundreds of product nodes for it. Among the functions that agree inside, one in the
products p_i(x) q_j(y) of low total degree i + j is smooth everywhere, with the Legendre functions p_i and q_j in the
spans of the axes. If u is analytic, few degrees are enough (Adcock and Huybrechs, SIAM Rev. 61 (2019) 443).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import solve_triangular

from kanpde.calculus.arrays import Array
from kanpde.calculus.jets import JetPlan
from kanpde.calculus.singular import jets_of
from kanpde.geometry.domain import Domain, face_points, interior_points
from kanpde.geometry.shape import Shape
from kanpde.marching.axes import SplineAxis, gauss_points, gauss_weights, sparse_designs
from kanpde.marching.slabs import Pass

INSIDE = 4096  # number of points in a shape at which functions are compared
ON_FACES = 1024  # number of further points on all of its faces
FIRST_DEGREE = 8  # first total degree that is tried
GROWTH = 1.25  # factor on the total degree if it is too low
MANY_PRODUCTS = 1000  # products above which a continuation is not looked for
POINTS_PER_PRODUCT = 2.5  # fewest points for each product
HELD_OUT = 4  # one point of so many is not fitted, and measures the error
WORTH = 2.0  # factor on the error by which more products must lower it
RIDGE = 0.1  # share of the tolerance at which large coefficients are penalised


@dataclass(frozen=True)
class Inside:
    """Points (n, d) of a shape and its faces, and the axes along which it is no product, whose points are arbitrary."""

    points: Array
    shaped: tuple[int, ...]

    @classmethod
    def of(cls, domain: Domain) -> Inside:
        """Return quasi-random points of a shape."""
        draw = np.random.default_rng(0)

        def unit(count: int, dimension: int) -> Array:
            return draw.random((count, dimension))

        factor = domain.factor if isinstance(domain, Shape) else None
        straight = () if factor is None else factor.names
        faces = [face for name, face in domain.faces.items() if name not in (factor.faces if factor else ())]
        each = math.ceil(ON_FACES / max(len(faces), 1))
        parts = [interior_points(domain, INSIDE, unit), *(face_points(domain, face, each, unit) for face in faces)]
        return cls(np.concatenate(parts), tuple(a for a, name in enumerate(domain.names) if name not in straight))


@dataclass(frozen=True)
class Beside:
    """Singular functions of an evolution: their values (n, K) at points inside and amounts (K, r, fields).

    The amounts are coefficients in functions of time that have the values `in_time` (n, r) at the points and are the
    splines `functions_in_time` (size, r).
    """

    values: Array
    amounts: Array
    in_time: Array
    functions_in_time: Array

    @classmethod
    def of(
        cls,
        found: Pass,
        time: int | None,
        maps: Sequence[Sequence[Array]],
        inside: Inside,
        axes: Sequence[SplineAxis],
        solve: Sequence[Array],
    ) -> Beside | None:
        """Return those of a pass, given the maps from every slab's functions of time; None if there are none."""
        functions = found.slabs[0].functions
        if time is None or not functions:
            return None
        pairs = zip(maps[time], found.slabs, strict=True)
        amounts = np.sum([np.einsum("rt,ktf->krf", each, slab.amounts_in_time) for each, slab in pairs], axis=0)
        around = torch.as_tensor(np.delete(inside.points, time, axis=1))
        values = jets_of(functions, around, JetPlan(around.shape[1], [()]))[:, 0].numpy()
        return cls(values, amounts, axes[time].design(inside.points[:, time]) @ solve[time], solve[time])

    def divided(self, sizes: Array) -> Beside:
        """Return the same for fields that are divided by sizes (fields,)."""
        return replace(self, amounts=self.amounts / sizes)

    @property
    def sums(self) -> Array:
        """The values (n, fields) of the functions' sum at the points."""
        return np.asarray(np.einsum("nk,krf,nr->nf", self.values, self.amounts, self.in_time))


def continued(
    inside: Inside,
    axes: Sequence[SplineAxis],
    solve: Sequence[Array],
    values: Array,
    tolerance: float,
    most: float,
    beside: Beside | None = None,
) -> tuple[Array, list[Array], Beside | None]:
    """Return coefficients (*shape, f) of a smooth function that agrees inside, and each axis's functions (size, r).

    `values` are the coefficients of the solution in orthonormal functions `solve` of each axis. The root mean square of
    the difference inside is at most `tolerance`, or `most` if no function of few products has less. If there is none,
    return what is given. The function may have singular ones `beside` it, whose amounts may jump between slabs, in
    contrast to those that are found.
    """
    given = np.moveaxis(values, inside.shaped, range(len(inside.shaped)))
    rows = [axes[a].design(inside.points[:, a]) for a in inside.shaped]
    spans = [legendre_functions(axes[a]) for a in inside.shaped]
    target = point_values([each @ solve[a] for each, a in zip(rows, inside.shaped, strict=True)], given)
    if beside is not None:
        target = target + np.tensordot(beside.values, beside.amounts, 1)
    modes, others = leading_modes(target.reshape(len(target), -1), tolerance)
    own = np.zeros((len(target), 0)) if beside is None else beside.values
    fitted = fit([each @ span for each, span in zip(rows, spans, strict=True)], own, modes, tolerance, most)
    if fitted is None:
        return values, list(solve), beside
    found, amounts = fitted
    if beside is not None:
        beside = replace(beside, amounts=(amounts @ others).reshape(beside.amounts.shape))
    used = [span[:, :size] for span, size in zip(spans, found.shape, strict=False)]
    functions = [used[inside.shaped.index(a)] if a in inside.shaped else each for a, each in enumerate(solve)]
    coefficients = (found @ others).reshape(*found.shape[:-1], *target.shape[1:])
    return np.moveaxis(coefficients, range(len(used)), inside.shaped), functions, beside


def point_values(rows: Sequence[Array], coefficients: Array) -> Array:
    """Return Σ_ij rows_i rows_j c_ij… at every point, (n, …), from the functions' values (n, r) there."""
    found = np.einsum("ni,i...->n...", rows[0], coefficients)
    for each in rows[1:]:
        found = np.einsum("ni,ni...->n...", each, found)
    return np.asarray(found)


def leading_modes(values: Array, tolerance: float) -> tuple[Array, Array]:
    """Return factors (n, k) and (k, m) of values at points, with orthonormal rows in the second, for the smallest k.

    The root mean square of what is left out is a tolerance.
    """
    left, sizes, right = np.linalg.svd(values, full_matrices=False)
    left_out = np.sqrt(np.cumsum(np.square(sizes[::-1]))[::-1] / len(values))
    count = max(1, int((left_out > tolerance).sum()))
    return left[:, :count] * sizes[:count], right[:count]


def fit(rows: Sequence[Array], own: Array, target: Array, tolerance: float, most: float) -> tuple[Array, Array] | None:
    """Return coefficients (*shape, m) of low total degree with the values `target` (n, m) at points, or None.

    `rows` (n, r) are the values of each axis's functions at the points, and `own` (n, K) those of further functions,
    whose coefficients (K, m) are returned too. The error is the least one up to `most`, or
    the first one up to the tolerance.
    """
    held = np.arange(len(target)) % HELD_OUT == 0
    ridge = RIDGE * tolerance / max(float(np.sqrt(np.square(target).sum(axis=1).mean())), 1e-300)
    best, least = None, max(tolerance, most)
    for products in total_degrees([each.shape[1] for each in rows], len(target)):
        matrix = np.prod([each[:, which] for each, which in zip(rows, products, strict=True)], axis=0)
        matrix = np.concatenate([matrix, own], axis=1)
        found = ridge_regression(matrix[~held], target[~held], ridge)
        missed = math.sqrt(np.square(matrix[held] @ found - target[held]).sum(axis=1).mean())
        if missed <= least:
            best, least = (products, matrix), missed / WORTH
        if missed <= tolerance:
            break
    if best is None:
        return None
    result = np.zeros((*(best[0].max(axis=1) + 1), target.shape[1]))
    coefficients = ridge_regression(best[1], target, ridge)
    count = best[0].shape[1]
    result[tuple(best[0])] = coefficients[:count]
    return result, coefficients[count:]


def total_degrees(shape: Sequence[int], points: int) -> list[npt.NDArray[np.int64]]:
    """Return the indices (d, k) of the products of each total degree that is tried, as many as points can determine."""
    degrees, degree = np.indices(shape).reshape(len(shape), -1), FIRST_DEGREE
    sums, found = degrees.sum(axis=0), list[npt.NDArray[np.int64]]()
    while True:
        chosen = degrees[:, sums <= degree]
        if chosen.shape[1] > min(MANY_PRODUCTS, points / POINTS_PER_PRODUCT):
            return found
        found.append(chosen)
        if chosen.shape[1] == degrees.shape[1]:
            return found
        degree = math.ceil(GROWTH * degree)


def ridge_regression(matrix: Array, right: Array, ridge: float) -> Array:
    """Return c (k, m) that minimises ‖M c − b‖² / n + ridge² ‖c‖²."""
    count = matrix.shape[1]
    penalty = ridge * math.sqrt(len(matrix)) * np.eye(count)
    orthonormal, triangle = np.linalg.qr(np.concatenate([matrix, penalty]))
    return np.asarray(solve_triangular(triangle, orthonormal[: len(matrix)].T @ right))


def legendre_functions(axis: SplineAxis) -> Array:
    """Return coefficients (size, r) of Legendre's functions among the splines of an axis, those of low degree first.

    They are the orthonormal eigenfunctions of −((x − a)(b − x) u')', or of −u'' if the axis is periodic.
    """
    nodes = axis.degree + 1
    low, high = axis.breakpoints[[0, -1]]
    points, roots = low + (high - low) * gauss_points(axis, nodes), np.sqrt(gauss_weights(axis, nodes))[:, None]
    values, slopes = (roots * each.toarray() for each in sparse_designs(axis, points, 2))
    weight = np.ones(len(points)) if axis.periodic else np.sqrt((points - low) * (high - points))
    triangle = np.linalg.qr(values, mode="r")
    orthonormal = np.linalg.inv(triangle)
    bent = weight[:, None] * (slopes @ orthonormal)
    return np.asarray(orthonormal @ np.linalg.eigh(bent.T @ bent)[1])
