"""Trains as lists of cores (functions, r, r'): starts, sums, norms, lower ranks.

Norms are those of the tensor product of Sobolev spaces, (u, v)_a = Σ_{m ≤ order} (ℓ_a/π)^{2m} ∫ u^(m) v^(m) dx_a / ℓ_a
along an axis of length ℓ_a, in which a term that is left out is small together with its derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.marching.axes import SplineAxis, design_of, gauss_weights

Train = tuple[Array, ...]

SPREAD = 0.5  # standard deviation of the random coefficients about their mean, 1


def additive(axes: Sequence[SplineAxis]) -> Train:
    """Return the train of u = Σ_a f_a(x_a) with f = 0: its products are (1, f_1), (1, f_1 + f_2) and so on."""
    cores = []
    for a, axis in enumerate(axes):
        core = np.zeros((axis.size, 2, 2))
        core[:, 0, 0] = core[:, 1, 1] = 1.0
        cores.append(core[:, :1] if a == 0 else core[:, :, 1:] if a == len(axes) - 1 else core)
    return tuple(cores)


def random_product(axes: Sequence[SplineAxis], generator: np.random.Generator) -> Train:
    """Return a product of one random function of every coordinate."""
    return tuple(1.0 + SPREAD * generator.standard_normal((axis.size, 1, 1)) for axis in axes)


def zero(axes: Sequence[SplineAxis]) -> Train:
    """Return the train of u = 0."""
    return tuple(np.zeros((axis.size, 1, 1)) for axis in axes)


def total(one: Train, other: Train, factor: float) -> Train:
    """Return the train of u + factor · v, whose ranks are the sums of both."""
    cores, last = [], len(one) - 1
    for a, (left, right) in enumerate(zip(one, other, strict=True)):
        right = right * factor if a == 0 else right
        if a == 0:
            cores.append(np.concatenate([left, right], axis=2))
        elif a == last:
            cores.append(np.concatenate([left, right], axis=1))
        else:
            core = np.zeros((len(left), left.shape[1] + right.shape[1], left.shape[2] + right.shape[2]))
            core[:, : left.shape[1], : left.shape[2]] = left
            core[:, left.shape[1] :, left.shape[2] :] = right
            cores.append(core)
    return tuple(cores)


def ranks(train: Train) -> tuple[int, ...]:
    """Return the ranks r_1 … r_{d−1}."""
    return tuple(core.shape[2] for core in train[:-1])


def size(train: Train) -> int:
    """Return the number of coefficients."""
    return sum(core.size for core in train)


def weighted_designs(axis: SplineAxis, order: int) -> list[Array]:
    """Return the functions' scaled derivatives 0 … order at Gauss points times the roots of the weights."""
    length = float(axis.breakpoints[-1] - axis.breakpoints[0])
    root = np.sqrt(gauss_weights(axis))[:, None]
    values = design_of(axis, axis.points, order + 1)
    return [root * values[:, m] * (length / math.pi) ** m for m in range(order + 1)]


def triangle(axis: SplineAxis, order: int) -> Array:
    """Return the R with ‖f‖ = |R c| for a function f of this axis with the coefficients c."""
    return np.asarray(np.linalg.qr(np.concatenate(weighted_designs(axis, order)), mode="r"))


def rounded(train: Train, axes: Sequence[SplineAxis], orders: Sequence[int], tolerance: float) -> Train:
    """Return the train of lowest ranks whose relative error is about `tolerance` in the norm of these orders.

    The method is a sweep of orthogonal factors from the left and one of singular value decompositions from the right
    (Oseledets, algorithm 2).
    """
    triangles = [triangle(axis, order) for axis, order in zip(axes, orders, strict=True)]
    cores = orthogonal([apply(r, core) for r, core in zip(triangles, train, strict=True)])
    cut = tolerance * float(np.linalg.norm(cores[-1])) / math.sqrt(len(cores) - 1)
    for a in reversed(range(1, len(cores))):
        functions, left, right = cores[a].shape
        u, singular, v = np.linalg.svd(cores[a].transpose(1, 0, 2).reshape(left, -1), full_matrices=False)
        tails = np.sqrt(np.cumsum(singular[::-1] ** 2))[::-1]
        kept = max(1, int((tails > cut).sum()))
        cores[a] = v[:kept].reshape(kept, functions, right).transpose(1, 0, 2)
        cores[a - 1] = np.einsum("gxy,yz->gxz", cores[a - 1], u[:, :kept] * singular[:kept])
    return tuple(solved(r, core) for r, core in zip(triangles, balanced(cores), strict=True))


def orthogonal(cores: Sequence[Array]) -> list[Array]:
    """Return cores of the same train, all but the last of which are orthonormal in their first two indices."""
    result = [*cores]
    for a in range(len(result) - 1):
        functions, left, right = result[a].shape
        q, r = np.linalg.qr(result[a].reshape(functions * left, right))
        result[a] = q.reshape(functions, left, -1)
        result[a + 1] = np.einsum("xy,gyz->gxz", r, result[a + 1])
    return result


def balanced(cores: Sequence[Array]) -> list[Array]:
    """Return cores of the same train with equal norms."""
    norms = [float(np.linalg.norm(core)) or 1.0 for core in cores]
    each = math.exp(sum(math.log(norm) for norm in norms) / len(norms))
    return [core * (each / norm) for core, norm in zip(cores, norms, strict=True)]


def size_of(train: Train, axes: Sequence[SplineAxis]) -> float:
    """Return the root mean square of the train's values; 1 if it is zero."""
    cores = orthogonal([apply(triangle(axis, 0), core) for axis, core in zip(axes, train, strict=True)])
    return float(np.linalg.norm(cores[-1])) or 1.0


def apply(matrix: Array, core: Array) -> Array:
    """Return a core in other functions, by a matrix (new functions, functions)."""
    return np.asarray(np.tensordot(matrix, core, (1, 0)))


def solved(matrix: Array, core: Array) -> Array:
    """Return the core that `apply` takes to this one."""
    return np.asarray(np.linalg.solve(matrix, core.reshape(len(core), -1))).reshape(core.shape)


def values(train: Train, axes: Sequence[SplineAxis], points: Array) -> Array:
    """Return the values (n,) at points (n, d)."""
    found = np.ones((len(points), 1))
    for a, (core, axis) in enumerate(zip(train, axes, strict=True)):
        here = np.tensordot(design_of(axis, points[:, a], 1)[:, 0], core, (1, 0))
        found = np.einsum("nx,nxy->ny", found, here)
    return found[:, 0]
