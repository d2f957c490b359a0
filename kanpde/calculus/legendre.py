"""Legendre polynomials on an interval, normalised to a mean square of one there."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array


@functools.lru_cache(maxsize=128)
def gauss_rule(count: int) -> tuple[Array, Array]:
    """Return the nodes and weights of the Gauss–Legendre rule on [−1, 1], (count,) each: shared, not to be written."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    nodes.setflags(write=False)
    weights.setflags(write=False)
    return nodes, weights


def legendre(x: Tensor, low: float, high: float, degree: int, orders: int) -> Tensor:
    """Return √(2j+1) P_j(s), s = (2x − low − high)/(high − low), and derivatives by x: (n,) -> (n, orders, degree + 1).

    The recursion is (j+1) P_{j+1} = (2j+1) s P_j − j P_{j−1} (Abramowitz and Stegun, 22.7.10); P'_j is the sum of
    (2k+1) P_k over k = j − 1, j − 3, … (8.5.4, summed), which gives every order from the previous one.
    """
    s = (2 * x - low - high) / (high - low)
    norms, derivative = (part.to(x) for part in _norms_and_derivative(degree))
    rows = [_values(s, degree) * norms]
    for _ in range(1, orders):
        rows.append(rows[-1] @ derivative * (2 / (high - low)))
    return torch.stack(rows, dim=1)


@functools.lru_cache(maxsize=128)
def legendre_at_gauss_points(degree: int, count: int, orders: int) -> Tensor:
    """Return the same at Gauss points of an interval of length 2, (count, orders, degree + 1): not to be written."""
    return legendre(torch.from_numpy(gauss_rule(count)[0].copy()), -1.0, 1.0, degree, orders)


def _values(s: Tensor, degree: int) -> Tensor:
    """Return P_j(s), (n, degree + 1)."""
    # NumPy's calls for a few points take a quarter of torch's time.
    plain = s.device.type == "cpu" and not s.requires_grad
    library: Any = np if plain else torch
    x: Any = s.numpy() if plain else s
    values = [library.ones_like(x), x]
    for j in range(1, degree):
        values.append(((2 * j + 1) * x * values[j] - j * values[j - 1]) / (j + 1))
    return torch.as_tensor(library.stack(values[: degree + 1], -1))


@functools.lru_cache(maxsize=128)
def _norms_and_derivative(degree: int) -> tuple[Tensor, Tensor]:
    """Return √(2j+1), (degree + 1,), and the matrix that takes the functions' values to their derivatives by s."""
    j = torch.arange(degree + 1, dtype=torch.float64)
    norms = (2 * j + 1).sqrt()
    below = (j[:, None] < j) & ((j - j[:, None]) % 2 == 1)
    return norms, below * norms[:, None] * norms
