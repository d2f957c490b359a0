"""The k + 1 splines that are not zero at a point, put into their rows among all splines of an input."""

from __future__ import annotations

import torch
from torch import Tensor


def curved_inside(values: Tensor, beyond: Tensor | None, orders: int) -> Tensor:
    """Return derivatives (m, j, i, n) with those of order 2 and more zero where x (i, n) is `beyond` the grid, if any.

    Orders that are not there, because they are above the degree, are zero.
    """
    if beyond is not None and len(values) > 2:
        values = torch.cat([values[:2], values[2:] * (beyond == 0)])
    missing = orders - len(values)
    return torch.cat([values, values.new_zeros(missing, *values.shape[1:])]) if missing else values


def place(first: Tensor, values: Tensor, functions: int) -> Tensor:
    """Return zeros (orders, i, functions, n) with `values` (orders, j, i, n) from row `first` (i, n) on."""
    orders, nonzero, inputs, count = values.shape
    device = values.device
    if torch.compiler.is_compiling():  # compilers fuse comparisons, but cannot fuse a scatter
        rows = torch.arange(functions, device=device)[:, None] - first[:, None]  # (i, functions, n)
        rows = rows.to(values.dtype)
        dense = torch.where(rows == 0, values[:, 0, :, None], 0.0)
        for j in range(1, nonzero):
            dense = torch.where(rows == j, values[:, j, :, None], dense)
        return dense
    starts = torch.arange(0, inputs * functions, functions, device=device)[:, None]
    rows = torch.arange(nonzero, device=device)[:, None, None] * count
    index = (first + starts) * count + torch.arange(count, device=device) + rows
    zeros = values.new_zeros(()).expand(orders, inputs * functions * count)
    dense = zeros.scatter(1, index.flatten().expand(orders, -1), values.flatten(1))
    return dense.view(orders, inputs, functions, count)


def place_apart(rows: Tensor, values: Tensor, functions: int) -> Tensor:
    """Return zeros (orders, i, functions, n) plus values (orders, j, i, n) in rows (j, i, n), which may coincide."""
    dense = values.new_zeros(len(values), rows.shape[1], functions, rows.shape[2])
    index = rows.transpose(0, 1).expand(len(values), -1, -1, -1)
    return dense.scatter_add(2, index, values.transpose(1, 2))
