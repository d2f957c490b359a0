"""The values of many points without gradients, on few equidistant intervals: truncated powers and one matrix product.

A spline of degree k with the interior knots κ, in steps of the grid from the middle of a middle interval, is

    Σ_q a_q p^q + Σ_{κ>0} b_κ max(p − κ, 0)^k + Σ_{κ<0} b_κ min(p − κ, 0)^k + e δ + f |δ|,

with p held within the grid and δ the distance beyond it. Powers grow from the middle outward, so that few digits
cancel. All terms of all inputs are computed by few operations on large arrays, which are faster than looking up rows in
a table, for as many points at once as fit in the processor's cache.
"""

from __future__ import annotations

import functools
import threading

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus import splines
from kanpde.calculus.arrays import Array
from kanpde.network.bspline import BSpline
from kanpde.network.layer import KANLayer

MOST = 6  # intervals at most: with more of them a table is as fast, and more digits cancel
CACHED = 3 * 2**16  # terms at once, which are three eighths of a cache of 2 MB in single precision


def can_be_truncated(layer: KANLayer) -> bool:
    """Return whether `Truncated` may evaluate a layer that can be tabulated."""
    basis = layer.basis
    return isinstance(basis, BSpline) and basis.uniform and basis.intervals <= MOST


class Truncated:
    """A layer with the terms' coefficients; a call returns the nodes' values (outputs, n) at x (i, n), as it does."""

    def __init__(self, layer: KANLayer) -> None:
        basis, self.layer = layer.basis, layer
        assert isinstance(basis, BSpline)
        self.live, coefficients = layer.splines()
        self.degree, self.intervals = basis.degree, basis.intervals
        self.low = -0.5 - (basis.intervals - 1) // 2
        self.rate = basis.scales[1, 0][self.live]
        self.shift = self.low - basis.start[self.live] * self.rate
        matrix, self.knots = _tensors(basis.degree, basis.intervals, coefficients.dtype, coefficients.device)
        terms = matrix @ coefficients  # (i, terms, o)
        self.constant = terms[:, 0].sum(dim=0)[:, None]
        self.matrix = terms[:, 1:].permute(2, 1, 0).flatten(1)  # (o, terms · inputs)
        self.step = max(CACHED // max(self.matrix.shape[1], 1), 1)

    def __call__(self, x: Tensor) -> Tensor:
        parts = [self.nodes(part) for part in torch.split(x, self.step, dim=1)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def nodes(self, x: Tensor) -> Tensor:
        """Return the nodes' values at a few points."""
        fixed, columns = self.layer.fixed, x[self.live]
        if not len(columns):
            assert fixed is not None
            return self.layer.combined(fixed.values(x))
        found = torch.addmm(self.constant, self.matrix, self.terms(columns).flatten(0, 1))
        return self.layer.combined(found if fixed is None else found + fixed.values(x))

    def terms(self, x: Tensor) -> Tensor:
        """Return all terms but the constant at x (i, n), (terms, i, n), in memory that the next call uses again."""
        degree, middle = self.degree, (self.intervals - 1) // 2
        terms = _memory(self.matrix.shape[1] * x.shape[1], x.dtype).view(-1, *x.shape)
        beyond = torch.mul(x, self.rate, out=terms[-2]).add_(self.shift)
        inside = torch.clamp(beyond, self.low, self.low + self.intervals, out=terms[0])
        torch.abs(beyond.sub_(inside), out=terms[-1])
        for power in range(1, degree):
            torch.mul(terms[power - 1], inside, out=terms[power])
        powers = torch.sub(inside, self.knots, out=terms[degree:-2])
        powers[:middle].clamp_(max=0)
        powers[middle:].clamp_(min=0)
        if degree in (2, 3):
            powers.pow_(degree)  # one pass
        elif degree > 1:
            base = powers.clone()
            for _ in range(1, degree):
                powers.mul_(base)
        return terms


def knots_of(intervals: int) -> Array:
    """Return the interior knots in steps of the grid, from the middle of a middle interval."""
    return np.arange(1, intervals, dtype=np.float64) - 0.5 - (intervals - 1) // 2


def _memory(size: int, dtype: torch.dtype) -> Tensor:
    """Return memory (size,) that all layers of a thread use in turn, so that it stays in the cache."""
    held: Tensor | None = getattr(_of_thread, str(dtype), None)
    if held is None or len(held) < size:
        with torch.inference_mode(False):
            held = torch.empty(size, dtype=dtype)
        setattr(_of_thread, str(dtype), held)
    return held[:size]


_of_thread = threading.local()


@functools.lru_cache(maxsize=64)
def _tensors(degree: int, intervals: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return `terms_of` and the interior knots (knots, 1, 1) as tensors."""
    matrix, knots = terms_of(degree, intervals), knots_of(intervals)[:, None, None]
    return torch.as_tensor(matrix).to(device, dtype), torch.as_tensor(knots).to(device, dtype)


def terms_of(degree: int, intervals: int) -> Array:
    """Return the matrix (terms, functions) from coefficients of B-splines to those of the terms, the constant first."""
    pieces = np.asarray(splines.cardinal_table(degree))[0, :, : degree + 1].T  # (q, j)
    inner = np.zeros((intervals, degree + 1, intervals + degree))
    for m in range(intervals):
        inner[m, :, m : m + degree + 1] = pieces
    # The jump of the highest coefficient at every knot; left of the middle it is taken away again.
    jumps = (inner[1:, degree] - inner[:-1, degree]) * np.sign(knots_of(intervals))[:, None]
    orders = np.arange(degree + 1)
    first, last = (
        (orders * end ** np.maximum(orders - 1, 0)) @ inner[m] for m, end in ((0, -0.5), (intervals - 1, 0.5))
    )
    middle = inner[(intervals - 1) // 2]
    return np.asarray(np.concatenate([middle, jumps, [(first + last) / 2, (last - first) / 2]]), dtype=np.float64)
