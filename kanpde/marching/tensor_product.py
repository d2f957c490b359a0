"""The tensor product of axes: u_f(x) = Σ_j c_{jf} Π_a B_{j_a}(x_a)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from kanpde.arrays import Array
from kanpde.calculus.jets import JetPlan
from kanpde.marching.axes import Axis, design, gauss_points, gauss_weights, transfer


@dataclass(frozen=True)
class Local:
    """The products that do not vanish at points: their numbers (n, m) and jets (n, S, m), of `size` products in all."""

    plan: JetPlan
    columns: Tensor
    features: Tensor
    size: int

    def jets(self, coefficients: Tensor) -> Tensor:
        """Coefficients (P, f) -> jets (n, S, f)."""
        return torch.einsum("nsm,nmf->nsf", self.features, coefficients[self.columns])

    def adjoint(self, jets: Tensor) -> Tensor:
        """The transpose of `jets`: (n, S, f) -> (P, f)."""
        total = jets.new_zeros(self.size, jets.shape[2])
        shares = torch.einsum("nsf,nsm->nmf", jets, self.features)
        return total.index_add_(0, self.columns.reshape(-1), shares.flatten(0, 1))


@dataclass(frozen=True, eq=False)
class Line:
    """An axis' functions at n of its points: those of all `size` that do not vanish there, and their derivatives.

    They have the numbers `columns` (n, k) and the `values` (n, orders, k). Every `each` points that follow each other
    have the same columns.
    """

    size: int
    columns: Tensor
    values: Tensor
    each: int

    @classmethod
    def of(cls, axis: Axis, x: Tensor, orders: int) -> Line:
        """The axis at x (n,)."""
        columns, values = axis.local(x, orders)
        grouped = columns.view(-1, axis.nodes, columns.shape[1]) if len(x) % axis.nodes == 0 else columns[:, None]
        alike = torch.equal(grouped, grouped[:, :1].expand_as(grouped))
        return cls(axis.size, columns, values, grouped.shape[1] if alike else 1)

    @cached_property
    def matrices(self) -> tuple[Tensor, ...]:
        """All functions (n, size), for every order of differentiation."""
        dense = self.values.new_zeros(*self.values.shape[:2], self.size)
        dense.scatter_add_(
            2, self.columns[:, None].expand_as(self.values), self.values
        )  # circles: columns may coincide
        return dense.unbind(1)


@dataclass(frozen=True)
class OnGrid:
    """A tensor product on a tensor grid, one axis after the other.

    That costs O(n k) for each axis instead of O(n kᵈ) at n points (sum factorisation: Orszag, J. Comput. Phys. 37
    (1980) 70).
    """

    plan: JetPlan
    lines: tuple[Line, ...]

    @cached_property
    def orders(self) -> list[tuple[int, ...]]:
        """How often every partial is along each axis."""
        return [tuple(partial.count(a) for a in range(len(self.lines))) for partial in self.plan.partials]

    def jets(self, coefficients: Tensor) -> Tensor:
        """Coefficients (P, f) -> jets (n, S, f)."""
        found: dict[tuple[int, ...], Tensor] = {(): coefficients}
        for a, line in enumerate(self.lines):
            keys = dict.fromkeys(orders[: a + 1] for orders in self.orders)
            # The axis' functions stand first and its points are put last, so that the next axis is the first one then.
            found = {k: found[k[:-1]].reshape(line.size, -1).T @ line.matrices[k[-1]].T for k in keys}
        fields = coefficients.shape[1]
        return torch.stack([found[orders].view(fields, -1) for orders in self.orders]).permute(2, 0, 1)

    def adjoint(self, jets: Tensor) -> Tensor:
        """The transpose of `jets`: (n, S, f) -> (P, f)."""
        found = dict(zip(self.orders, jets.permute(1, 2, 0).contiguous().unbind(0), strict=True))
        for line in reversed(self.lines):
            before: dict[tuple[int, ...], Tensor] = {}
            for key, each in found.items():
                matrix = line.matrices[key[-1]]
                share = matrix.T @ each.reshape(-1, matrix.shape[0]).T
                before[key[:-1]] = before[key[:-1]].add_(share) if key[:-1] in before else share
            found = before
        return found[()].reshape(-1, jets.shape[2])


class TensorProduct:
    """Products of one function for every axis; the last axis' number runs fastest."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        self.axes = tuple(axes)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(axis.size for axis in self.axes)

    @property
    def size(self) -> int:
        """How many products there are."""
        return int(np.prod(self.shape))

    @property
    def longest(self) -> int:
        """The axis with the most functions."""
        return int(np.argmax(self.shape))

    def numberings(self, fields: int) -> Iterator[tuple[Tensor, ...]]:
        """Ways to number unknowns: positions (size_a,) for every axis, whose sum and the field's number say the place.

        The longest axis is the slowest, and runs from one end to the other, or from both ends inwards.
        """
        stride, positions = fields, [torch.zeros(0)] * len(self.axes)
        for a in reversed([a for a in range(len(self.axes)) if a != self.longest]):
            positions[a] = stride * torch.arange(self.shape[a])
            stride *= self.shape[a]
        count = self.shape[self.longest]
        straight = torch.arange(count)
        for along in (straight, torch.minimum(2 * straight, 2 * (count - 1 - straight) + 1)):
            yield tuple(stride * along if a == self.longest else each for a, each in enumerate(positions))

    def values(self, axis: int, coefficients: Array) -> Array:
        """Coefficients (*shape, f) as functions of one axis, (size, c): at Gauss points of the others, weighted."""
        for a, other in enumerate(self.axes):
            if a == axis:
                continue
            low, high = other.breakpoints[[0, -1]]
            matrix = design(other, low + (high - low) * gauss_points(other)) * np.sqrt(gauss_weights(other))[:, None]
            coefficients = np.moveaxis(np.tensordot(matrix, coefficients, (1, a)), 0, a)
        return np.moveaxis(coefficients, axis, 0).reshape(self.shape[axis], -1)

    def transferred(self, old: TensorProduct, coefficients: Array) -> Array:
        """The coefficients (*shape, f) of a function of another product of as many axes."""
        for a, (one, other) in enumerate(zip(old.axes, self.axes, strict=True)):
            if one is not other:
                coefficients = np.moveaxis(np.tensordot(transfer(one, other), coefficients, (1, a)), 0, a)
        return coefficients

    def _along(self, axis: int, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        """The axis' functions at x (n,), evaluated once where x repeats, as it does on grids."""
        places, place = torch.unique(x, return_inverse=True)
        columns, values = self.axes[axis].local(places, orders)
        return columns[place], values[place]

    def local(self, points: Tensor, plan: JetPlan) -> Local:
        """What does not vanish at points (n, d)."""
        each = [self._along(a, points[:, a], plan.order + 1) for a in range(len(self.axes))]
        columns = each[0][0]
        for (one, _), size in zip(each[1:], self.shape[1:], strict=True):
            columns = (columns[:, :, None] * size + one[:, None, :]).flatten(1)
        rows = []
        for partial in plan.partials:
            row = each[0][1][:, partial.count(0)]
            for a, (_, values) in enumerate(each[1:], start=1):
                row = (row[:, :, None] * values[:, None, partial.count(a)]).flatten(1)
            rows.append(row)
        return Local(plan, columns, torch.stack(rows, dim=1), self.size)

    def on_grid(self, lines: Sequence[Tensor], plan: JetPlan) -> OnGrid:
        """Ready for the grid of these coordinates, (n_a,) for every axis; the last axis runs fastest."""
        pairs = zip(self.axes, lines, strict=True)
        return OnGrid(plan, tuple(Line.of(axis, line, plan.order + 1) for axis, line in pairs))


def lines_of(points: Tensor, shape: Sequence[int]) -> list[Tensor] | None:
    """The coordinates (n_a,) of every axis, if points (n, d) are a tensor grid of this shape."""
    grid = points.view(*shape, len(shape))
    lines = []
    for a in range(len(shape)):
        spread = grid[..., a].movedim(a, 0).reshape(shape[a], -1)
        if not torch.equal(spread, spread[:, :1].expand_as(spread)):
            return None
        lines.append(spread[:, 0].contiguous())
    return lines
