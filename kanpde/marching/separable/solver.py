"""Solve a linear equation in a large tensor product: conditions exactly, then least squares by conjugate gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sparse
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.marching.axes import Axis
from kanpde.marching.separable.modes import Modes
from kanpde.marching.separable.restricted_axis import RestrictedAxis
from kanpde.marching.separable.structure import EndCondition, Structure
from kanpde.marching.separable.tensor_grid import Matrix, Orders, contract, expand, orders_of, outer, quick
from kanpde.optim.cgls import conjugate_gradients

ITERATIONS = 60  # largest number of iterations
# The values of low degrees have far more digits than their second derivatives, so that little may be left.
REMOVABLE = 1e-4  # the iteration ends if it could lower the residual by less than this share of it
TOLERANCE = 1e-12  # or if the gradient's norm is below this share of its initial value
REDUCED = 1e-8  # share of the gradient's norm below which an iteration has not failed in any case
SOLVED = 0.3  # share of the residual that could still be removed from which an iteration has failed
ROUNDS = 3  # largest number of such iterations, each about the result of the one before
DRIFT = 0.1  # relative difference of the residual's norm and that of its recurrence that asks for another one

Slope = float | Array
Data = Callable[[EndCondition, Sequence[Array]], Array]  # a condition's g on the grid of the lines


@dataclass(frozen=True, eq=False)
class Solved:
    """Coefficients (*shape), the norm `left` of the residual, and the number of all iterations.

    `removable` is the share of the residual that more of them would remove, and `gradient` the share of the gradient's
    norm that is left.
    """

    coefficients: Array
    left: float
    iterations: int
    removable: float
    gradient: float

    @property
    def converged(self) -> bool:
        """True if more iterations would gain little, or nothing but round-off."""
        return self.removable <= SOLVED or self.gradient <= REDUCED


class Space:
    """A tensor product whose axes satisfy the conditions of a structure; `of` returns None if they cannot.

    `orders` are those of the equation's partials.
    """

    def __init__(self, structure: Structure, axes: Sequence[RestrictedAxis]) -> None:
        self.structure, self.axes = structure, tuple(axes)
        self.shape = tuple(each.axis.size for each in axes)

    @classmethod
    def of(cls, structure: Structure, axes: Sequence[Axis]) -> Space | None:
        """Return the space of these axes."""
        made: list[RestrictedAxis] = []
        for a, axis in enumerate(axes):
            ends = structure.of_axis(a)
            found = cls._like(made, axis, ends, structure) or RestrictedAxis.of(axis, ends, most_orders(structure))
            if found is None:
                return None
            made.append(found)
        return cls(structure, made)

    @staticmethod
    def _like(
        made: Sequence[RestrictedAxis], axis: Axis, ends: Sequence[EndCondition], structure: Structure
    ) -> RestrictedAxis | None:
        """Return an axis made before that has the same functions and conditions, which need not be computed again."""
        parts = [end.parts for end in ends]
        for a, other in enumerate(made):
            alike = type(other.axis) is type(axis) and other.axis.degree == axis.degree
            alike = alike and np.array_equal(other.axis.breakpoints, axis.breakpoints)
            if alike and [end.parts for end in structure.of_axis(a)] == parts:
                return other
        return None

    @property
    def lines(self) -> list[Array]:
        """The Gauss points of every axis."""
        return [axis.points for axis in self.axes]

    @cached_property
    def roots(self) -> Array:
        """The roots of the weights on the grid."""
        return outer([np.sqrt(axis.weights) for axis in self.axes])

    def lift(self, data: Data) -> Array:
        """Return coefficients (*shape) of a function that satisfies the conditions up to the best fit of their data.

        The conditions of one axis after another are met by functions of the other axes; those of the axes before are
        taken from the restricted ones, so that they remain met (Gordon, SIAM J. Numer. Anal. 8 (1971) 158).
        """
        total = np.zeros(self.shape)
        for a, axis in enumerate(self.axes):
            others = [b for b in range(len(self.axes)) if b != a]
            grid = [self.axes[b] for b in others]
            for r, end in enumerate(self.structure.of_axis(a)):
                values = data(end, [each.points for each in grid])
                for b, each in enumerate(grid):
                    roots = np.sqrt(each.weights)
                    values = values * roots.reshape([-1 if b == c else 1 for c in range(len(grid))])
                known = np.tensordot(axis.conditions[r], total, (0, a))
                for b, each in enumerate(grid):
                    known = np.moveaxis(apply(each.factors[0], known, b), 0, b)
                rest = values - known
                for b, each in enumerate(grid):
                    fit = each.fit_reduced if others[b] < a else each.fit
                    moved = np.moveaxis(rest, b, 0)
                    fitted = fit(moved.reshape(len(moved), -1)).reshape(-1, *moved.shape[1:])
                    rest = np.moveaxis(fitted, 0, b)
                total += np.moveaxis(np.multiply.outer(axis.lifts[:, r], rest), 0, a)
        return total

    def extended(self, reduced: Array) -> Array:
        """Return the coefficients (*shape) of a function of the restricted axes."""
        for a, axis in enumerate(self.axes):
            reduced = np.moveaxis(apply(axis.kernel, reduced, a), 0, a)
        return np.ascontiguousarray(reduced)


def apply(matrix: object, array: Array, a: int) -> Array:
    """Return a sparse matrix applied along axis `a`, which becomes the first one."""
    moved = np.moveaxis(array, a, 0)
    product = matrix @ np.ascontiguousarray(moved.reshape(len(moved), -1))  # type: ignore[operator]
    return np.asarray(product).reshape(-1, *moved.shape[1:])


def most_orders(structure: Structure) -> int:
    """Return the number of derivatives of an axis that the rows need, zeroth included."""
    needed = [len(partial) for partials in structure.equation.partials.values() for partial in partials]
    return 1 + max([*needed, *(order for end in structure.ends for _, order, _ in end.parts)], default=0)


class Combination:
    """Σ_S s_S ∂^S u on a grid as a linear map of the coefficients, from matrices by axis and order.

    Constant slopes are part of the last axis's matrices, one for each of the orders along the other axes.
    """

    def __init__(self, matrices: Sequence[Sequence[Matrix]], slopes: Mapping[Orders, Slope]) -> None:
        *self._others, last = ([quick(each) for each in along] for along in matrices)
        self.slopes, self._matrices = slopes, [*self._others, last]
        self._size = last[0].shape[1]
        self._constant = all(isinstance(slope, float) for slope in slopes.values())
        if self._constant:
            self._orders = [*dict.fromkeys(orders[:-1] for orders in slopes)]
            parts = [sum(s * last[o[-1]] for o, s in slopes.items() if o[:-1] == each) for each in self._orders]
            whole = isinstance(last[0], np.ndarray)
            self._joined = np.hstack(parts) if whole else sparse.hstack(parts, format="csr")

    @cached_property
    def _transposed(self) -> Matrix:
        return self._joined.T if isinstance(self._joined, np.ndarray) else self._joined.T.tocsr()

    def values(self, coefficients: Array) -> Array:
        """Return the values on the grid, with the last axis first, from coefficients (*shape)."""
        if not self._constant:
            jets = expand(self._matrices, [*self.slopes], coefficients)
            return np.asarray(sum(slope * jets[orders] for orders, slope in self.slopes.items()))
        found = expand(self._others, self._orders, coefficients, rotated=True)
        each = [found[orders] for orders in self._orders]
        stacked = np.concatenate([one.reshape(self._size, -1) for one in each]) if each[0].ndim else each[0]
        return np.asarray(self._joined @ stacked).reshape(-1, *each[0].shape[1:])

    def adjoint(self, values: Array) -> Array:
        """Apply the transpose of `values`; return coefficients (*shape)."""
        if not self._constant:
            return contract(self._matrices, {orders: slope * values for orders, slope in self.slopes.items()})
        stacked = (self._transposed @ values.reshape(len(values), -1)).reshape(-1, self._size, *values.shape[1:])
        return contract(self._others, dict(zip(self._orders, stacked, strict=True)), rotated=True)


class Operator:
    """The rows √w (r + Σ_S s_S ∂^S u) of functions u of the restricted axes, a linearisation."""

    def __init__(self, space: Space, slopes: Mapping[Orders, Slope], residual: Array) -> None:
        self.shape = tuple(axis.kernel.shape[1] for axis in space.axes)
        self.residual = torch.from_numpy(residual.reshape(-1))
        self._grid = residual.shape
        self._combination = Combination([axis.reduced for axis in space.axes], slopes)

    def product(self, step: Tensor) -> Tensor:
        """Return J p, (N,)."""
        return torch.from_numpy(self._combination.values(step.numpy().reshape(self.shape)).reshape(-1))

    def transposed(self, weights: Tensor) -> Tensor:
        """Return Jᵀ k, (P,)."""
        found = self._combination.adjoint(weights.numpy().reshape(self._grid))
        return torch.from_numpy(np.ascontiguousarray(found).reshape(-1))


def solve(space: Space, slopes: Mapping[Orders, Slope], residual: Array, data: Data, modes: Modes) -> Solved:
    """Return the coefficients that minimise ‖residual + √w Σ_S s_S ∂^S u‖² of the functions u with these data."""
    total = space.lift(data)
    whole = Combination([axis.factors for axis in space.axes], slopes)
    iterations, removable, expected, gradient, start = 0, math.inf, 0.0, math.inf, 0.0
    for _ in range(ROUNDS):
        rest = residual + whole.values(total)
        rows = Operator(space, slopes, rest)
        before = float(rows.residual.norm())
        if (
            iterations and abs(before - expected) <= DRIFT * expected
        ):  # the recurrence of the residual has lost no digits
            break
        found = conjugate_gradients(rows, modes, ITERATIONS, TOLERANCE, removable=REMOVABLE)
        total = total + space.extended(found.step.numpy().reshape(rows.shape))
        iterations += found.iterations
        start = max(start, found.start)
        gradient = found.left * found.start / start if start > 0 else 0.0
        expected = float((rows.residual + found.image).norm())
        removable = found.left * found.start / expected if expected > 0 else 0.0
    return Solved(total, expected, iterations, removable, gradient)


def by_orders(slopes: Mapping[MultiIndex, Slope], dimension: int) -> dict[Orders, Slope]:
    """Return slopes by partials as slopes by orders."""
    return {orders_of(partial, dimension): slope for partial, slope in slopes.items()}
