"""The tensor product of axes: u_f(x) = Σ_j c_{jf} Π_a B_{j_a}(x_a)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.calculus.jets import JetPlan
from kanpde.marching.axes import Axis, dense, transfer_matrix
from kanpde.marching.line import Line, weighted

SHARE = 3  # ratio of all products and of those at a point from which indices cost more than zeros
MOST_AT_ONCE = 2**21  # largest number of values of functions of the last axes at scattered points
LARGEST_MATRIX = 2**24  # largest number of entries of a whole matrix


@dataclass(frozen=True)
class Local:
    """The non-zero products at n points: indices `columns` (n, m) and jets `features` (n, S, m); `size` is P."""

    plan: JetPlan
    columns: Tensor
    features: Tensor
    size: int

    @classmethod
    def of(cls, plan: JetPlan, each: Sequence[tuple[Tensor, Tensor]], sizes: Sequence[int]) -> Local:
        """Return the products of the functions of every axis at n points: their indices (n, k) and derivatives."""
        columns = each[0][0]
        for (one, _), size in zip(each[1:], sizes[1:], strict=True):
            columns = (columns[:, :, None] * size + one[:, None, :]).flatten(1)
        rows = []
        for partial in plan.partials:
            row = each[0][1][:, partial.count(0)]
            for a, (_, values) in enumerate(each[1:], start=1):
                row = (row[:, :, None] * values[:, None, partial.count(a)]).flatten(1)
            rows.append(row)
        return cls(plan, columns, torch.stack(rows, dim=1), math.prod(sizes))

    def jets(self, coefficients: Tensor) -> Tensor:
        """Return the jets (n, S, f) from the coefficients (P, f)."""
        if self._nearly_all:
            return (self._matrix @ coefficients).view(*self.features.shape[:2], -1)
        return torch.einsum("nsm,nmf->nsf", self.features, coefficients[self.columns])

    def adjoint(self, jets: Tensor) -> Tensor:
        """Apply the transpose of `jets`: (n, S, f) -> (P, f)."""
        if self._nearly_all:
            return self._matrix.T @ jets.flatten(0, 1)
        total = jets.new_zeros(self.size, jets.shape[2])
        shares = torch.einsum("nsf,nsm->nmf", jets, self.features)
        return total.index_add_(0, self.columns.reshape(-1), shares.flatten(0, 1))

    @property
    def _nearly_all(self) -> bool:
        """True if most products are non-zero at a point, so that a whole matrix is faster, and not too large."""
        count = self.features.shape[0] * self.features.shape[1] * self.size
        return SHARE * self.columns.shape[1] > self.size and count <= LARGEST_MATRIX

    @cached_property
    def _matrix(self) -> Tensor:
        """The features of all products, (n S, P); few periodic functions may occur twice at a point."""
        n, partials, _ = self.features.shape
        columns = self.columns[:, None].expand(-1, partials, -1)
        return self.features.new_zeros(n, partials, self.size).scatter_add_(2, columns, self.features).flatten(0, 1)


class AtPoints(Protocol):
    """The functions of a space at n points."""

    @property
    def local(self) -> Local:
        """Those that are not zero at the points."""

    def jets(self, coefficients: Tensor, /) -> Tensor:
        """Return the jets (n, S, f) from the coefficients (P, f)."""

    def adjoint(self, jets: Tensor, /) -> Tensor:
        """Apply the transpose of `jets`: (n, S, f) -> (P, f)."""


@dataclass(frozen=True, eq=False)
class Scattered:
    """A tensor product of many axes at points (n, d) of no grid, evaluated along one axis after the other.

    That costs far less than the sums over all products that are not zero there, which `local` has.
    """

    space: TensorProduct
    points: Tensor
    plan: JetPlan

    @cached_property
    def local(self) -> Local:
        """The products that are not zero at the points."""
        return self.space.local(self.points, self.plan)

    def jets(self, coefficients: Tensor) -> Tensor:
        """Return the jets (n, S, f) from the coefficients (P, f)."""
        if not len(self.points):
            return coefficients.new_zeros(0, len(self.plan), coefficients.shape[1])
        most = max(1, MOST_AT_ONCE * self.space.shape[0] // coefficients.numel())
        return torch.cat([self._jets(points, coefficients) for points in torch.split(self.points, most)])

    def _jets(self, points: Tensor, coefficients: Tensor) -> Tensor:
        known: dict[tuple[int, ...], Tensor] = {}
        orders = [tuple(partial.count(a) for a in range(len(self.space.axes))) for partial in self.plan.partials]
        for a, axis in enumerate(self.space.axes):
            functions = dense(*axis.local(points[:, a].contiguous(), self.plan.order + 1), axis.size)
            keys = dict.fromkeys(each[: a + 1] for each in orders)
            if a == 0:
                known = {k: functions[:, k[0]] @ coefficients.reshape(axis.size, -1) for k in keys}
            else:
                known = {
                    k: torch.bmm(functions[:, k[-1], None], known[k[:-1]].view(len(points), axis.size, -1))[:, 0]
                    for k in keys
                }
        return torch.stack([known[each] for each in orders], dim=1)

    def adjoint(self, jets: Tensor) -> Tensor:
        """Apply the transpose of `jets`: (n, S, f) -> (P, f)."""
        return self.local.adjoint(jets)


@dataclass(frozen=True)
class OnGrid:
    """A tensor product on a tensor grid of n points, evaluated along one axis after the other.

    The cost is O(n k) for each axis instead of O(n kᵈ) in all (sum factorisation: Orszag, J. Comput. Phys. 37 (1980)
    70).
    """

    plan: JetPlan
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, axes: Sequence[Axis], lines: Sequence[Tensor], plan: JetPlan) -> OnGrid:
        """Return the product of axes on the grid of these coordinates, (n_a,) each."""
        return cls(plan, tuple(Line.of(axis, line, plan.order + 1) for axis, line in zip(axes, lines, strict=True)))

    @cached_property
    def orders(self) -> list[tuple[int, ...]]:
        """The orders of each partial along the axes."""
        return [tuple(partial.count(a) for a in range(len(self.lines))) for partial in self.plan.partials]

    @cached_property
    def local(self) -> Local:
        """The products that are not zero at the points."""
        places = torch.cartesian_prod(*(torch.arange(len(line.columns)) for line in self.lines)).view(
            -1, len(self.lines)
        )
        each = []
        for line, place in zip(self.lines, places.to(self.lines[0].columns.device).unbind(1), strict=True):
            each.append((line.columns[place], line.values[place]))
        return Local.of(self.plan, each, [line.size for line in self.lines])

    def jets(self, coefficients: Tensor) -> Tensor:
        """Return the jets (n, S, f) from the coefficients (P, f)."""
        found = self.partials(coefficients, range(len(self.orders)))
        return torch.stack([*found.values()]).permute(2, 0, 1)

    def adjoint(self, jets: Tensor) -> Tensor:
        """Apply the transpose of `jets`: (n, S, f) -> (P, f)."""
        return self.partials_adjoint(dict(enumerate(jets.permute(1, 2, 0).contiguous().unbind(0))))

    def partials(self, coefficients: Tensor, which: Iterable[int]) -> dict[int, Tensor]:
        """Return the partials (f, n) with these numbers in the jets, from the coefficients (P, f)."""
        fields, wanted = coefficients.shape[1], [(s, self.orders[s]) for s in which]
        ways = {s: tuple(orders[a] for a in self._way) for s, orders in wanted}
        found: dict[tuple[int, ...], Tensor] = {(): coefficients}
        for i, a in enumerate(self._way):
            line, keys = self.lines[a], dict.fromkeys(way[: i + 1] for way in ways.values())
            if self._single(a):
                shape = self._around(a)
                found = {k: weighted(line.matrices[k[-1]][0], found[k[:-1]].reshape(shape)) for k in keys}
            else:
                # The current axis is first; its points are appended last, so the next axis becomes the first one.
                found = {k: line.product(k[-1], found[k[:-1]].reshape(line.size, -1)) for k in keys}
        return {s: found[way].reshape(fields, -1) for s, way in ways.items()}

    def partials_adjoint(self, values: Mapping[int, Tensor]) -> Tensor:
        """Apply the transpose of `partials`, to (f, n) by the numbers of the partials; return (P, f)."""
        found = {tuple(self.orders[s][a] for a in self._way): each for s, each in values.items()}
        fields = len(next(iter(values.values())))
        for a in reversed(self._way):
            line, before = self.lines[a], dict[tuple[int, ...], Tensor]()
            for key, each in found.items():
                if self._single(a):
                    first, _, last = self._around(a)
                    share = each.reshape(first, 1, last) * line.matrices[key[-1]][0][:, None]
                else:
                    share = line.transposed(key[-1], each.reshape(-1, len(line.columns)))
                before[key[:-1]] = before[key[:-1]].add_(share) if key[:-1] in before else share
            found = before
        return found[()].reshape(-1, fields)

    def _single(self, a: int) -> bool:
        """Return True if the grid has a single point along an axis."""
        return len(self.lines[a].columns) == 1

    @cached_property
    def _way(self) -> tuple[int, ...]:
        """The axes, those with a single point first, because fewer values are left after them."""
        return tuple(sorted(range(len(self.lines)), key=lambda a: not self._single(a)))

    def _around(self, a: int) -> tuple[int, int, int]:
        """Return the numbers of values before, along and after an axis with a single point, when its turn comes."""
        sizes = [1 if self._single(b) and b < a else line.size for b, line in enumerate(self.lines)]
        return math.prod(sizes[:a]), sizes[a], -1


@dataclass(frozen=True, eq=False)
class OnCutGrid:
    """A tensor product at those points of a tensor grid that lie inside a shape, with their numbers `inside` (n,)."""

    grid: OnGrid
    inside: Tensor

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines of the whole grid."""
        return self.grid.lines

    def jets(self, coefficients: Tensor) -> Tensor:
        """Return the jets (n, S, f) from the coefficients (P, f)."""
        return self.grid.jets(coefficients)[self.inside]

    def adjoint(self, jets: Tensor) -> Tensor:
        """Apply the transpose of `jets`: (n, S, f) -> (P, f)."""
        return self.grid.adjoint(self.everywhere(jets, 0))

    def everywhere(self, values: Tensor, dim: int) -> Tensor:
        """Return values at all points of the grid, zero outside, from those along one dimension."""
        shape = list(values.shape)
        shape[dim] = math.prod(len(line.columns) for line in self.lines)
        return values.new_zeros(shape).index_copy_(dim, self.inside, values)


