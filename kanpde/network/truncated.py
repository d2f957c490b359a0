"""The values of many points without gradients, on few equidistant intervals: truncated powers and one matrix product.

A spline of degree k on a grid with the interior knots ±κ, in steps from its middle, is

    Σ_q a_q p^q + Σ_κ (b_κ s_κ + c_κ |s_κ|) + e δ + f |δ|,    s_κ = S_κ(p) |S_κ(p)|^{k−1},

with p held within the grid and δ the distance beyond it. S_κ moves p towards zero by κ and is zero between the knots:
one operation, "soft shrinkage", for the truncated powers of two knots. These grow from the middle outward, so that few
digits cancel. All terms of all inputs are computed by few operations on large arrays, which are faster than looking up
rows in a table, for as many points at once as fit in the processor's cache.
"""

from __future__ import annotations

import functools
import itertools
import math
import threading
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kanpde.calculus import splines
from kanpde.calculus.arrays import Array
from kanpde.network.bspline import BSpline
from kanpde.network.layer import KANLayer
from kanpde.network.tabulated import Tabulated

MOST = 6  # intervals at most: with more of them a table is as fast, and more digits cancel
CACHED = 3 * 2**16  # terms at once, which are three eighths of a cache of 2 MB in single precision


def tables_of(layers: Sequence[KANLayer]) -> list[Truncated | Tabulated]:
    """Return what evaluates the layers, one after the other, if all of them can be tabulated."""
    tables = [Truncated(layer) if can_be_truncated(layer) else Tabulated(layer) for layer in layers]
    for table, following in itertools.pairwise(tables):
        if isinstance(table, Truncated) and isinstance(following, Truncated):
            table.lead_to(following)
    return tables


def can_be_truncated(layer: KANLayer) -> bool:
    """Return whether `Truncated` may evaluate a layer that can be tabulated."""
    basis = layer.basis
    return isinstance(basis, BSpline) and basis.uniform and basis.intervals <= MOST


