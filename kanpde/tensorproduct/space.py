"""The tensor product of axes: u_f(x) = Σ_j c_{jf} Π_a B_{j_a}(x_a)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kanpde.jets import JetPlan
from kanpde.tensorproduct.axes import Array, Axis, design, gauss_points, gauss_weights, transfer


@dataclass(frozen=True)
class Local:
    """The products that do not vanish at points: their numbers (n, m) and jets (n, S, m)."""

    plan: JetPlan
    columns: Tensor
    features: Tensor

    def jets(self, coefficients: Tensor) -> Tensor:
        """Coefficients (P, f) -> jets (n, S, f)."""
        return torch.einsum("nsm,nmf->nsf", self.features, coefficients[self.columns])


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

    def numberings(self) -> Iterator[Tensor]:
        """Ways to number the products (P,): the longest axis slowest, from one end or from both ends inwards."""
        longest = int(np.argmax(self.shape))
        others = [a for a in range(len(self.shape)) if a != longest]
        count = self.shape[longest]
        straight = torch.arange(count)
        inwards = torch.minimum(2 * straight, 2 * (count - 1 - straight) + 1)
        for along in (straight, inwards):
            order = along.view([-1 if a == longest else 1 for a in range(len(self.shape))])
            for a in others:
                each = torch.arange(self.shape[a]).view([-1 if b == a else 1 for b in range(len(self.shape))])
                order = order * self.shape[a] + each
            yield order.flatten()

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
        return Local(plan, columns, torch.stack(rows, dim=1))
