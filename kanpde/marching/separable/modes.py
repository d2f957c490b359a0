"""An approximate inverse of JᵀJ by fast diagonalisation.

Along each axis in space the generalised eigenvalue problem K v = λ M v, with K_ij = ∫ B_i L B_j and the terms L of the
equation along the axis, gives functions v in which the Galerkin matrix of Σ_a L_a is diagonal (Lynch, Rice and Thomas,
Numer. Math. 6 (1964) 185; Sangalli and Tani, SIAM J. Sci. Comput. 38 (2016) A3644). The least-squares operator J of an
elliptic equation satisfies ‖J c‖ ~ ‖K c‖ in the norm of M⁻¹, with constants that do not depend on the knots, so
JᵀJ ~ K M⁻¹ K is inverted by two products along each axis. In time the polynomials of a slab give for every eigenvalue a
small matrix R(λ) of rows, and RᵀR stands for λ².
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy.linalg import eigh
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.calculus.devices import threads_for
from kanpde.marching.axes import LegendreAxis
from kanpde.marching.separable.restricted_axis import RestrictedAxis
from kanpde.marching.separable.tensor_grid import Orders

LEAST = 1e-10  # smallest eigenvalue, relative to its terms and to the largest one, that is not round-off


class Modes:
    """The approximate inverse of JᵀJ of an equation with constant `slopes` by orders of differentiation.

    `regular` is False if a mode has an eigenvalue of zero, so that the equation may not have one solution. `weakest`
    has the smallest norm of the rows of a function of norm 1, and the share of its terms that this is, 0 in time.
    """

    def __init__(self, axes: Sequence[RestrictedAxis], slopes: Mapping[Orders, float]) -> None:
        self.shape = tuple(axis.kernel.shape[1] for axis in axes)
        self.shift = torch.zeros(int(np.prod(self.shape)), dtype=torch.float64)
        self._time = next((a for a, each in enumerate(axes) if isinstance(each.axis, LegendreAxis)), None)
        self._vectors: dict[int, Array] = {}
        total = np.zeros([1] * len(axes))
        largest = np.zeros([1] * len(axes))
        known: dict[tuple[int, tuple[tuple[int, float], ...]], tuple[Array, Array]] = {}
        for a, axis in enumerate(axes):
            if a == self._time:
                continue
            along = tuple((orders[a], slope) for orders, slope in slopes.items() if sum(orders) == orders[a] > 0)
            key = id(axis), along
            if key not in known:
                known[key] = modes_of(axis, along)
            values, self._vectors[a] = known[key]
            view = values.reshape([-1 if a == b else 1 for b in range(len(axes))])
            total, largest = total + view, largest + np.abs(view)
        constant = slopes.get((0,) * len(axes), 0.0)
        total, largest = total + constant, largest + abs(constant)
        if self._time is None:
            self.regular = bool((np.abs(total) > LEAST * np.maximum(largest, np.abs(total).max())).all())
            self._inverse = 1 / np.square(np.where(total == 0, 1.0, total))
            place = int(np.abs(total).argmin())
            smallest = float(np.abs(total).ravel()[place])
            self.weakest = smallest, smallest / max(float(np.broadcast_to(largest, total.shape).ravel()[place]), 1e-300)
            return
        time = axes[self._time]
        derivative = np.zeros_like(time.reduced[0].toarray())
        for orders, slope in slopes.items():
            if sum(orders) == orders[self._time] > 0:
                derivative += slope * time.reduced[orders[self._time]].toarray()
        value, flat = time.reduced[0].toarray(), total.ravel()
        squares = derivative.T @ derivative
        mixed, plain = derivative.T @ value + value.T @ derivative, value.T @ value
        normal = squares + flat[:, None, None] * mixed + np.square(flat)[:, None, None] * plain
        self._factor, info = torch.linalg.cholesky_ex(torch.from_numpy(normal))
        self.regular = not bool(info.any())
        triangle = torch.linalg.cholesky(torch.from_numpy(plain))
        scaled = torch.linalg.solve_triangular(triangle, torch.from_numpy(normal), upper=False)
        scaled = torch.linalg.solve_triangular(triangle, scaled.mT, upper=False)
        smallest = math.sqrt(max(float(torch.linalg.eigvalsh(scaled).min()), 0.0))
        self.weakest = smallest, 0.0

    def solve(self, right: Tensor) -> Tensor:
        """Return the approximation of (JᵀJ)⁻¹ b, (P,)."""
        array = right.numpy().reshape(self.shape)
        with threads_for(4.0 * array.size * sum(len(each) for each in self._vectors.values())):
            array = along_axes(array, {a: each.T for a, each in self._vectors.items()})
            if self._time is None:
                array = array * self._inverse
            else:
                moved = np.moveaxis(array, self._time, -1)
                rows = torch.from_numpy(np.ascontiguousarray(moved.reshape(-1, moved.shape[-1])))
                solved = torch.cholesky_solve(rows[:, :, None], self._factor)[:, :, 0]
                array = np.moveaxis(solved.numpy().reshape(moved.shape), -1, self._time)
            array = along_axes(array, self._vectors)
        return torch.from_numpy(np.ascontiguousarray(array).reshape(-1))


def modes_of(axis: RestrictedAxis, along: Sequence[tuple[int, float]]) -> tuple[Array, Array]:
    """Return eigenvalues (m,) and vectors (m, m), of norm 1 in L2, of an axis's terms, (order, slope) each.

    Only the symmetric part is taken: terms of odd order are left to the iteration.
    """
    mass = (axis.reduced[0].T @ axis.reduced[0]).toarray()
    stiffness = np.zeros_like(mass)
    for order, slope in along:
        stiffness += slope * (axis.reduced[0].T @ axis.reduced[order]).toarray()
    with threads_for(10.0 * len(mass) ** 3):
        values, vectors = eigh((stiffness + stiffness.T) / 2, (mass + mass.T) / 2)
    return values, vectors


def along_axes(array: Array, matrices: Mapping[int, Array]) -> Array:
    """Return an array with a square matrix applied along each of some axes."""
    for a, matrix in matrices.items():
        shape = array.shape
        if a == 0:
            array = (matrix @ array.reshape(shape[0], -1)).reshape(shape)
        elif a == len(shape) - 1:
            array = (array.reshape(-1, shape[-1]) @ matrix.T).reshape(shape)
        else:
            array = np.moveaxis(np.tensordot(matrix, array, (1, a)), 0, a)
    return array
