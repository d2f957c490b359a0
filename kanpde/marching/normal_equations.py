"""JᵀJ of rows on tensor grids, one axis after the other.

A row at point q is Σ_S w_S(q) Π_a B^{(S_a)}_{j_a}(q_a), so that

    (JᵀJ)_{jj'} = Σ_q Σ_{SS'} w_S w_{S'}(q) Π_a B^{(S_a)}_{j_a} B^{(S'_a)}_{j'_a}(q_a)

is summed over the points of one axis at a time, for all pairs j_a j'_a of its functions that meet at a point (sum
factorisation: Melenk, Gerdes and Schwab, CMAME 190 (2001) 4339).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kanpde.marching.line import Line
from kanpde.marching.tensor_product import OnGrid

LARGEST = 2**17  # the largest number of entries of one product of matrices, which caches hold
KEPT = 2**18  # the largest number of products of functions that are kept for later normal matrices


@dataclass(frozen=True)
class Pairs:
    """Functions of an axis that meet at a point, `first` (p,) of one line and `second` (p,) of another."""

    first: Tensor
    second: Tensor

    def same(self, other: Pairs) -> bool:
        """Return True if these are the same pairs in the same order."""
        return torch.equal(self.first, other.first) and torch.equal(self.second, other.second)

    def places(self, positions: Tensor, factors: tuple[int, int, int]) -> Tensor:
        """Return this axis's part of the pairs' places in the storage."""
        row, column, _ = factors
        return row * positions[self.first] + column * positions[self.second]


@dataclass(frozen=True)
class Sums:
    """The sums for two fields over the points of grids along all axes but the last one of an `order` of them.

    `pairs` are those of the axes that are summed, `last` the two lines of the other one, and `weights` (points of the
    last axis, pairs …) those of its orders.
    """

    fields: tuple[int, int]
    order: tuple[int, ...]
    pairs: Sequence[Pairs]
    last: tuple[Line, Line]
    weights: dict[tuple[int, int], Tensor]

    def plus(self, other: Sums) -> Sums | None:
        """Return the total of these sums and others, if they are of the same fields, pairs and points."""
        if self.fields != other.fields:
            return None
        pairs = all(one.same(two) for one, two in zip(self.pairs, other.pairs, strict=True))
        if not (pairs and all(one.same(two) for one, two in zip(self.last, other.last, strict=True))):
            return None
        weights = dict(self.weights)
        for orders, weight in other.weights.items():
            weights[orders] = weights[orders] + weight if orders in weights else weight
        one, two = (max(both, key=lambda line: line.orders) for both in zip(self.last, other.last, strict=True))
        return Sums(self.fields, self.order, self.pairs, (one, two), weights)

    def add(self, total: Tensor, factors: tuple[int, int, int], positions: Sequence[Tensor]) -> None:
        """Sum over the last axis and add the result to `total`.

        The unknown (j, f) has the position Σ_a positions[a][j_a] + f, and the pair at i and j the place a i + b j + c,
        with (a, b, c) = `factors`.
        """
        pairs, places = meeting(*self.last)
        (f, g), last = self.fields, positions[self.order[-1]]
        lower = last[pairs.first] >= last[pairs.second]
        values = along(*self.last, self.weights, places, len(pairs.first), lower)[lower]
        values = values.reshape(len(values), *(len(each.first) for each in self.pairs))
        slow = pairs.places(last, factors)
        place = slow[lower] + factors[0] * f + factors[1] * g + factors[2]
        for each, a in zip(self.pairs, self.order[:-1], strict=True):
            place = place[..., None] + each.places(positions[a], factors)
        total.index_add_(0, place.reshape(-1), values.reshape(-1))


def collect(sums: list[Sums], new: Sums) -> None:
    """Add sums to those of the same fields, pairs and points in a list, or append them."""
    for number, each in enumerate(sums):
        total = each.plus(new)
        if total is not None:
            sums[number] = total
            return
    sums.append(new)


def sums_over(slowest: int, one: tuple[OnGrid, Tensor], other: tuple[OnGrid, Tensor]) -> list[Sums]:
    """Return JᵀK, with J and K given by slopes (c, n, S, f) by the jets on two grids of the same shape."""
    (here, slopes), (there, others) = one, other
    shape = tuple(len(line.columns) for line in here.lines)
    order = (*(a for a in range(len(shape)) if a != slowest), slowest)
    lines = [(here.lines[a], there.lines[a]) for a in order]
    left, right = present(here, slopes), present(there, others)
    found = []
    for f in range(slopes.shape[3]):
        for g in range(others.shape[3]):
            weights = {}
            for one_orders, a_slope in left[f]:
                for other_orders, b_slope in right[g]:
                    key = tuple((one_orders[a], other_orders[a]) for a in order)
                    weights[key] = (a_slope * b_slope).sum(0).view(shape).permute(order)
            if weights:
                pairs, rest = contracted(lines[:-1], weights, shape[slowest])
                found.append(Sums((f, g), order, pairs, lines[-1], rest))
    return found


def rows_of(grid: OnGrid, slopes: Tensor) -> Tensor:
    """Return J as a whole matrix (c, n, P f) from slopes (c, n, S, f) by the jets on a grid."""
    count, shape = len(slopes), [len(line.columns) for line in grid.lines]
    sizes = [line.size for line in grid.lines]
    found = slopes.new_zeros(count, *shape, *sizes, slopes.shape[3])
    for f, terms in enumerate(present(grid, slopes)):
        # Terms of the same orders along the other axes are added while they are small.
        groups: dict[tuple[int, ...], Tensor] = {}
        for (first, *others), slope in terms:
            term = slope.reshape(count, shape[0], -1, 1) * grid.lines[0].matrices[first][:, None]
            key = tuple(others)
            groups[key] = groups[key] + term if key in groups else term
        for key, term in groups.items():
            total = term.view(count, *shape, sizes[0])
            for a, order in enumerate(key, start=1):
                functions = grid.lines[a].matrices[order]
                beside = [1] * (len(shape) - 1 - a) + [1] * a
                total = total[..., None] * functions.view(shape[a], *beside, sizes[a])
            found[..., f] += total
    return found.view(count, math.prod(shape), -1)


def present(grid: OnGrid, slopes: Tensor) -> list[list[tuple[tuple[int, ...], Tensor]]]:
    """Return the orders of each field's partials that occur in the rows, and the slopes (c, n) by them."""
    occurs = slopes.flatten(0, 1).any(dim=0).T.tolist()
    return [
        [(orders, slopes[:, :, s, f]) for s, orders in enumerate(grid.orders) if some[s]]
        for f, some in enumerate(occurs)
    ]


