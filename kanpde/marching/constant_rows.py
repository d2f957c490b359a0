"""Rows with constant coefficients on tensor grids: sums of Kronecker products of one small matrix for each axis.

A row at point q is Σ_S c_S Π_a √w_a B^{(S_a)}_{j_a}(q_a), because weights of Gauss points are products. So J is a sum
Kronecker products over the terms S, and so is JᵀJ over pairs of terms; each costs a few products of small matrices
(Lynch, Rice and Thomas, Numer. Math. 6 (1964) 185). They are NumPy's, whose calls take less time than torch's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.collocation.rows import Slope
from kanpde.marching.piece import Piece
from kanpde.marching.tensor_product import OnGrid

PRODUCTS = 1e-13  # largest relative deviation of weights that are products, which rounding makes
Matrices = tuple[Array, ...]  # (n_a, size_a) for each axis


@dataclass(frozen=True, eq=False)
class Terms:
    """The rows of one component on one grid: the matrices of every term, by field."""

    shape: tuple[int, ...]
    by_field: dict[int, list[Matrices]]

    def product(self, coefficients: Array) -> Array:
        """Return the rows (n,) of coefficients (f, P)."""
        pairs = [(f, each) for f, terms in self.by_field.items() for each in terms]
        parts = [applied(each, coefficients[f]) for f, each in pairs]
        return reduce(np.add, parts) if parts else np.zeros(math.prod(self.shape))

    def add_transposed(self, total: Array, rows: Array) -> None:
        """Add the transpose of `product` of rows (n,) to coefficients (f, P)."""
        for f, terms in self.by_field.items():
            for each in terms:
                total[f] += applied([matrix.T for matrix in each], rows)


@dataclass(frozen=True, eq=False)
class ConstantRows:
    """The Jacobian of a block: its terms by grid and component, in the order of its points."""

    grids: tuple[tuple[Terms, ...], ...]

    @classmethod
    def of(cls, piece: Piece, slopes: Sequence[Slope]) -> ConstantRows | None:
        """Return the Jacobian of a block with these slopes of its own rows; None if it has not this form."""
        if piece.placed.sums is not None or any(image.factor is not None for image in piece.images):
            return None
        factors = (math.sqrt(piece.placed.block.weight) / piece.scale.numpy()).tolist()
        weights, start, found = piece.weights.numpy(), 0, []
        for number, count in enumerate(piece.images[0].counts):
            end, lines = start + count, []
            for image in piece.images:
                grid = image.parts[number]
                if not isinstance(grid, OnGrid):
                    return None
                lines.append(grid)
            shape = tuple(len(line.columns) for line in lines[0].lines)
            roots = roots_of_products(weights[start:end].reshape(shape))
            if roots is None:
                return None
            components = []
            for slope, factor in zip(slopes, factors, strict=True):
                by_field: dict[int, list[Matrices]] = {}
                for grid, by_jets in zip(lines, slope.by_jets, strict=True):
                    here = by_jets[start:end].numpy()
                    if not (here == here[:1]).all():
                        return None
                    add_terms(by_field, grid, here[0] * factor, roots)
                components.append(Terms(shape, by_field))
            found.append(tuple(components))
            start = end
        return cls(tuple(found))

    def product(self, coefficients: Array) -> list[Array]:
        """Return the rows of coefficients (f, P), those of a component one after another."""
        return [terms.product(coefficients) for each in zip(*self.grids, strict=True) for terms in each]

    def add_transposed(self, total: Array, rows: Array) -> None:
        """Add the transpose of `product` of rows (c n,) to coefficients (f, P)."""
        start = 0
        for each in zip(*self.grids, strict=True):
            for terms in each:
                end = start + math.prod(terms.shape)
                terms.add_transposed(total, rows[start:end])
                start = end


def add_terms(by_field: dict[int, list[Matrices]], grid: OnGrid, slopes: Array, roots: Sequence[Array]) -> None:
    """Add the terms with these coefficients (S, f) at all points of a grid."""
    for orders, each in zip(grid.orders, slopes.tolist(), strict=True):
        for f, value in enumerate(each):
            if value != 0.0:
                pairs = zip(grid.lines, orders, roots, strict=True)
                first, *rest = (line.matrices[order].numpy() * root for line, order, root in pairs)
                by_field.setdefault(f, []).append((first * value, *rest))


def roots_of_products(weights: Array) -> list[Array] | None:
    """Return the roots (n_a, 1) of one weight for each axis whose products are the weights; None if they are none."""
    corner, dimension = weights[(0,) * weights.ndim], weights.ndim
    if not corner > 0:
        return None
    lines = [weights[tuple(slice(None) if a == b else 0 for b in range(dimension))] for a in range(dimension)]
    lines[1:] = [line / corner for line in lines[1:]]
    if not bool((np.abs(reduce(np.multiply.outer, lines) - weights) <= PRODUCTS * weights).all()):
        return None
    return [np.sqrt(line)[:, None] for line in lines]


def applied(matrices: Sequence[Array], values: Array) -> Array:
    """Return the Kronecker product of matrices (n_a, size_a) times a vector (Π size_a,), (Π n_a,)."""
    for matrix in matrices:
        # The current axis is first; its points are appended last, so the next axis becomes the first one.
        values = (matrix @ values.reshape(matrix.shape[1], -1)).T
    return values.reshape(-1)


def product_with(blocks: Sequence[ConstantRows], coefficients: Tensor) -> Tensor:
    """Return J p (N,) of the rows of all blocks from coefficients (P, f)."""
    given = np.ascontiguousarray(coefficients.numpy().T)
    return torch.from_numpy(np.concatenate([rows for block in blocks for rows in block.product(given)]))


def transposed_with(blocks: Sequence[ConstantRows], rows: Sequence[Tensor], size: int, fields: int) -> Tensor:
    """Return the transpose, (P f,), of the rows (c n,) of every block."""
    total = np.zeros((fields, size))
    for block, each in zip(blocks, rows, strict=True):
        block.add_transposed(total, each.numpy())
    return torch.from_numpy(total.T.reshape(-1))


def gram_of(blocks: Sequence[ConstantRows], shape: Sequence[int], fields: int, slowest: int) -> Tensor:
    """Return JᵀJ (P f, P f) of the rows of all blocks, for a tensor product of this shape.

    In the order of its unknowns the index of the axis `slowest` varies slowest, and those of fields fastest.
    """
    pairs: dict[tuple[int, int], list[list[Array]]] = {}
    for block in blocks:
        for grid in block.grids:
            for terms in grid:
                add_pairs(pairs, terms.by_field)
    size = math.prod(shape)
    if fields == 1:
        return torch.from_numpy(total_of(pairs[0, 0], shape, slowest))
    total = np.zeros((size, fields, size, fields))
    for (f, g), each in pairs.items():
        total[:, f, :, g] = total_of(each, shape, slowest)
    return torch.from_numpy(total.reshape(size * fields, size * fields))


def total_of(pairs: Sequence[Sequence[Array]], shape: Sequence[int], slowest: int) -> Array:
    """Return the sum (P, P) of Kronecker products given as (n, size_a²) for each axis, in several groups."""
    first, *rest = (np.concatenate(along) for along in zip(*pairs, strict=True))
    last = reduce(lambda one, other: (one[:, :, None] * other[:, None]).reshape(len(one), -1), rest) if rest else None
    product = first.sum(axis=0) if last is None else first.T @ last
    # (size_0, size_0', size_1, size_1', …) -> (size_0, size_1, …, size_0', size_1', …), that of the slowest axis first
    apart = product.reshape([n for n in shape for _ in "12"])
    axes = sorted(range(len(shape)), key=lambda a: a != slowest)
    order = [*(2 * a for a in axes), *(2 * a + 1 for a in axes)]
    return np.asarray(apart.transpose(order).reshape(math.prod(shape), -1))


def add_pairs(pairs: dict[tuple[int, int], list[list[Array]]], by_field: dict[int, list[Matrices]]) -> None:
    """Add the products of every two terms of one component on one grid, (terms², size_a²) for each axis, by fields."""
    together = {
        f: [np.concatenate(along, axis=1) if len(along) > 1 else along[0] for along in zip(*each, strict=True)]
        for f, each in by_field.items()
    }
    for f, one in together.items():
        for g, other in together.items():
            here, there = len(by_field[f]), len(by_field[g])
            found = []
            for left, right in zip(one, other, strict=True):
                product = (left.T @ right).reshape(here, left.shape[1] // here, there, -1)
                found.append(product.transpose(0, 2, 1, 3).reshape(here * there, -1))
            pairs.setdefault((f, g), []).append(found)
