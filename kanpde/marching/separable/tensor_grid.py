"""Functions and rows on tensor grids of points, one axis after the other and tile by tile.

Tensors of values have the last axis first, that is the shape (n_d, n_1, …, n_{d-1}), because each application of a
matrix along an axis then ends with one transposition less.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.devices import keep_freed_memory
from kanpde.collocation.rows import Placed, plan_of
from kanpde.marching.separable.along_axis import AlongAxis, placed
from kanpde.problem.block import Block

TILE = 2**15  # points whose rows are computed at once on the processor, which fit into its cache
LARGE_TILE = 2**21  # the same on another device, which is idle between small operations

Orders = tuple[int, ...]


def orders_of(partial: MultiIndex, dimension: int) -> Orders:
    """Return how often a partial differentiates along each axis."""
    return tuple(partial.count(axis) for axis in range(dimension))


def expand(
    matrices: Sequence[Sequence[AlongAxis]],
    partials: Sequence[Orders],
    coefficients: Tensor,
    *,
    rotated: bool = False,
) -> dict[Orders, Tensor]:
    """Return Σ_j c_j Π_a B^{(m_a)}_{j_a} on a grid for each of the orders m, from coefficients (*shape).

    `matrices[a][m]` is B^{(m)} of axis a at its points, (n_a, size_a). If they are those of the first axes only, the
    result is `rotated`: the index of the next axis comes first.
    """
    found: dict[Orders, Tensor] = {(): coefficients}
    for a, along in enumerate(matrices):
        made: dict[Orders, Tensor] = {}
        for key in dict.fromkeys(orders[: a + 1] for orders in partials):
            before = found[key[:-1]]
            product = along[key[-1]] @ before.reshape(len(before), -1)
            if rotated or a < len(matrices) - 1:
                made[key] = product.T.contiguous().reshape(*before.shape[1:], len(product))
            else:
                made[key] = product.reshape(len(product), *before.shape[1:])
        found = made
    return found


def contract(
    matrices: Sequence[Sequence[AlongAxis]], values: Mapping[Orders, Tensor], *, rotated: bool = False
) -> Tensor:
    """Apply the transpose of `expand` to values on a grid for each of some orders; return coefficients (*shape)."""
    found = dict(values)
    for a in reversed(range(len(matrices))):
        before: dict[Orders, Tensor] = {}
        for key, each in found.items():
            if rotated or a < len(matrices) - 1:  # the points of this axis are the last ones of the tensor
                each = each.reshape(-1, each.shape[-1]).T.contiguous().reshape(-1, *each.shape[:-1])
            share = matrices[a][key[-1]].T @ each.reshape(len(each), -1)
            share = share.reshape(len(share), *each.shape[1:])
            before[key[:-1]] = before[key[:-1]] + share if key[:-1] in before else share
        found = before
    return found[()]


class GridRows:
    """The rows of one component of a block with one field, on the tensor grid of `lines` (n_a,) of every axis.

    `face` is the number of the block's face on which the grid lies; None in the interior. The rows are computed on a
    device.
    """

    def __init__(
        self,
        block: Block,
        names: tuple[str, ...],
        lines: Sequence[Array],
        device: torch.device,
        face: int | None = None,
        component: int = 0,
    ) -> None:
        self.block, self.names, self.lines, self.device = block, names, [*lines], device
        self.face, self.component = face, component
        self.plan = plan_of(block, len(names))
        self.shape = (len(lines[-1]), *(len(line) for line in lines[:-1]))

    def rows(self, jets: Mapping[MultiIndex, Tensor]) -> Tensor:
        """Return the rows of a field whose partials are given on the grid; those that are missing are zero."""
        found = self._empty()
        for part, placed_there, jet in self._tiles(jets):
            with torch.no_grad():
                rows = placed_there.rows([jet] * len(placed_there.images), {})[self.component]
            found[part] = rows.reshape(found[part].shape)
        return found

    def slopes(self, jets: Mapping[MultiIndex, Tensor]) -> tuple[Tensor, dict[MultiIndex, Tensor]]:
        """Return the rows of such a field and their derivatives by its partials, on the grid."""
        found, slopes = self._empty(), {partial: self._empty() for partial in self.plan.partials}
        for part, placed_there, jet in self._tiles(jets):
            rows, by_component = placed_there.slopes([jet] * len(placed_there.images), {})
            found[part] = rows[self.component].reshape(found[part].shape)
            slope = [*by_component][self.component].by_jets[0]
            for s, partial in enumerate(self.plan.partials):
                slopes[partial][part] = slope[:, s, 0].reshape(found[part].shape)
        return found, slopes

    def _empty(self) -> Tensor:
        return torch.empty(self.shape, dtype=torch.float64, device=self.device)

    def _tiles(self, jets: Mapping[MultiIndex, Tensor]) -> Iterator[tuple[slice, Placed, Tensor]]:
        """Yield the slice of every tile along the first axis of the tensors, the block there, and the jet (n, S, 1)."""
        keep_freed_memory()
        rest = math.prod(self.shape[1:])
        step = max(1, (TILE if self.device.type == "cpu" else LARGE_TILE) // rest)
        first, *others = (placed(line, self.device) for line in (self.lines[-1], *self.lines[:-1]))
        for start in range(0, self.shape[0], step):
            part = slice(start, min(start + step, self.shape[0]))
            columns = torch.meshgrid(first[part], *others, indexing="ij")
            points = torch.stack([each.reshape(-1) for each in (*columns[1:], columns[0])], dim=1)
            index = None if self.face is None else points.new_full((len(points),), self.face, dtype=torch.long)
            jet = points.new_zeros(len(points), len(self.plan), 1)
            for partial, values in jets.items():
                if partial in self.plan.index:
                    jet[:, self.plan.index[partial], 0] = values[part].reshape(-1)
            yield part, Placed.at(self.block, self.names, points, index, plan=self.plan), jet