class Truncated:
    """A layer with the terms' coefficients; a call returns the nodes' values (outputs, n) at x (i, n), as it does.

    It serves one evaluation of many points, and then is thrown away.
    """

    def __init__(self, layer: KANLayer) -> None:
        basis, self.layer = layer.basis, layer
        assert isinstance(basis, BSpline)
        self.live, coefficients = layer.splines()
        self.degree, self.half = basis.degree, basis.intervals / 2
        self.knots = knots_of(basis.intervals)
        self.rate = basis.scales[1, 0][self.live]
        self.shift = -self.half - basis.start[self.live] * self.rate
        self.positioned = False  # whether a call is given positions p instead of x
        terms = _matrix(basis.degree, basis.intervals, coefficients.dtype) @ coefficients  # (i, terms, o)
        self.constant = terms[:, 0].sum(dim=0)[:, None]
        self.matrix = terms[:, 1:].permute(2, 1, 0).flatten(1)  # (o, terms · inputs)
        self.step = max(CACHED // max(self.matrix.shape[1], 1), 1)
        self._held: dict[int, Terms] = {}

    def lead_to(self, following: Truncated) -> None:
        """Return positions on the grids of the `following` layer instead of values, where these are sums of edges."""
        if self.layer.fixed is None and following.layer.fixed is None and not self.layer.products:
            self.constant = torch.addcmul(following.shift, self.constant, following.rate)
            self.matrix = self.matrix * following.rate
            following.positioned = True

    def __call__(self, x: Tensor) -> Tensor:
        parts = [self.nodes(part) for part in torch.split(x, self.step, dim=1)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def nodes(self, x: Tensor) -> Tensor:
        """Return the nodes' values at a few points."""
        fixed, columns = self.layer.fixed, x[self.live]
        if not len(columns):
            assert fixed is not None
            return self.layer.combined(fixed.values(x))
        found = torch.addmm(self.constant, self.matrix, self.terms(columns))
        return self.layer.combined(found if fixed is None else found + fixed.values(x))

    def terms(self, x: Tensor) -> Tensor:
        """Return all terms but the constant at x (i, n), (terms · i, n), in memory that the next call uses again."""
        points = x.shape[1]
        if points not in self._held:
            self._held[points] = Terms(self.degree, self.knots, x)
        terms = self._held[points]
        terms.compute(x if self.positioned else torch.addcmul(self.shift, x, self.rate), self.half)
        return terms.every


class Terms:
    """The arrays of all terms at as many points as in x (i, n), so that they are found once for many such x."""

    def __init__(self, degree: int, knots: Sequence[float], x: Tensor) -> None:
        self.degree, self.knots = degree, knots
        kinds = degree + 2 * (1 + len(knots))
        rows = _memory(kinds * x.numel(), x.dtype).view(kinds, *x.shape)
        self.powers = rows[:degree].unbind()
        self.signed = rows[degree : degree + 1 + len(knots)]  # δ, then one for each of the knots
        self.sizes = rows[degree + 1 + len(knots) :]
        self.beyond, *self.shrunk = self.signed.unbind()
        self.raised = self.signed[1:]
        self.every = rows.flatten(0, 1)

    def compute(self, position: Tensor, half: float) -> None:
        """Compute the terms at positions on grids from −half to half."""
        inside = torch.clamp(position, -half, half, out=self.powers[0])
        torch.sub(position, inside, out=self.beyond)
        for lower, power in itertools.pairwise(self.powers):
            torch.mul(lower, inside, out=power)
        for knot, shrunk in zip(self.knots, self.shrunk, strict=True):
            functional.softshrink(inside, knot, out=shrunk)  # type: ignore[call-arg]  # torch's stub lacks `out`
        raise_signed(self.raised, self.degree)
        torch.abs(self.signed, out=self.sizes)


def raise_signed(values: Tensor, degree: int) -> None:
    """Turn values v into v |v|^{degree − 1}."""
    if degree == 3:
        values.pow_(3)  # one pass
    elif degree > 1:
        sizes = values.abs()
        for _ in range(1, degree):
            values.mul_(sizes)


def knots_of(intervals: int) -> list[float]:
    """Return the interior knots from the middle outward, in steps of the grid: 0, 1, … or 1/2, 3/2, …"""
    return [(intervals % 2) / 2 + m for m in range(intervals // 2)]


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
def _matrix(degree: int, intervals: int, dtype: torch.dtype) -> Tensor:
    return torch.as_tensor(terms_of(degree, intervals)).to(dtype)


def terms_of(degree: int, intervals: int) -> Array:
    """Return the matrix (terms, functions) from coefficients of B-splines to those of the terms, the constant first."""
    pieces = np.asarray(splines.cardinal_table(degree))[0, :, : degree + 1].T  # (q, j)
    inner = np.zeros((intervals, degree + 1, intervals + degree))
    for m in range(intervals):
        inner[m, :, m : m + degree + 1] = pieces
    jumps = inner[1:, degree] - inner[:-1, degree]  # of the highest coefficient at every knot
    right, left = jumps[intervals - 1 - intervals // 2 :].copy(), jumps[: intervals // 2][::-1].copy()
    if intervals % 2 == 0:  # one knot in the middle, of which each side has one half
        right[0], left[0] = right[0] / 2, left[0] / 2
    both = [(right - left) / 2, (right + left) / 2]  # on the terms s and |s|, if the degree is odd
    orders = np.arange(degree + 1)
    first, last = (
        (orders * end ** np.maximum(orders - 1, 0)) @ inner[m] for m, end in ((0, -0.5), (intervals - 1, 0.5))
    )
    lines = [(first + last) / 2, (last - first) / 2]
    if degree % 2 == 0:
        both.reverse()
    signed, sizes = (np.concatenate([line[None], jump]) for line, jump in zip(lines, both, strict=True))
    offset = (intervals % 2 - 1) / 2
    middle = (moved(degree, -offset) @ inner[(intervals - 1) // 2] + moved(degree, offset) @ inner[intervals // 2]) / 2
    return np.asarray(np.concatenate([middle, signed, sizes]), dtype=np.float64)


def moved(degree: int, by: float) -> Array:
    """Return the matrix from the coefficients of a polynomial in p + by to those of the same polynomial in p."""
    orders = range(degree + 1)
    return np.array([[math.comb(q, r) * by ** max(q - r, 0) for q in orders] for r in orders])
