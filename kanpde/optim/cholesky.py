"""Solve with a Cholesky factor for one right-hand side."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg.blas import dtrsv
from torch import Tensor

Array = npt.NDArray[Any]


def solve_with(factor: Tensor, right: Tensor) -> Tensor:
    """Return (L Lᵀ)⁻¹ b, (P,), from the lower triangle L (P, P)."""
    if factor.device.type != "cpu" or factor.dtype != torch.float64:
        return torch.cholesky_solve(right[:, None], factor)[:, 0]
    return solve_by_columns(np.asfortranarray(factor.numpy()), right)


def solve_by_columns(lower: Array, right: Tensor) -> Tensor:
    """Return the same from a triangle that is stored by columns.

    BLAS solves for one right-hand side several times faster than for many.
    """
    half: Any = dtrsv(lower, right.numpy(), lower=1)
    return torch.from_numpy(dtrsv(lower, half, lower=1, trans=1))
