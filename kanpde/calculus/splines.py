"""B-splines of degree k on knots t_0 < t_1 < … < t_{n+2k}: n intervals [t_k, t_{k+n}] and n + k basis functions.

On every interval the k + 1 non-zero basis functions are polynomials of the local coordinate ξ = (x − centre)/h ∈ [−½,
½]. Their coefficients are computed once per grid by the Cox–de Boor recursion on polynomials (de Boor, "A Practical
Guide to Splines", X.11), so that values and derivatives of any order are one small matrix product, without recursion.
The polynomials of the first and last interval extend beyond the grid, so every function stays smooth.

Knots have a leading axis: one knot vector for every input of a layer, all with the same number of intervals.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array


def uniform_knots(low: Array, high: Array, intervals: int, degree: int) -> Array:
    """Return equidistant knots (i, n + 2k + 1) with [t_k, t_{k+n}] = [low, high], `degree` more on either side."""
    steps = np.arange(-degree, intervals + degree + 1) / intervals
    low, high = np.atleast_1d(low)[:, None], np.atleast_1d(high)[:, None]
    return np.asarray(low + (high - low) * steps, dtype=np.float64)


def knots_through(breakpoints: Array, degree: int) -> Array:
    """Return knots (i, n + 2k + 1) through breakpoints (i, n + 1), continued beyond both ends by the mean spacing."""
    breakpoints = np.atleast_2d(np.asarray(breakpoints, dtype=np.float64))
    step = (breakpoints[:, -1:] - breakpoints[:, :1]) / (breakpoints.shape[1] - 1)
    beyond = step * np.arange(1, degree + 1)
    return np.concatenate([breakpoints[:, :1] - beyond[:, ::-1], breakpoints, breakpoints[:, -1:] + beyond], axis=1)


def clamped_knots(breakpoints: Array, degree: int) -> Array:
    """Return knots (i, n + 2k + 1) through breakpoints (i, n + 1) with repeated ends, the best conditioned."""
    breakpoints = np.atleast_2d(np.asarray(breakpoints, dtype=np.float64))
    first, last = (np.repeat(end, degree, axis=1) for end in (breakpoints[:, :1], breakpoints[:, -1:]))
    return np.concatenate([first, breakpoints, last], axis=1)


def periodic_knots(breakpoints: Array, degree: int) -> Array:
    """Return knots (i, n + 2k + 1) through breakpoints (i, n + 1), continued periodically, also if n < k."""
    breakpoints = np.atleast_2d(np.asarray(breakpoints, dtype=np.float64))
    intervals = breakpoints.shape[1] - 1
    periods, place = np.divmod(np.arange(-degree, intervals + degree + 1), intervals)
    knots = breakpoints[:, place] + periods * (breakpoints[:, -1:] - breakpoints[:, :1])
    knots[:, degree + intervals] = breakpoints[:, -1]
    return np.asarray(knots)


def knots_on(breakpoints: Array, degree: int, *, periodic: bool) -> Array:
    """Return `periodic_knots` or `clamped_knots`, of which the splines are a whole space on the breakpoints."""
    return periodic_knots(breakpoints, degree) if periodic else clamped_knots(breakpoints, degree)


def polynomial_pieces(knots: Array, degree: int) -> Array:
    """Return coefficients (i, n, k+1, k+1) of the basis functions on every interval.

    The axes are [input, interval, power of ξ, basis function]. On interval j the non-zero functions are B_j, …, B_{j+k}
    (numbered from 0).
    """
    inputs, count = knots.shape
    intervals = count - 2 * degree - 1
    first = np.arange(intervals) + degree  # the knot where each interval begins
    left, right = knots[:, first], knots[:, first + 1]
    centre, step = (left + right) / 2, right - left
    # The knots around each interval, and their distances from its centre; intervals are the last axis of all arrays.
    around = knots[:, first + np.arange(1 - degree, degree + 1)[:, None]].swapaxes(0, 1)
    behind = centre - around
    pieces = np.ones((1, 1, inputs, intervals))
    for p in range(1, degree + 1):
        # B_j of degree p − 1 feeds its two neighbours of degree p; t0 and t1 are its first and last knots.
        width = around[degree : degree + p] - around[degree - p : degree]
        rising = np.zeros((p + 1, p, inputs, intervals))
        # Ratios of lengths come first: those of even knots are exact.
        np.multiply(behind[degree - p : degree] / width, pieces, out=rising[:p])
        rising[1:] += step / width * pieces
        after = np.zeros((p + 1, p + 1, inputs, intervals))
        after[:, 1:] = rising
        after[:, :p] -= rising
        after[:p, :p] += pieces
        pieces = after
    return np.ascontiguousarray(pieces.transpose(2, 3, 0, 1))


def derivative_powers(degree: int, orders: int) -> Array:
    """Return D (orders, k+1, k+1) with d^m/dξ^m Σ_p c_p ξ^p = Σ_{p,q} D[m,q,p] c_p ξ^q."""
    result = np.zeros((orders, degree + 1, degree + 1))
    for m in range(min(orders, degree + 1)):
        for p in range(m, degree + 1):
            result[m, p - m, p] = np.prod(np.arange(p - m + 1, p + 1)) if m else 1.0
    return result


@cache
def cardinal_table(degree: int) -> Array:
    """Return the matrix (orders, k+1, k+3) from 1, ξ, …, ξ^k, δ, |δ| to the derivatives of splines on spacing 1.

    Beyond the grid ξ is ±½ and a spline goes on as p(±½) + δ p'(±½), with the even part of p' times δ and the odd part
    times |δ|.
    """
    piece = polynomial_pieces(np.arange(2.0 * degree + 2)[None], degree)[0, 0]
    powers = np.einsum("mqp,pj->mjq", derivative_powers(degree, degree + 1), piece)
    table = np.zeros((degree + 1, degree + 1, degree + 3))
    table[:, :, : degree + 1] = powers
    below, above = (powers[1] @ half ** np.arange(degree + 1) for half in (-0.5, 0.5))
    table[0, :, degree + 1], table[0, :, degree + 2] = (above + below) / 2, (above - below) / 2
    return table


def local_coordinates(x: Tensor, knots: Tensor, degree: int, uniform: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return the interval (n, i) of every x (n, i), its local coordinate ξ (n, i), and 1/h, (1, i) or (n, i)."""
    intervals = knots.shape[1] - 2 * degree - 1
    low, high = knots[:, degree], knots[:, degree + intervals]
    if uniform:
        inverse = (intervals / (high - low))[None]
        position = (x - low) * inverse
        interval = position.detach().floor().clamp_(0, intervals - 1).nan_to_num_(0.0)  # NaN has no integer
        return interval.long(), position - interval - 0.5, inverse
    inner = knots[:, degree + 1 : degree + intervals].contiguous()
    interval = torch.searchsorted(inner, x.detach().T.contiguous(), right=True).T.contiguous()
    rows = torch.arange(knots.shape[0], device=x.device)
    left, right = knots[rows, interval + degree], knots[rows, interval + degree + 1]
    inverse = 1 / (right - left)
    return interval, (x - left) * inverse - 0.5, inverse


