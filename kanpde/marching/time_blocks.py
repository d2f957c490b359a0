"""The factor of JᵀJ of a slab whose coefficients hardly change in time, by blocks of polynomials in time.

If the coefficients of an equation do not depend on time, its rows are Σ_k ∂ₜᵏ φ_i(t) (L_k b_j)(x). In Legendre
polynomials all blocks (i, i') of JᵀJ are full. In integrals of Legendre polynomials, as many times as the equation's
order r in time, φ_i^{(r)} is one Legendre polynomial and φ_i a sum of few, so that blocks with |i − i'| > 2r vanish
(Shen, SIAM J. Sci. Comput. 15 (1994) 1489). The factor of a matrix with n blocks on its diagonal then costs about
12 r² / n² times that of a full one. Coefficients that depend on time are replaced by their means: then the factor is a
preconditioner, with which conjugate gradients converge as fast as the means are near.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from kanpde.marching.axes import LegendreAxis
from kanpde.marching.linearisation import Slopes, TensorLinearisation
from kanpde.marching.piece import Piece
from kanpde.marching.tensor_product import OnGrid, TensorProduct
from kanpde.optim.band import FLOOR, MIN_DAMPING, MIN_PIVOT, Factor

LEAST = 1500  # unknowns of a dense factor from which that by blocks is made
VANISHING = 1e-13  # sum over time, relative to the largest one, that is round-off


@dataclass(frozen=True)
class SteadyRows:
    """Rows Σ_k φ^{(k)}(t) J_k: `functions` (q, n) and matrices J_k (r, P') by the order k of the derivative in time."""

    functions: dict[int, Tensor]
    matrices: dict[int, Tensor]


class TimeBlocks(Factor):
    """A factor like `Factor`, with the coefficients' means over time; `time` is the number of the time axis."""

    def __init__(self, linear: TensorLinearisation, time: int, rows: list[SteadyRows], shape: tuple[int, ...]) -> None:
        self.storage, self.damping, self._time, self._shape = linear.storage, MIN_DAMPING, time, shape
        self.shift = linear.residual.new_zeros(linear.storage.size)
        order = max(k for each in rows for k in each.matrices)
        self._basis = integrated(shape[time], order).to(self.shift)
        blocks = self._blocks(rows)
        diagonal = torch.stack([blocks[j][0].diagonal() for j in range(len(blocks))])
        squares = diagonal + MIN_DAMPING * (diagonal + FLOOR * diagonal.max())
        self._scale = squares.rsqrt()
        self.solvable = bool(torch.isfinite(self._scale).all())
        if self.solvable:
            self._factorise(blocks, (squares - diagonal) * self._scale.square())

    def _blocks(self, rows: list[SteadyRows]) -> list[list[Tensor]]:
        """Return for each column j the blocks (j + d, j) of JᵀJ, d = 0, 1, …, up to the last one that is not zero."""
        products = []
        for each in rows:
            for k, one in each.matrices.items():
                for m, other in each.matrices.items():
                    times = (each.functions[k] @ self._basis).T @ (each.functions[m] @ self._basis)
                    times = torch.where(times.abs() > VANISHING * times.abs().max(), times, 0.0)
                    products.append((times, one.T @ other))
        count = len(self._basis)
        some = reduce(torch.logical_or, (times != 0 for times, _ in products))
        self._reach = max(int(i - j) for i, j in torch.nonzero(some))
        size = len(products[0][1])
        found = []
        for j in range(count):
            column = []
            for i in range(j, min(j + self._reach, count - 1) + 1):
                block = self.shift.new_zeros(size, size)
                for times, matrix in products:
                    if times[i, j] != 0:
                        block.add_(matrix, alpha=float(times[i, j]))
                column.append(block)
            found.append(column)
        return found

    def _factorise(self, blocks: list[list[Tensor]], shift: Tensor) -> None:
        """Compute the inverses of the triangles on the diagonal, and the blocks below it, by columns."""
        scale, pivots = self._scale, []
        self._inverses, self.below = list[Tensor](), blocks
        for j, column in enumerate(blocks):
            for d, block in enumerate(column):
                block *= scale[j + d][:, None] * scale[j]
            column[0].diagonal().add_(shift[j])
            for k in range(max(0, j - self._reach), j):
                mine, others = blocks[k][j - k], blocks[k][j - k :]
                for d, other in enumerate(others):
                    column[d].addmm_(other, mine.T, alpha=-1.0)
            triangle, info = torch.linalg.cholesky_ex(column[0])
            if int(info):
                self.solvable = False
                return
            unit = torch.eye(len(triangle), dtype=triangle.dtype, device=triangle.device)
            self._inverses.append(torch.linalg.solve_triangular(triangle, unit, upper=False))
            for d in range(1, len(column)):
                column[d] = column[d] @ self._inverses[j].T
            pivots.append(triangle.diagonal().min())
        self.precise = bool(torch.stack(pivots).min() > MIN_PIVOT)

    def solve(self, right: Tensor) -> Tensor:
        """Return (JᵀJ)⁻¹ b, (P,), with the means of the coefficients."""
        by_time = right.view(*self._shape, -1).movedim(self._time, 0)
        values = list((self._scale * (self._basis.T @ by_time.reshape(len(self._basis), -1))).unbind())
        count = len(values)
        for j in range(count):
            values[j] = self._inverses[j] @ values[j]
            for d in range(1, len(self.below[j])):
                values[j + d] = values[j + d] - self.below[j][d] @ values[j]
        for j in reversed(range(count)):
            for d in range(1, len(self.below[j])):
                values[j] = values[j] - self.below[j][d].T @ values[j + d]
            values[j] = self._inverses[j].T @ values[j]
        found = self._basis @ (self._scale * torch.stack(values))
        return found.view(by_time.shape).movedim(0, self._time).reshape(-1)


def integrated(count: int, order: int) -> Tensor:
    """Return the coefficients (count, count) in orthonormal Legendre polynomials of the functions φ_j, by columns.

    φ_j is the polynomial of degree j − r, integrated r times, with the order r; those with j < 2r are polynomials of
    degree j, because of the constants of integration.
    """
    norms = np.sqrt(2.0 * np.arange(count) + 1)
    found = np.eye(count)
    for j in range(2 * order, count):
        series = np.zeros(j - order + 1)
        series[-1] = 1.0
        for _ in range(order):  # ∫ P_i = (P_{i+1} − P_{i−1}) / (2i + 1), without constants as long as i > 0
            i = np.arange(len(series))
            after = np.zeros(len(series) + 1)
            after[i + 1] += series / (2 * i + 1)
            after[i[1:] - 1] -= series[1:] / (2 * i[1:] + 1)
            series = after
        found[: j + 1, j] = series / norms[: j + 1]
        found[:, j] /= np.linalg.norm(found[:, j])
    return torch.from_numpy(found)


def time_blocks(linear: TensorLinearisation) -> TimeBlocks | None:
    """Return the factor by blocks of a system on one slab; None if a dense one is cheap, or there is none by blocks."""
    system, storage, space = linear.system, linear.storage, linear.system.space
    times = [a for a, axis in enumerate(space.axes) if isinstance(axis, LegendreAxis)]
    full = storage.bandwidth is None and not (storage.orthogonal or storage.border) and storage.size > LEAST
    if not full or len(times) != 1 or type(space) is not TensorProduct:
        return None
    rows = []
    for piece, slopes in zip(system.pieces, linear.slopes, strict=True):
        whole = all(isinstance(part, OnGrid) for image in piece.images for part in image.parts)
        if piece.placed.sums is not None or not whole:
            return None
        for each in steady_rows(piece, slopes, times[0]):
            if each is None:
                return None
            rows.append(each)
    factor = TimeBlocks(linear, times[0], rows, space.shape)
    return factor if factor.solvable else None


def steady_rows(piece: Piece, slopes: Slopes, time: int) -> Iterator[SteadyRows | None]:
    """Yield the rows of every grid of a block with their slopes' means over time; None if its images differ in time."""
    split = [image.split(slope) for image, slope in zip(piece.images, slopes.by_jets, strict=True)]
    start = 0
    for grids in zip(*split, strict=True):
        functions, matrices = dict[int, Tensor](), dict[int, Tensor]()
        assert isinstance(grids[0][0], OnGrid)
        line = grids[0][0].lines[time]
        for grid, slope in grids:
            if not isinstance(grid, OnGrid) or not grid.lines[time].same(line):
                yield None
                return
            shape = [len(each.columns) for each in grid.lines]
            weights = piece.weights[start : start + slope.shape[1]].view(shape).movedim(time, 0).flatten(1).sum(dim=1)
            roots = (weights / weights.sum()).sqrt()
            apart = slope.view(len(slope), *shape, *slope.shape[2:]).movedim(1 + time, 0)
            mean = torch.tensordot(roots, apart, dims=1).reshape(len(slope), -1, *slope.shape[2:])
            for s, orders in enumerate(grid.orders):
                if not bool(mean[:, :, s].any()):
                    continue
                k = orders[time]
                others = [
                    each.matrices[o] for a, (each, o) in enumerate(zip(grid.lines, orders, strict=True)) if a != time
                ]
                values = reduce(torch.kron, others)
                functions[k] = roots[:, None] * grid.lines[time].matrices[k]
                term = mean[:, :, s, None, :] * values[None, :, :, None]
                matrices[k] = matrices[k] + term if k in matrices else term
        start += grids[0][1].shape[1]
        yield SteadyRows(functions, {k: each.flatten(2).flatten(0, 1) for k, each in matrices.items()})
