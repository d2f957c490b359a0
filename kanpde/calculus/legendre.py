"""Legendre polynomials on an interval, normalised to a mean square of one there."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def legendre(x: Tensor, low: float, high: float, degree: int, orders: int) -> Tensor:
    """Return √(2j+1) P_j(s), s = (2x − low − high)/(high − low), and derivatives by x: (n,) -> (n, orders, degree + 1).

    The recursions are (j+1) P_{j+1} = (2j+1) s P_j − j P_{j−1} and P'_{j+1} = P'_{j−1} + (2j+1) P_j, which gives every
    order from the previous one (Abramowitz and Stegun, 8.5.3 and 8.5.4).
    """
    s = (2 * x - low - high) / (high - low)
    values = [torch.ones_like(s), s]
    for j in range(1, degree):
        values.append(((2 * j + 1) * s * values[j] - j * values[j - 1]) / (j + 1))
    table = [values[: degree + 1]]
    for order in range(1, orders):
        zero = torch.zeros_like(s)
        row = [zero, torch.ones_like(s) if order == 1 else zero]
        for j in range(1, degree):
            row.append(row[j - 1] + (2 * j + 1) * table[-1][j])
        table.append(row[: degree + 1])
    norms = torch.tensor([math.sqrt(2 * j + 1) for j in range(degree + 1)], dtype=x.dtype, device=x.device)
    slopes = torch.tensor([(2 / (high - low)) ** m for m in range(orders)], dtype=x.dtype, device=x.device)
    return torch.stack([torch.stack(row, dim=-1) for row in table], dim=1) * norms * slopes[:, None]
