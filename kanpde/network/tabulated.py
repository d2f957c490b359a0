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

CHUNK = 1024  # points looked up at once
FEWEST = 512  # points below which the table costs more than it saves
MOST_ENTRIES = 2**17  # of a table, which must stay in the cache
ROUND = {torch.float32: 2**24, torch.float64: 2**31 - 1}  # whole numbers up to these are exact, and indices


def can_be_tabulated(layer: KANLayer, x: Tensor) -> bool:
    """Return whether `tabulated` gives the values of the layer at x (n, i): splines on lines, on the CPU."""
    basis, like = layer.basis, layer.coefficients
    if not isinstance(basis, BSpline) or not basis.straight or basis.base is not None:
        return False
    entries = basis.inputs * (basis.intervals + 2) * (basis.degree + 1)
    small = entries * layer.subnodes <= MOST_ENTRIES
    return small and not any(basis.periodic) and x.device.type == "cpu" and x.dtype == like.dtype in ROUND


class Tabulated:
    """A layer as a table; a call returns the nodes' values (outputs, n) at x (i, n), as the layer does."""

    def __init__(self, layer: KANLayer) -> None:
        basis, self.layer = layer.basis, layer
        assert isinstance(basis, BSpline)
        live, coefficients = layer.splines()
        self.live = live
        ends = basis.knots[live, basis.degree : basis.degree + basis.intervals + 1].contiguous()
        self.uniform, self.ends = basis.uniform, ends
        if basis.uniform:
            self.rate = basis.scales[1, 0][live, 0]
            self.shift = 1 - basis.start[live, 0] * self.rate
            pieces = basis.table[0, :, : basis.degree + 1].T.expand(len(coefficients), 1, -1, -1)
        else:
            steps = ends.diff(dim=1)
            steps = torch.cat([steps[:, :1], steps, steps[:, -1:]], dim=1)  # with the intervals beyond the ends
            self.rates, self.lefts = 1 / steps, torch.cat([ends[:, :1] - steps[:, :1], ends], dim=1)
            pieces = basis.pieces[live]
        self.table = table_of(coefficients, pieces)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.cat([self.nodes(part) for part in torch.split(x, CHUNK, dim=1)], dim=1)

    def nodes(self, x: Tensor) -> Tensor:
        """Return the nodes' values at a few points."""
        fixed, inputs = self.layer.fixed, x[self.live].T
        if not inputs.shape[1]:
            assert fixed is not None
            return self.layer.combined(fixed.values(x))
        found = looked_up(self.table, *self.located(inputs)).T
        return self.layer.combined(found if fixed is None else found + fixed.values(x))

    def located(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cell of the table, as a number without fraction, and ξ of every x (n, i)."""
        if self.uniform:
            position = torch.addcmul(self.shift, x, self.rate)
            cell = position.floor().nan_to_num(0.0).clamp(0, self.ends.shape[1])  # NaN has no interval
            return cell, position - cell - 0.5
        columns = x.T.contiguous()
        cells = torch.searchsorted(self.ends, columns, right=True)
        xi = (columns - self.lefts.gather(1, cells)) * self.rates.gather(1, cells) - 0.5
        return cells.T.to(x.dtype), xi.T.contiguous()


def table_of(coefficients: Tensor, pieces: Tensor) -> Tensor:
    """Return C (i, m + 2, k + 1, o) from coefficients (i, g, o) and the splines' `pieces` (i, m or 1, q, j)."""
    degree = pieces.shape[3] - 1
    windows = coefficients.unfold(1, degree + 1, 1)  # (i, m, o, j)
    inner = pieces @ windows.transpose(2, 3)
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


def looked_up(table: Tensor, cell: Tensor, xi: Tensor) -> Tensor:
    """Return the sums over the inputs (n, o) at ξ (n, i) in cells (n, i) of the table (i, m, q, o)."""
    inputs, cells, terms, outputs = table.shape
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
