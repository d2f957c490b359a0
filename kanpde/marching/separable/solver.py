"""Solve a linear equation in a large tensor product: conditions exactly, then least squares by conjugate gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.marching.axes import Axis
from kanpde.marching.separable.along_axis import AlongAxis, beside, outer, placed
from kanpde.marching.separable.modes import Modes
from kanpde.marching.separable.restricted_axis import RestrictedAxis
from kanpde.marching.separable.structure import EndCondition, Structure
from kanpde.marching.separable.tensor_grid import Orders, contract, expand, orders_of
from kanpde.optim.cgls import conjugate_gradients

ITERATIONS = 60  # largest number of iterations
# The values of low degrees have far more digits than their second derivatives, so that little may be left.
REMOVABLE = 1e-4  # the iteration ends if it could lower the residual by less than this share of it
TOLERANCE = 1e-12  # or if the gradient's norm is below this share of its initial value
REDUCED = 1e-8  # share of the gradient's norm below which an iteration has not failed in any case
SOLVED = 0.3  # share of the residual that could still be removed from which an iteration has failed
ROUNDS = 3  # largest number of such iterations, each about the result of the one before
DRIFT = 0.1  # relative difference of the residual's norm and that of its recurrence that asks for another one

Slope = float | Tensor
Data = Callable[[EndCondition, Sequence[Array]], Tensor]  # a condition's g on the grid of the lines


@dataclass(frozen=True, eq=False)
class Solved:
    """Coefficients (*shape), the norm `left` of the residual, and the number of all iterations.

    `removable` is the share of the residual that more of them would remove, and `gradient` the share of the gradient's
    norm that is left.
    """

    coefficients: Tensor
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

    `orders` are those of the equation's partials. Its tensors are on a device.
    """

    def __init__(self, structure: Structure, axes: Sequence[RestrictedAxis]) -> None:
        self.structure, self.axes = structure, tuple(axes)
        self.shape = tuple(each.axis.size for each in axes)
        self.device = self.axes[0].device

    @classmethod
    def of(cls, structure: Structure, axes: Sequence[Axis], device: torch.device) -> Space | None:
        """Return the space of these axes."""
        made: list[RestrictedAxis] = []
        for a, axis in enumerate(axes):
            ends = structure.of_axis(a)
            found = cls._like(made, axis, ends, structure)
            found = found or RestrictedAxis.of(axis, ends, most_orders(structure), device)
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
    def roots(self) -> Tensor:
        """The roots of the weights on the grid."""
        return outer([axis.roots for axis in self.axes])

    def lift(self, data: Data) -> Tensor:
        """Return coefficients (*shape) of a function that satisfies the conditions up to the best fit of their data.

        The conditions of one axis after another are met by functions of the other axes; those of the axes before are
        taken from the restricted ones, so that they remain met (Gordon, SIAM J. Numer. Anal. 8 (1971) 158).
        """
        total = torch.zeros(self.shape, dtype=torch.float64, device=self.device)
        for a, axis in enumerate(self.axes):
            others = [b for b in range(len(self.axes)) if b != a]
            grid = [self.axes[b] for b in others]
            conditions, lifts = (placed(each, self.device) for each in (axis.conditions, axis.lifts))
            for r, end in enumerate(self.structure.of_axis(a)):
                rest = weighted(data(end, [each.points for each in grid]), grid)
                known = torch.tensordot(conditions[r], total, ([0], [a]))
                for b, each in enumerate(grid):
                    known = each.expansion[0].along(known, b)
                rest = rest - known
                for b, each in enumerate(grid):
                    fit = each.fit_reduced if others[b] < a else each.fit
                    moved = rest.movedim(b, 0)
                    rest = fit(moved.reshape(len(moved), -1)).reshape(-1, *moved.shape[1:]).movedim(0, b)
                total += rest.unsqueeze(a) * lifts[:, r].reshape(across(a, len(self.axes)))
        return total

    def extended(self, reduced: Tensor) -> Tensor:
        """Return the coefficients (*shape) of a function of the restricted axes."""
        for a, axis in enumerate(self.axes):
            reduced = axis.extension.along(reduced, a)
        return reduced.contiguous()


def weighted(values: Tensor, axes: Sequence[RestrictedAxis]) -> Tensor:
    """Return values on the grid of some axes, in their order, times the roots of the weights."""
    for a, axis in enumerate(axes):
        values = values * axis.roots.reshape(across(a, len(axes)))
    return values


def across(a: int, dimension: int) -> list[int]:
    """Return the shape of numbers of axis `a` that broadcast over the other axes."""
    return [-1 if a == b else 1 for b in range(dimension)]


