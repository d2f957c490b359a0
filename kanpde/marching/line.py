"""The functions of one axis at points on a line, and the products of their values with coefficients and with rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from kanpde.marching.axes import KEPT, Axis, dense

FEW = 8  # values side by side up to which a product with one matrix is faster than one for every sum
WIDER = 48  # ratio of all functions of an axis and of those at a point from which whole matrices are not used, times
# the number of points that share these functions


@dataclass(frozen=True, eq=False)
class Line:
    """The non-zero functions of an axis at n points: their indices `columns` (n, k) and `values` (n, orders, k).

    `size` is the number of all functions. Each group of `each` successive points has the same columns.
    """

    size: int
    columns: Tensor
    values: Tensor
    each: int

    @classmethod
    def of(cls, axis: Axis, x: Tensor, orders: int) -> Line:
        """Return an axis's functions at x (n,), with at least these orders; the last few lines of an axis are kept."""
        if x.device.type != "cpu":
            return cls._of(axis, x, orders)
        key, known = x.numpy().tobytes(), axis.lines
        line = known.get(key)
        if line is None or line.orders < orders:
            while len(known) >= KEPT:
                del known[next(iter(known))]
            line = known[key] = cls._of(axis, x, orders)
        return line

    @classmethod
    def _of(cls, axis: Axis, x: Tensor, orders: int) -> Line:
        columns, values = axis.local(x, orders)
        grouped = columns.view(-1, axis.nodes, columns.shape[1]) if len(x) % axis.nodes == 0 else columns[:, None]
        alike = torch.equal(grouped, grouped[:, :1].expand_as(grouped))
        return cls(axis.size, columns, values, grouped.shape[1] if alike else 1)

    @property
    def orders(self) -> int:
        """The number of known orders of differentiation."""
        return self.values.shape[1]

    def with_other(self, other: Line, key: Any, compute: Callable[[], Any]) -> Any:
        """Return what is computed from this line and another one, which many normal matrices need, once."""
        known = self._with_others.setdefault((id(other), key), (other, None))  # the other one lives as long
        if known[1] is None:
            known = self._with_others[id(other), key] = (other, compute())
        return known[1]

    @cached_property
    def _with_others(self) -> dict[Any, tuple[Line, Any]]:
        return {}

    def same(self, other: Line) -> bool:
        """Return True if this line has the functions and the points of another one, with any orders."""
        return (
            self.size == other.size
            and torch.equal(self.columns, other.columns)
            and torch.equal(self.values[:, 0], other.values[:, 0])
        )

    @cached_property
    def matrices(self) -> tuple[Tensor, ...]:
        """The matrices (n, size) of all functions, one for each order of differentiation."""
        return dense(self.columns, self.values, self.size).unbind(1)

    def product(self, order: int, coefficients: Tensor) -> Tensor:
        """Return the sums of the functions, differentiated `order` times, with coefficients (size, r), as (r, n)."""
        if not self._grouped:
            return coefficients.T @ self.matrices[order].T
        return torch.bmm(self._windows[order], coefficients[self._groups]).flatten(0, 1).T

    def transposed(self, order: int, rows: Tensor) -> Tensor:
        """Apply the transpose of `product`: (r, n) -> (size, r)."""
        if not self._grouped:
            return self.matrices[order].T @ rows.T
        windows = self._windows[order]
        shares = torch.bmm(windows.transpose(1, 2), rows.T.reshape(*windows.shape[:2], -1))
        total = rows.new_zeros(self.size, len(rows))
        return total.index_add_(0, self._groups.reshape(-1), shares.flatten(0, 1))

    @property
    def _grouped(self) -> bool:
        """True if products with the non-zero functions of every group are faster than those with whole matrices."""
        return self.each > 1 and self.size * self.each > WIDER * self.columns.shape[1]

    @cached_property
    def _groups(self) -> Tensor:
        """The columns (groups, k)."""
        return self.columns[:: self.each]

    @cached_property
    def _windows(self) -> tuple[Tensor, ...]:
        """The values (groups, each, k) by the order of differentiation."""
        windows = self.values.view(-1, self.each, *self.values.shape[1:])
        return tuple(each.contiguous() for each in windows.unbind(2))


def weighted(weights: Tensor, values: Tensor) -> Tensor:
    """Return the weighted sums of values (m, size, r) over their second axis, (m, r)."""
    if values.shape[2] > FEW:
        return weights @ values
    unit = torch.eye(values.shape[2], dtype=values.dtype, device=values.device)
    return values.flatten(1) @ torch.kron(weights[:, None], unit)
