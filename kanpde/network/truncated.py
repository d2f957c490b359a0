"""The values of many points without gradients, on few equidistant intervals: truncated powers and one matrix product.

A spline of degree k with the interior knots κ, in steps of the grid from the middle of a middle interval, is

    Σ_q a_q p^q + Σ_{κ>0} b_κ (p − κ)₊^k + Σ_{κ<0} b_κ (κ − p)₊^k + e δ + f |δ|,

with p held within the grid and δ the distance beyond it. Powers grow from the middle outward, so that few digits
cancel. All terms of all inputs are computed by few operations on large arrays, which are faster than looking up rows in
a table.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus import splines
from kanpde.calculus.arrays import Array
from kanpde.network.bspline import BSpline
from kanpde.network.layer import KANLayer

MOST = 6  # intervals at most: with more of them a table is as fast, and more digits cancel


def can_be_truncated(layer: KANLayer) -> bool:
    """Return whether `Truncated` may evaluate a layer that can be tabulated."""
    basis = layer.basis
    return isinstance(basis, BSpline) and basis.uniform and basis.intervals <= MOST


class Truncated:
    """A layer with the terms' coefficients; a call returns the nodes' values (n, outputs) at x (n, i), as it does."""

    def __init__(self, layer: KANLayer) -> None:
        basis, self.layer = layer.basis, layer
        assert isinstance(basis, BSpline)
        live, coefficients = layer.splines()
        self.live = live
        self.degree, self.intervals = basis.degree, basis.intervals
        self.low = -0.5 - (basis.intervals - 1) // 2
        self.rate = basis.scales[1, 0][live]
        self.shift = self.low - basis.start[live] * self.rate
        terms = torch.as_tensor(terms_of(basis.degree, basis.intervals)).to(coefficients) @ coefficients
        self.constant = terms[:, 0].sum(dim=0)[:, None]
        self.matrix = terms[:, 1:].transpose(0, 1).flatten(0, 1).T.contiguous()  # (o, terms · inputs)
        self.memory: tuple[Tensor, Tensor] | None = None
        knots = torch.as_tensor(knots_of(basis.intervals)).to(coefficients)[:, None, None]
        self.below, self.above = knots[knots < 0][:, None, None], knots[knots > 0][:, None, None]

    def __call__(self, x: Tensor) -> Tensor:
        fixed, columns = self.layer.fixed, x.T[self.live]
        if not len(columns):
            assert fixed is not None
            return self.layer.combined(fixed.values(x.T)).T
        found = torch.addmm(self.constant, self.matrix, self.terms(columns).flatten(0, 1))
        return self.layer.combined(found if fixed is None else found + fixed.values(x.T)).T

    def space(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return memory for the terms at x (i, n) and for the powers among them, the same for as many points."""
        if self.memory is None or self.memory[0].shape[2] != x.shape[1]:
            count = self.matrix.shape[1] // len(x)
            self.memory = x.new_empty(count, *x.shape), x.new_empty(self.intervals - 1, *x.shape)
        return self.memory

    def terms(self, x: Tensor) -> Tensor:
        """Return all terms but the constant at x (i, n), (terms, i, n)."""
        degree, left = self.degree, len(self.below)
        terms, base = self.space(x)
        beyond = torch.mul(x, self.rate, out=terms[-2]).add_(self.shift)
        inside = torch.clamp(beyond, self.low, self.low + self.intervals, out=terms[0])
        for power in range(1, degree):
            torch.mul(terms[power - 1], inside, out=terms[power])
        powers = terms[degree:-2]
        torch.sub(self.below, inside, out=powers[:left])
        torch.sub(inside, self.above, out=powers[left:])
        powers.clamp_(min=0)
        if degree > 1:
            base.copy_(powers)
            for _ in range(1, degree):
                powers.mul_(base)
        torch.abs(beyond.sub_(inside), out=terms[-1])
        return terms


def knots_of(intervals: int) -> Array:
    """Return the interior knots in steps of the grid, from the middle of a middle interval."""
    return np.arange(1, intervals, dtype=np.float64) - 0.5 - (intervals - 1) // 2


@functools.lru_cache(maxsize=64)
def terms_of(degree: int, intervals: int) -> Array:
    """Return the matrix (terms, functions) from coefficients of B-splines to those of the terms, the constant first."""
    pieces = np.asarray(splines.cardinal_table(degree))[0, :, : degree + 1].T  # (q, j)
    inner = np.zeros((intervals, degree + 1, intervals + degree))
    for m in range(intervals):
        inner[m, :, m : m + degree + 1] = pieces
    # The jump of the highest coefficient at every knot; left of the middle it is taken away again.
    jumps = inner[1:, degree] - inner[:-1, degree]
    jumps *= np.where(knots_of(intervals) > 0, 1.0, -((-1.0) ** degree))[:, None]
    orders = np.arange(degree + 1)
    first, last = (
        (orders * end ** np.maximum(orders - 1, 0)) @ inner[m] for m, end in ((0, -0.5), (intervals - 1, 0.5))
    )
    middle = inner[(intervals - 1) // 2]
    return np.asarray(np.concatenate([middle, jumps, [(first + last) / 2, (last - first) / 2]]), dtype=np.float64)