def blossom(knots: Array, coefficients: Array, degree: int, interval: int, arguments: Array) -> Array:
    """Return the polar form of one polynomial piece at `arguments` (k,): coefficients (n + k, c) -> (c,).

    This is de Boor's algorithm with a different argument on every level (Ramshaw, "Blossoms are polar forms", CAGD 6
    (1989)).
    """
    values = coefficients[interval : interval + degree + 1].copy()
    first = interval + degree  # the knot where the interval begins
    for level in range(1, degree + 1):
        x = arguments[level - 1]
        start = first - degree + np.arange(level, degree + 1)
        ratio = (x - knots[start]) / (knots[start + degree + 1 - level] - knots[start])
        values = (1 - ratio)[:, None] * values[:-1] + ratio[:, None] * values[1:]
    return np.asarray(values[0])


def refinement_matrix(old: Array, new: Array, degree: int) -> Array:
    """Return T (n_new + k, n_old + k), which maps coefficients on `old` knots to those of the function on `new` knots.

    It is exact if the breakpoints of `old` are among those of `new` (knot insertion by blossoming). `old` and `new` are
    single knot vectors.
    """
    count_old, count_new = len(old) - degree - 1, len(new) - degree - 1
    intervals = count_old - degree
    identity = np.eye(count_old)
    result = np.empty((count_new, count_old))
    for i in range(count_new):
        # Every piece in the new function's support is exact; the nearest to the middle of its inner knots is taken.
        inner = range(max(i, degree), min(i + degree, count_new - 1) + 1)
        middle = min(
            inner, key=lambda j: abs((new[j] + new[j + 1]) / 2 - new[i + 1 : i + degree + 1].mean() if degree else 0.0)
        )
        where = (new[middle] + new[middle + 1]) / 2
        interval = int(
            np.clip(np.searchsorted(old[degree : degree + intervals + 1], where, side="right") - 1, 0, intervals - 1)
        )
        result[i] = blossom(old, identity, degree, interval, new[i + 1 : i + degree + 1])
    return result


def dense_basis(x: Array, knots: Array, degree: int) -> Array:
    """Return all basis functions (points, n + k) of one knot vector at x (points,), continued beyond the ends."""
    intervals = len(knots) - 2 * degree - 1
    interval, xi, _ = local_coordinates(
        torch.as_tensor(x)[:, None], torch.as_tensor(knots)[None], degree, uniform=False
    )
    where = interval[:, 0].numpy()
    powers = xi.numpy() ** np.arange(degree + 1)
    local = np.einsum("np,npj->nj", powers, polynomial_pieces(knots[None], degree)[0][where])
    result = np.zeros((len(x), intervals + degree))
    np.put_along_axis(result, where[:, None] + np.arange(degree + 1), local, axis=1)
    return result
