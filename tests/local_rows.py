"""Axes of equal intervals, and rows that touch few unknowns each."""

from __future__ import annotations

import numpy as np
import torch

from kanpde.marching.axes import SplineAxis

F64 = torch.float64


def uniform(low, high, intervals, degree=7, periodic=False):
    return SplineAxis(np.linspace(low, high, intervals + 1), degree, periodic)


class Rows:
    """r and J as the rows of a matrix, which touch few unknowns each."""

    def __init__(self, storage, columns, rows, residual):
        self.storage, self.residual = storage, residual
        self.matrix = torch.zeros(rows.shape[0] * len(columns), storage.size, dtype=F64)
        self.matrix.scatter_(1, columns.repeat(len(rows), 1), rows.flatten(0, 1))
        total = storage.empty(residual)
        storage.add_rows(total, columns, rows)
        self.gram = storage.matrix(total)

    def product(self, step):
        return self.matrix @ step

    def transposed(self, weights):
        return self.matrix.T @ weights
