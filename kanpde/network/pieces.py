"""Edge functions as one polynomial for each interval, looked up at every point, and their derivatives by Horner's rule.

Where few edges leave an input, these are fewer numbers than the values of all splines at every point.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MOST_OUTPUTS = 2  # times the number of derivatives: with more edges than that, products with all splines are faster


def polynomials_at(coefficients: Tensor, pieces: Tensor, interval: Tensor) -> Tensor:
    """Return the polynomials of edges at points, (k + 1, i, o, n): that of each point's `interval` (i, n).

    `coefficients` are (i, g, o), and the splines' `pieces` (i or 1, intervals or 1, power of ξ, spline).
    """
    windows = coefficients.unfold(1, pieces.shape[3], 1)  # (i, m, o, j)
    table = (windows @ pieces.transpose(2, 3)).permute(3, 0, 2, 1).contiguous()
    return table.gather(3, interval[:, None].expand(*table.shape[:3], -1))


def derivatives(polynomials: Tensor, xi: Tensor, orders: int) -> list[Tensor]:
    """Return the derivatives by ξ (i, 1, n) of polynomials (k + 1, i, o, n): (i, o, n) for each order.

    They are computed in place, because caches hold few arrays: the polynomials are overwritten, and no graph is kept.
    """
    powers = polynomials.unbind()
    found = [powers[-1]]  # the derivatives divided by m!
    for coefficient in reversed(powers[:-1]):
        last = found[-1].clone() if len(found) < orders else None
        for m in range(len(found) - 1, 0, -1):
            torch.addcmul(found[m - 1], found[m], xi, out=found[m])
        torch.addcmul(coefficient, found[0], xi, out=found[0])
        if last is not None:
            found.append(last)
    for m, value in enumerate(found[2:], start=2):
        value.mul_(math.factorial(m))
    return found + [torch.zeros_like(found[0])] * (orders - len(found))
