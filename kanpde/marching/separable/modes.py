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
from functools import cached_property

import torch
from scipy.linalg import eigh
from torch import Tensor

from kanpde.calculus.devices import threads_for
from kanpde.marching.axes import LegendreAxis
from kanpde.marching.separable.along_axis import AlongAxis, dense_on
from kanpde.marching.separable.restricted_axis import RestrictedAxis
from kanpde.marching.separable.tensor_grid import Orders

LEAST = 1e-10  # smallest eigenvalue, relative to its terms and to the largest one, that is not round-off


class Modes:
    """The approximate inverse of JᵀJ of an equation with constant `slopes` by orders of differentiation.

    `regular` is False if a mode has an eigenvalue of zero, so that the equation may not have one solution.
    """

    def __init__(self, axes: Sequence[RestrictedAxis], slopes: Mapping[Orders, float]) -> None:
        self.shape = tuple(axis.kernel.shape[1] for axis in axes)
        device = axes[0].device
        self.shift = torch.zeros(math.prod(self.shape), dtype=torch.float64, device=device)
        self._time = next((a for a, each in enumerate(axes) if isinstance(each.axis, LegendreAxis)), None)
        self._vectors: dict[int, AlongAxis] = {}
        total = self.shift.new_zeros([1] * len(axes))
        largest = total
        known: dict[tuple[int, tuple[tuple[int, float], ...]], tuple[Tensor, AlongAxis]] = {}
        for a, axis in enumerate(axes):
            if a == self._time:
                continue
            along = tuple((orders[a], slope) for orders, slope in slopes.items() if sum(orders) == orders[a] > 0)
            key = id(axis), along
            if key not in known:
                values, vectors = modes_of(axis, along)
                known[key] = values, AlongAxis(vectors)
            values, self._vectors[a] = known[key]
            view = values.reshape([-1 if a == b else 1 for b in range(len(axes))])
            total, largest = total + view, largest + view.abs()
        constant = slopes.get((0,) * len(axes), 0.0)
        self._total, self._largest = total + constant, largest + abs(constant)
        if self._time is None:
            sizes = self._total.abs()
            self.regular = bool((sizes > LEAST * self._largest.clamp_min(sizes.max())).all())
            self._inverse = 1 / torch.where(self._total == 0, 1.0, self._total).square()
            return
        time = axes[self._time]
        value = dense_on(time.reduced[0], device)
        derivative = torch.zeros_like(value)
        for orders, slope in slopes.items():
            if sum(orders) == orders[self._time] > 0:
                derivative += slope * dense_on(time.reduced[orders[self._time]], device)
        mixed, self._plain = derivative.T @ value, value.T @ value
        flat = self._total.reshape(-1, 1, 1)
        self._normal = derivative.T @ derivative + flat * (mixed + mixed.T) + flat.square() * self._plain
        self._factor, info = torch.linalg.cholesky_ex(self._normal)
        self.regular = not bool(info.any())

    @cached_property
    def weakest(self) -> tuple[float, float]:
        """The smallest norm of the rows of a function of norm 1, and the share of its terms that this is, 0 in time."""
        if self._time is None:
            sizes = self._total.abs().reshape(-1)
            smallest, place = sizes.min(dim=0)
            terms = self._largest.expand(self._total.shape).reshape(-1)[place]
            return float(smallest), float(smallest / terms.clamp_min(1e-300))
        triangle = torch.linalg.cholesky(self._plain)
        scaled = torch.linalg.solve_triangular(triangle, self._normal, upper=False)
        scaled = torch.linalg.solve_triangular(triangle, scaled.mT, upper=False)
        return math.sqrt(max(float(torch.linalg.eigvalsh(scaled).min()), 0.0)), 0.0

    def solve(self, right: Tensor) -> Tensor:
        """Return the approximation of (JᵀJ)⁻¹ b, (P,)."""
        values = right.reshape(self.shape)
        with threads_for(4.0 * values.numel() * sum(each.shape[0] for each in self._vectors.values())):
            for a, each in self._vectors.items():
                values = each.T.along(values, a)
            if self._time is None:
                values = values * self._inverse
            else:
                moved = values.movedim(self._time, -1)
                rows = moved.reshape(-1, moved.shape[-1], 1)
                solved = torch.cholesky_solve(rows, self._factor)
                values = solved.reshape(moved.shape).movedim(-1, self._time)
            for a, each in self._vectors.items():
                values = each.along(values, a)
        return values.reshape(-1)


def modes_of(axis: RestrictedAxis, along: Sequence[tuple[int, float]]) -> tuple[Tensor, Tensor]:
    """Return eigenvalues (m,) and vectors (m, m), of norm 1 in L2, of an axis's terms, (order, slope) each.

    Only the symmetric part is taken: terms of odd order are left to the iteration.
    """
    mass = axis.reduced[0].T @ axis.reduced[0]
    stiffness = sum((slope * (axis.reduced[0].T @ axis.reduced[order]) for order, slope in along), 0 * mass)
    pair = [dense_on((each + each.T) / 2, axis.device) for each in (stiffness, mass)]
    if axis.device.type != "cpu":
        return generalised_eigenvectors(*pair)
    with threads_for(10.0 * mass.shape[0] ** 3):
        values, vectors = eigh(*(each.numpy() for each in pair))
    return torch.from_numpy(values), torch.from_numpy(vectors)


def generalised_eigenvectors(stiffness: Tensor, mass: Tensor) -> tuple[Tensor, Tensor]:
    """Return λ (m,) and V (m, m) with K V = M V diag(λ) and Vᵀ M V = 1."""
    triangle = torch.linalg.cholesky(mass)
    half = torch.linalg.solve_triangular(triangle, stiffness, upper=False)
    whole = torch.linalg.solve_triangular(triangle, half.mT, upper=False)
    values, vectors = torch.linalg.eigh((whole + whole.mT) / 2)
    return values, torch.linalg.solve_triangular(triangle.mT, vectors, upper=True)
