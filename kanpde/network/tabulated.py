"""The values of many points without gradients: every edge as one polynomial for each interval, looked up in a table.

A spline of degree k on interval m of its grid is Σ_q C[i, m, q, o] ξ^q, with ξ from the middle of the interval. Rows
C[i, m, q] are summed with the weights ξ^q for all inputs in one pass, without the zeros of a matrix of all splines. Two
more intervals, one beyond each end, contain the lines on which edges go on.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from kanpde.network.bspline import BSpline
from kanpde.network.layer import KANLayer

FEWEST = 512  # points below which the table costs more than it saves
MOST_ENTRIES = 2**17  # of a table, which must stay in the cache
ROUND = {torch.float32: 2**24, torch.float64: 2**31 - 1}  # whole numbers up to these are exact, and indices


def can_be_tabulated(layer: KANLayer, x: Tensor) -> bool:
    """Return whether `tabulated` gives the values of the layer at x (n, i): splines on even grids, on the CPU."""
    basis, like = layer.basis, layer.coefficients
    if not isinstance(basis, BSpline) or not basis.uniform or not basis.straight or basis.base is not None:
        return False
    entries = basis.inputs * (basis.intervals + 2) * (basis.degree + 1)
    small = entries * layer.subnodes <= MOST_ENTRIES
    return small and not any(basis.periodic) and x.device.type == "cpu" and x.dtype == like.dtype in ROUND


class Tabulated:
    """A layer as a table; a call returns the nodes' values (n, outputs) at x (n, i), as the layer does."""

    def __init__(self, layer: KANLayer) -> None:
        basis, coefficients, self.layer = layer.basis, layer.coefficients, layer
        assert isinstance(basis, BSpline)
        self.rate, self.live = basis.scales[1, 0][:, 0], None if layer.fixed is None else list(layer.fixed.with_splines)
        self.shift = 1 - basis.start[:, 0] * self.rate
        if layer.fixed is not None:
            coefficients = (coefficients * layer.fixed.mask)[self.live]
            self.shift, self.rate = self.shift[self.live], self.rate[self.live]
        self.table = table_of(coefficients, basis.table[0, :, : basis.degree + 1])

    def __call__(self, x: Tensor) -> Tensor:
        fixed, inputs = self.layer.fixed, x if self.live is None else x[:, self.live]
        if inputs.shape[1]:
            found = looked_up(self.table, torch.addcmul(self.shift, inputs, self.rate))
            found = found if fixed is None else found + fixed.values(x.T).T
        else:
            assert fixed is not None
            found = fixed.values(x.T).T
        return self.layer.combined(found.T).T if self.layer.products else found


def table_of(coefficients: Tensor, pieces: Tensor) -> Tensor:
    """Return C (i, intervals + 2, k + 1, o) from coefficients (i, g, o) and the matrix `pieces` (j, q) of ξ^q."""
    degree = pieces.shape[1] - 1
    windows = coefficients.unfold(1, degree + 1, 1)  # (i, m, o, j)
    inner = (windows @ pieces).transpose(2, 3)
    powers = torch.arange(degree + 1, dtype=pieces.dtype)
    tails = []
    for cell, end in ((inner[:, :1], -0.5), (inner[:, -1:], 0.5)):
        values = end**powers
        slopes = powers * end ** (powers - 1).clamp_min(0)
        value, slope = ((cell * own[:, None]).sum(dim=2) for own in (values, slopes))
        line = torch.zeros_like(cell)
        line[:, :, 0], line[:, :, 1] = value + end * slope, slope  # ξ is −end there
        tails.append(line)
    return torch.cat([tails[0], inner, tails[1]], dim=1)


def looked_up(table: Tensor, position: Tensor) -> Tensor:
    """Return the sums over the inputs (n, o) at positions (n, i), in intervals of the table (i, m, q, o)."""
    inputs, cells, terms, outputs = table.shape
    cell = position.floor().nan_to_num(0.0).clamp(0, cells - 1)  # NaN has no interval
    xi = position - cell - 0.5
    inside = xi.clamp(-0.5, 0.5)  # the powers of a line beyond the grid are not used, and must not overflow
    weights = [torch.ones_like(xi), xi]
    while len(weights) < terms:
        weights.append((inside if len(weights) == 2 else weights[-1]) * inside)
    firsts = torch.arange(0, inputs * cells * terms, cells * terms, dtype=xi.dtype)
    first = (firsts + cell * terms).to(torch.int32)
    rows = torch.cat([first + q for q in range(terms)], dim=1)
    return functional.embedding_bag(
        rows, table.reshape(-1, outputs), per_sample_weights=torch.cat(weights, dim=1), mode="sum"
    )