def contracted(
    lines: Sequence[tuple[Line, Line]], weights: dict[tuple[tuple[int, int], ...], Tensor], points: int
) -> tuple[list[Pairs], dict[tuple[int, int], Tensor]]:
    """Compute Σ_q w(q) Π_a B^{(m_a)}(q_a) B^{(n_a)}(q_a) over the points of all axes but the last, which has `points`.

    The weights are given by their orders ((m_1, n_1), …). Return the pairs of every axis that is summed, and by the
    last axis's orders the sums (points of the last axis, pairs of the first, of the second, …).
    """
    met = []
    for one, other in lines:
        groups: dict[tuple[tuple[int, int], ...], dict[tuple[int, int], Tensor]] = {}
        for (orders, *rest), weight in weights.items():
            groups.setdefault(tuple(rest), {})[orders] = weight.reshape(len(one.columns), -1)
        pairs, places = meeting(one, other)
        met.append(pairs)
        # The axis just summed becomes the last one, so the next axis's points come first.
        weights = {rest: along(one, other, group, places, len(pairs.first)).T for rest, group in groups.items()}
    return met, {orders: weight.reshape(points, -1) for (orders,), weight in weights.items()}


def meeting(one: Line, other: Line) -> tuple[Pairs, Tensor]:
    """Return the pairs that meet at a point, and the numbers (groups, k k') of every group's pairs."""

    def compute() -> tuple[Pairs, Tensor]:
        each = one.each if one.each == other.each else 1  # successive points that have the same columns in both
        codes = (one.columns[::each, :, None] * other.size + other.columns[::each, None, :]).flatten(1)
        unique, places = torch.unique(codes, return_inverse=True)
        return Pairs(unique // other.size, unique % other.size), places

    found: tuple[Pairs, Tensor] = one.with_other(other, (), compute)
    return found


def products_of(one: Line, other: Line, orders: tuple[tuple[int, int], ...], groups: int) -> Tensor:
    """Return the products of the functions at the points of every group by their orders, (groups, n, k k')."""

    def compute() -> Tensor:
        products = [one.values[:, m, :, None] * other.values[:, n, None, :] for m, n in orders]
        return torch.cat([each.reshape(groups, -1, each.shape[1] * each.shape[2]) for each in products], dim=1)

    many = one.columns.numel() * other.columns.shape[1] * len(orders) > KEPT
    found: Tensor = compute() if many else one.with_other(other, orders, compute)
    return found


def along(
    one: Line,
    other: Line,
    weights: dict[tuple[int, int], Tensor],
    places: Tensor,
    count: int,
    wanted: Tensor | None = None,
) -> Tensor:
    """Return the sums (pairs, r) of weights (n, r) by orders (m, n) times the products of the axis's functions.

    Those of pairs that are not `wanted` (pairs,) may be left out.
    """
    groups = len(places)
    left = products_of(one, other, tuple(weights), groups)
    right = torch.cat([each.reshape(groups, -1, each.shape[1]) for each in weights.values()], dim=1)
    if wanted is not None and bool((per_group := wanted[places].sum(dim=1)).eq(per_group[:1]).all()):
        chosen = wanted[places].nonzero()[:, 1].view(groups, -1)
        places = places.gather(1, chosen)
        left = left.gather(2, chosen[:, None].expand(-1, left.shape[1], -1))
    left = left.transpose(1, 2)
    sums = right.new_zeros(count, right.shape[2])
    most = max(1, LARGEST // max(1, places.shape[1] * right.shape[2]))
    for where, a, b in zip(*(torch.split(each, most) for each in (places, left, right)), strict=True):
        sums.index_add_(0, where.reshape(-1), torch.bmm(a, b).flatten(0, 1))
    return sums
