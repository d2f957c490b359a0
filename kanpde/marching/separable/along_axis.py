"""A matrix that is applied along an axis of tensors, on their device.

A B-spline is not zero on k + 1 cells only, so that most numbers of the matrices of splines are zero. Sparse matrices
save a processor most of the products; a GPU multiplies dense matrices faster than it finds the numbers in sparse ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sparse
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array
from kanpde.marching.axes import Axis, design_of, sparse_designs

DENSE = 128  # number of columns up to which products with a dense matrix are faster on the processor

Matrix = Any  # a sparse matrix of SciPy, whose classes have no type arguments


@dataclass(frozen=True, eq=False)
class AlongAxis:
    """A matrix (n, m): a sparse one, for tensors on the processor, or a dense tensor."""

    matrix: Matrix | Tensor

    @classmethod
    def of(cls, matrix: Matrix, device: torch.device) -> AlongAxis:
        """Return a sparse matrix for tensors on a device."""
        if device.type != "cpu" or matrix.shape[1] <= DENSE:
            return cls(dense_on(matrix, device))
        return cls(matrix.tocsr())

    @classmethod
    def designs(cls, axis: Axis, x: Array, orders: int, device: torch.device) -> list[AlongAxis]:
        """Return the matrices (n, size) of an axis's functions at x (n,), of their derivatives below `orders`."""
        if device.type == "cpu" and axis.size <= DENSE:
            found = torch.from_numpy(design_of(axis, x, orders))
            return [cls(each.contiguous()) for each in found.unbind(1)]
        return [cls.of(each, device) for each in sparse_designs(axis, x, orders)]

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns."""
        rows, columns = self.matrix.shape
        return int(rows), int(columns)

    @cached_property
    def T(self) -> AlongAxis:
        """The transpose."""
        return AlongAxis(self.matrix.T if isinstance(self.matrix, Tensor) else self.matrix.T.tocsr())

    def __matmul__(self, columns: Tensor) -> Tensor:
        """Return the product (n, c) with columns (m, c)."""
        if isinstance(self.matrix, Tensor):
            return self.matrix @ columns
        return torch.from_numpy(self.matrix @ columns.numpy())

    def along(self, tensor: Tensor, a: int) -> Tensor:
        """Return a tensor with the matrix applied along its axis `a`."""
        if isinstance(self.matrix, Tensor) and a == tensor.dim() - 1:
            return tensor @ self.matrix.T
        moved = tensor.movedim(a, 0)
        product = self @ moved.reshape(len(moved), -1)
        return product.reshape(-1, *moved.shape[1:]).movedim(0, a)


def beside(sums: Sequence[Sequence[tuple[float, AlongAxis]]]) -> AlongAxis:
    """Return the sums Σ s M of matrices of one kind, beside each other."""
    parts: list[Any] = [sum(scale * each.matrix for scale, each in terms) for terms in sums]
    if isinstance(parts[0], Tensor):
        return AlongAxis(torch.cat(parts, dim=1))
    return AlongAxis(sparse.hstack(parts, format="csr"))


def dense_on(matrix: Matrix, device: torch.device) -> Tensor:
    """Return a sparse matrix as a tensor on a device, to which only the numbers that are not zero are copied."""
    if device.type == "cpu":
        return torch.from_numpy(matrix.toarray())
    found = matrix.tocoo()
    places = tuple(torch.from_numpy(each.astype(np.int64)).to(device) for each in (found.row, found.col))
    dense = torch.zeros(matrix.shape, dtype=torch.float64, device=device)
    return dense.index_put_(places, placed(found.data, device))


def outer(lines: Sequence[Tensor]) -> Tensor:
    """Return the products of one number of each axis on the grid, (n_d, n_1, …, n_{d-1})."""
    product = lines[-1]
    for line in lines[:-1]:
        product = product[..., None] * line
    return product


def placed(array: Array, device: torch.device) -> Tensor:
    """Return an array as a tensor on a device."""
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64)).to(device)