def most_orders(structure: Structure) -> int:
    """Return the number of derivatives of an axis that the rows need, zeroth included."""
    needed = [len(partial) for partials in structure.equation.partials.values() for partial in partials]
    return 1 + max([*needed, *(order for end in structure.ends for _, order, _ in end.parts)], default=0)


class Combination:
    """Σ_S s_S ∂^S u on a grid as a linear map of the coefficients, from matrices by axis and order.

    Constant slopes are part of the last axis's matrices, one for each of the orders along the other axes.
    """

    def __init__(self, matrices: Sequence[Sequence[AlongAxis]], slopes: Mapping[Orders, Slope]) -> None:
        self.slopes, self._matrices = slopes, matrices
        *self._others, last = matrices
        self._size = last[0].shape[1]
        constant = {orders: slope for orders, slope in slopes.items() if isinstance(slope, float)}
        self._joined: AlongAxis | None = None
        if len(constant) == len(slopes):
            self._orders = [*dict.fromkeys(orders[:-1] for orders in slopes)]
            self._joined = beside(
                [[(s, last[o[-1]]) for o, s in constant.items() if o[:-1] == each] for each in self._orders]
            )

    def values(self, coefficients: Tensor) -> Tensor:
        """Return the values on the grid, with the last axis first, from coefficients (*shape)."""
        if self._joined is None:
            jets = expand(self._matrices, [*self.slopes], coefficients)
            orders, *others = self.slopes
            total = self.slopes[orders] * jets[orders]
            for orders in others:
                total += self.slopes[orders] * jets[orders]
            return total
        found = expand(self._others, self._orders, coefficients, rotated=True)
        each = [found[orders] for orders in self._orders]
        stacked = torch.cat([one.reshape(self._size, -1) for one in each])
        return (self._joined @ stacked).reshape(-1, *each[0].shape[1:])

    def adjoint(self, values: Tensor) -> Tensor:
        """Apply the transpose of `values`; return coefficients (*shape)."""
        if self._joined is None:
            return contract(self._matrices, {orders: slope * values for orders, slope in self.slopes.items()})
        stacked = (self._joined.T @ values.reshape(len(values), -1)).reshape(-1, self._size, *values.shape[1:])
        return contract(self._others, dict(zip(self._orders, stacked, strict=True)), rotated=True)


class Operator:
    """The rows √w (r + Σ_S s_S ∂^S u) of functions u of the restricted axes, a linearisation."""

    def __init__(self, space: Space, slopes: Mapping[Orders, Slope], residual: Tensor) -> None:
        self.shape = tuple(axis.kernel.shape[1] for axis in space.axes)
        self.residual = residual.reshape(-1)
        self._grid = residual.shape
        self._combination = Combination([axis.reduced_expansion for axis in space.axes], slopes)

    def product(self, step: Tensor) -> Tensor:
        """Return J p, (N,)."""
        return self._combination.values(step.reshape(self.shape)).reshape(-1)

    def transposed(self, weights: Tensor) -> Tensor:
        """Return Jᵀ k, (P,)."""
        return self._combination.adjoint(weights.reshape(self._grid)).reshape(-1)


def solve(space: Space, slopes: Mapping[Orders, Slope], residual: Tensor, data: Data, modes: Modes) -> Solved:
    """Return the coefficients that minimise ‖residual + √w Σ_S s_S ∂^S u‖² of the functions u with these data."""
    total = space.lift(data)
    whole = Combination([axis.expansion for axis in space.axes], slopes)
    iterations, removable, expected, gradient, start = 0, math.inf, 0.0, math.inf, 0.0
    for _ in range(ROUNDS):
        rest = residual + whole.values(total)
        rows = Operator(space, slopes, rest)
        before = float(rows.residual.norm())
        if iterations and abs(before - expected) <= DRIFT * expected:
            break  # the recurrence of the residual has lost no digits
        found = conjugate_gradients(rows, modes, ITERATIONS, TOLERANCE, removable=REMOVABLE)
        total = total + space.extended(found.step.reshape(rows.shape))
        iterations += found.iterations
        start = max(start, found.start)
        gradient = found.left * found.start / start if start > 0 else 0.0
        expected = float((rows.residual + found.image).norm())
        removable = found.left * found.start / expected if expected > 0 else 0.0
    return Solved(total, expected, iterations, removable, gradient)


def by_orders(slopes: Mapping[MultiIndex, Slope], dimension: int) -> dict[Orders, Slope]:
    """Return slopes by partials as slopes by orders."""
    return {orders_of(partial, dimension): slope for partial, slope in slopes.items()}