class TensorProduct:
    """All products of one function of each axis; the index of the last axis varies fastest."""

    def __init__(self, axes: Sequence[Axis]) -> None:
        self.axes = tuple(axes)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(axis.size for axis in self.axes)

    @property
    def size(self) -> int:
        """The number of products P."""
        return math.prod(self.shape)

    @property
    def least_on_faces(self) -> int:
        """The smallest number of points on a face of a plane shape."""
        return 1

    @property
    def longest(self) -> int:
        """The number of the axis with the most functions."""
        return self.shape.index(max(self.shape))

    def numberings(self, fields: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield numberings of the unknowns as positions (size_a,) of each axis.

        An unknown's number is the sum of its positions and its field's number. The index of the longest axis varies
        slowest: in the first numbering from one end to the other, in the second from both ends inwards.
        """
        stride, positions = fields, [torch.zeros(0)] * len(self.axes)
        for a in reversed([a for a in range(len(self.axes)) if a != self.longest]):
            positions[a] = stride * torch.arange(self.shape[a])
            stride *= self.shape[a]
        count = self.shape[self.longest]
        straight = torch.arange(count)
        for along in (straight, torch.minimum(2 * straight, 2 * (count - 1 - straight) + 1)):
            yield tuple(stride * along if a == self.longest else each for a, each in enumerate(positions))

    def values(self, axis: int, coefficients: Array, without: int | None = None) -> Array:
        """Return a function with coefficients (*shape, f) as c functions of one axis, (size, c).

        The mean over the other axes of any of its squares is the sum of their squares. The axis `without` is left as it
        is.
        """
        for a, other in enumerate(self.axes):
            if a in (axis, without):
                continue
            coefficients = np.moveaxis(np.tensordot(other.root, coefficients, (1, a)), 0, a)
        return np.moveaxis(coefficients, axis, 0).reshape(self.shape[axis], -1)

    def transferred(self, old: TensorProduct, coefficients: Array) -> Array:
        """Return the coefficients (*shape, f) in this product of a function with `coefficients` in another product."""
        for a, (one, other) in enumerate(zip(old.axes, self.axes, strict=True)):
            if one is not other:
                coefficients = np.moveaxis(np.tensordot(transfer_matrix(one, other), coefficients, (1, a)), 0, a)
        return coefficients

    def _along(self, axis: int, x: Tensor, orders: int) -> tuple[Tensor, Tensor]:
        """Return an axis's functions at x (n,), evaluated once for each distinct x, because x repeats on grids."""
        distinct, index = torch.unique(x, return_inverse=True)
        columns, values = self.axes[axis].local(distinct, orders)
        return columns[index], values[index]

    def local(self, points: Tensor, plan: JetPlan) -> Local:
        """Return the products that are non-zero at points (n, d)."""
        each = [self._along(a, points[:, a], plan.order + 1) for a in range(len(self.axes))]
        return Local.of(plan, each, self.shape)

    def on_grid(self, lines: Sequence[Tensor], plan: JetPlan) -> OnGrid | Local | AtPoints:
        """Return the product on the tensor grid of these coordinates, (n_a,) each; the last axis varies fastest."""
        return OnGrid.of(self.axes, lines, plan)

    def at_points(self, points: Tensor, plan: JetPlan) -> Local | Scattered | AtPoints:
        """Return the product at points (n, d) of no grid."""
        return self.local(points, plan) if len(self.axes) < 3 else Scattered(self, points, plan)

    def on_part(self, lines: Sequence[Tensor], inside: Tensor, plan: JetPlan) -> OnCutGrid | Local | AtPoints:
        """Return the product at some points of a tensor grid, by their numbers (n,)."""
        return OnCutGrid(OnGrid.of(self.axes, lines, plan), inside)


def lines_of(points: Tensor, shape: Sequence[int]) -> list[Tensor] | None:
    """Return the coordinates (n_a,) of each axis if points (n, d) are a tensor grid of this shape, else None."""
    # NumPy's calls for a few points take a quarter of torch's time.
    plain = points.device.type == "cpu" and not points.requires_grad
    grid: Any = (points.numpy() if plain else points).reshape(*shape, len(shape))
    lines = []
    for a in range(len(shape)):
        place: tuple[Any, ...] = (*(slice(None) if a == b else 0 for b in range(len(shape))), a)
        line = grid[place]
        if not (grid[..., a] == line.reshape([-1 if a == b else 1 for b in range(len(shape))])).all():
            return None
        lines.append(torch.from_numpy(line.copy()) if plain else line.contiguous())
    return lines
