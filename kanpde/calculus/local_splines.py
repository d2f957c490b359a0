"""The B-splines of one knot vector at many points: the non-zero ones, with derivatives, by few calls of NumPy.

On every interval the k + 1 splines that are not zero, and their derivatives, are polynomials of ξ, whose coefficients
are computed once (`polynomial_pieces`). Points of a grid lie in successive intervals, the same number in each, so that
one product of matrices for every interval gives all values there.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.calculus.splines import derivative_powers, knots_on, polynomial_pieces

Index = npt.NDArray[np.int64]
EVEN = 1e-12  # largest relative difference of the lengths of even intervals


class LocalSplines:
    """Splines of degree k on breakpoints (n + 1,), whose knots are clamped, or go around if they are `periodic`."""

    def __init__(self, breakpoints: Array, degree: int, *, periodic: bool) -> None:
        self._breakpoints, self._degree, self._periodic = breakpoints, degree, periodic
        self._derivatives = torch.zeros(0)
        self._orders = 0
        self._factors = np.zeros((0, 0))

    def at(self, x: Array, orders: int) -> tuple[Tensor, Tensor]:
        """Return the non-zero splines at x (n,): their indices (n, k+1) and derivatives (n, orders, k+1)."""
        b, count = self._breakpoints, len(self._breakpoints) - 1
        if self._periodic:
            x = x - np.floor((x - b[0]) / (b[-1] - b[0])) * (b[-1] - b[0])
        interval = np.searchsorted(b[1:-1], x, side="right")
        xi = (x - b[interval]) * self._inverse[interval] - 0.5
        columns = interval[:, None] + np.arange(self._degree + 1)
        powers = np.ones((len(x), self._degree + 1))
        np.multiply.accumulate(np.broadcast_to(xi[:, None], (len(x), self._degree)), axis=1, out=powers[:, 1:])
        values = self._products(powers, interval, self._table(orders)).view(len(x), -1, self._degree + 1)[:, :orders]
        if self._periodic:
            columns %= count
        # Polynomials of even knots have coefficients with few bits, which the factors 1/h^m would round.
        scales = self._scales(orders)[interval]
        return torch.from_numpy(columns), values * torch.from_numpy(scales)[..., None]

    def _products(self, powers: Array, interval: Index, table: Tensor) -> Tensor:
        """Return the products of powers (n, k+1) of ξ with the polynomials of their intervals (n,)."""
        count, size = len(self._breakpoints) - 1, self._degree + 1
        each, left = divmod(len(interval), count)
        if left == 0 and each > 0 and bool((interval.reshape(count, each) == np.arange(count)[:, None]).all()):
            return torch.bmm(torch.from_numpy(powers).view(count, each, size), table)
        if bool((interval[1:] < interval[:-1]).any()):
            return torch.bmm(torch.from_numpy(powers)[:, None], table[torch.from_numpy(interval)])
        # Points in ascending order: those of each interval are filled up with zeros to the largest number of them.
        counts = np.bincount(interval, minlength=count)
        within = np.arange(len(interval)) - (np.cumsum(counts) - counts)[interval]
        filled = np.zeros((count, counts.max(initial=1), size))
        filled[interval, within] = powers
        return torch.bmm(torch.from_numpy(filled), table)[torch.from_numpy(interval), torch.from_numpy(within)]

    def _table(self, orders: int) -> Tensor:
        """Return the polynomials of the splines' derivatives by ξ, (intervals, k+1 powers, orders · (k+1) splines).

        Those of more orders are kept if they are known.
        """
        if orders > self._orders:
            found = known_powers(self._degree, orders).reshape(-1, self._degree + 1) @ self.pieces
            found = found.reshape(len(found), orders, self._degree + 1, self._degree + 1)
            table = np.ascontiguousarray(found.transpose(0, 2, 1, 3)).reshape(*found.shape[:1], self._degree + 1, -1)
            self._derivatives, self._orders = torch.from_numpy(table), orders
        return self._derivatives

    def _scales(self, orders: int) -> Array:
        """Return the factors 1/h^m of every interval, (n, orders); those of the last number of orders are kept."""
        if self._factors.shape[1] != orders:
            self._factors = self._inverse[:, None] ** np.arange(orders)
        return self._factors

    @cached_property
    def pieces(self) -> Array:
        """The polynomials of the splines by ξ, (intervals, k+1 powers, k+1 splines)."""
        b, lengths = self._breakpoints, self._lengths
        if lengths.max() - lengths.min() <= EVEN * lengths[0]:
            return even_pieces(b.tobytes(), self._degree, self._periodic)
        return pieces_on(b, self._degree, self._periodic)

    @cached_property
    def _lengths(self) -> Array:
        """The length h of every interval, (n,)."""
        return np.diff(self._breakpoints)

    @cached_property
    def _inverse(self) -> Array:
        """1 / h of every interval, (n,)."""
        return np.asarray(1 / self._lengths)


@lru_cache(maxsize=64)
def known_powers(degree: int, orders: int) -> Array:
    """Return `derivative_powers`: shared, not to be written; compilers of networks cannot trace what is kept."""
    return derivative_powers(degree, orders)


def pieces_on(breakpoints: Array, degree: int, periodic: bool) -> Array:
    """Return the polynomials of the splines on breakpoints (n + 1,), (n, k+1 powers, k+1 splines)."""
    return np.asarray(polynomial_pieces(knots_on(breakpoints, degree, periodic=periodic), degree)[0])


@lru_cache(maxsize=64)
def even_pieces(breakpoints: bytes, degree: int, periodic: bool) -> Array:
    """Return the same for even breakpoints, on which most solutions begin: shared, not to be written."""
    return pieces_on(np.frombuffer(breakpoints), degree, periodic)
