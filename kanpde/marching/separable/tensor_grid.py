"""Functions and rows on tensor grids of points, one axis after the other and tile by tile.

Arrays of values have the last axis first, that is the shape (n_d, n_1, …, n_{d-1}), because each application of a
matrix along an axis then ends with one transposition less. The matrices are sparse: a B-spline is not zero on k + 1
cells only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sparse
import torch

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.collocation.rows import Placed, plan_of
from kanpde.marching.axes import Axis
from kanpde.problem.block import Block

TILE = 2**15  # points whose rows are computed at once

DENSE = 128  # number of functions up to which products with a dense matrix are faster

Matrix = Any  # a sparse matrix of SciPy, whose classes have no type arguments, or an array
Orders = tuple[int, ...]


def quick(matrix: Matrix) -> Matrix:
    """Return a sparse matrix as an array if that is small."""
    return matrix.toarray() if sparse.issparse(matrix) and matrix.shape[1] <= DENSE else matrix


def orders_of(partial: MultiIndex, dimension: int) -> Orders:
    """Return how often a partial differentiates along each axis."""
    return tuple(partial.count(axis) for axis in range(dimension))


def matrices(axis: Axis, points: Array, orders: int) -> list[Matrix]:
    """Return the sparse matrices (n, size) of the functions' derivatives below `orders` at points (n,)."""
    columns, values = axis.local(torch.as_tensor(points), orders)
    places = np.repeat(np.arange(len(points)), columns.shape[1]), columns.numpy().ravel()
    shape = (len(points), axis.size)
    return [sparse.csr_matrix((values[:, m].numpy().ravel(), places), shape=shape) for m in range(orders)]


def expand(
    matrices: Sequence[Sequence[Matrix]], partials: Sequence[Orders], coefficients: Array, *, rotated: bool = False
) -> dict[Orders, Array]:
    """Return Σ_j c_j Π_a B^{(m_a)}_{j_a} on a grid for each of the orders m, from coefficients (*shape).

    `matrices[a][m]` is B^{(m)} of axis a at its points, (n_a, size_a). If they are those of the first axes only, the
    result is `rotated`: the index of the next axis comes first.
    """
    found: dict[Orders, Array] = {(): coefficients}
    for a, along in enumerate(matrices):
        made: dict[Orders, Array] = {}
        for key in dict.fromkeys(orders[: a + 1] for orders in partials):
            before = found[key[:-1]]
            product = along[key[-1]] @ before.reshape(len(before), -1)
            if rotated or a < len(matrices) - 1:
                made[key] = np.ascontiguousarray(product.T).reshape(*before.shape[1:], len(product))
            else:
                made[key] = product.reshape(len(product), *before.shape[1:])
        found = made
    return found


def contract(matrices: Sequence[Sequence[Matrix]], values: Mapping[Orders, Array], *, rotated: bool = False) -> Array:
    """Apply the transpose of `expand` to values on a grid for each of some orders; return coefficients (*shape)."""
    found = dict(values)
    for a in reversed(range(len(matrices))):
        before: dict[Orders, Array] = {}
        for key, each in found.items():
            if rotated or a < len(matrices) - 1:  # the points of this axis are the last ones of the array
                each = np.ascontiguousarray(each.reshape(-1, each.shape[-1]).T).reshape(-1, *each.shape[:-1])
            share = matrices[a][key[-1]].T @ each.reshape(len(each), -1)
            share = share.reshape(len(share), *each.shape[1:])
            before[key[:-1]] = before[key[:-1]] + share if key[:-1] in before else share
        found = before
    return found[()]


def outer(lines: Sequence[Array]) -> Array:
    """Return the products of one number of each axis on the grid, (n_d, n_1, …, n_{d-1})."""
    product = np.ones(())
    for line in (lines[-1], *lines[:-1]):
        product = np.multiply.outer(product, line)
    return product


class GridRows:
    """The rows of one component of a block with one field, on the tensor grid of `lines` (n_a,) of every axis.

    `face` is the number of the block's face on which the grid lies; None in the interior.
    """

    def __init__(
        self, block: Block, names: tuple[str, ...], lines: Sequence[Array], face: int | None = None, component: int = 0
    ) -> None:
        self.block, self.names, self.lines, self.face, self.component = block, names, [*lines], face, component
        self.plan = plan_of(block, len(names))
        self.shape = (len(lines[-1]), *(len(line) for line in lines[:-1]))

    def rows(self, jets: Mapping[MultiIndex, Array]) -> Array:
        """Return the rows of a field whose partials are given on the grid; those that are missing are zero."""
        found = np.empty(self.shape)
        for part, placed, jet in self._tiles(jets):
            with torch.no_grad():
                rows = placed.rows([jet] * len(placed.images), {})[self.component]
            found[part] = rows.numpy().reshape(found[part].shape)
        return found

    def slopes(self, jets: Mapping[MultiIndex, Array]) -> tuple[Array, dict[MultiIndex, Array]]:
        """Return the rows of such a field and their derivatives by its partials, on the grid."""
        found = np.empty(self.shape)
        slopes = {partial: np.zeros(self.shape) for partial in self.plan.partials}
        for part, placed, jet in self._tiles(jets):
            rows, by_component = placed.slopes([jet] * len(placed.images), {})
            found[part] = rows[self.component].numpy().reshape(found[part].shape)
            slope = [*by_component][self.component].by_jets[0]
            for s, partial in enumerate(self.plan.partials):
                slopes[partial][part] = slope[:, s, 0].numpy().reshape(found[part].shape)
        return found, slopes

    def _tiles(self, jets: Mapping[MultiIndex, Array]) -> Any:
        """Yield the slice of every tile along the first axis of the arrays, the block there, and the jet (n, S, 1)."""
        rest = math.prod(self.shape[1:])
        step = max(1, TILE // rest)
        for start in range(0, self.shape[0], step):
            part = slice(start, min(start + step, self.shape[0]))
            columns = np.meshgrid(self.lines[-1][part], *self.lines[:-1], indexing="ij")
            points = torch.from_numpy(np.stack([each.ravel() for each in (*columns[1:], columns[0])], axis=1))
            index = None if self.face is None else torch.full((len(points),), self.face)
            jet = torch.zeros(len(points), len(self.plan), 1, dtype=torch.float64)
            for partial, values in jets.items():
                if partial in self.plan.index:
                    jet[:, self.plan.index[partial], 0] = torch.from_numpy(values[part].reshape(-1))
            yield part, Placed.at(self.block, self.names, points, index, plan=self.plan), jet
