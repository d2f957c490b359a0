"""Base functions, which an edge adds to its splines, with derivatives of any order in closed form.

Each function takes x and a number of orders and returns the derivatives 0 … orders − 1, of the shape of x each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def silu(x: Tensor, orders: int) -> list[Tensor]:
    """Return x σ(x) and its derivatives (x σ)^(m) = x σ^(m) + m σ^(m−1); σ^(m) is a polynomial in σ as σ' = σ − σ²."""
    sigmoid = torch.sigmoid(x)
    sigmoids = [horner(polynomial, sigmoid) for polynomial in derivatives([0.0, 1.0, -1.0], orders)]
    return [x * s + m * sigmoids[m - 1] if m else x * s for m, s in enumerate(sigmoids)]


def identity(x: Tensor, orders: int) -> list[Tensor]:
    """Return x and its derivatives."""
    return [x, torch.ones_like(x), *(torch.zeros_like(x) for _ in range(2, orders))][:orders]


def tanh(x: Tensor, orders: int) -> list[Tensor]:
    """Return tanh x and its derivatives, which are polynomials in tanh x because tanh' = 1 − tanh²."""
    value = torch.tanh(x)
    return [horner(polynomial, value) for polynomial in derivatives([1.0, 0.0, -1.0], orders)]


def derivatives(slope: Sequence[float], orders: int) -> list[list[float]]:
    """Return the coefficients, lowest power first, of s, s', s'' … as polynomials in s, given those of s' (`slope`)."""
    result = [[0.0, 1.0]]
    for _ in range(1, orders):
        below = [power * c for power, c in enumerate(result[-1])][1:]
        above = [0.0] * (len(below) + len(slope) - 1)
        for i, a in enumerate(below):
            for j, b in enumerate(slope):
                above[i + j] += a * b
        result.append(above)
    return result


def horner(polynomial: Sequence[float], x: Tensor) -> Tensor:
    """Return the value at x of a polynomial with these coefficients, lowest power first."""
    value = torch.zeros_like(x)
    for coefficient in reversed(polynomial):
        value = value * x + coefficient
    return value


BASE_FUNCTIONS: dict[str, Callable[[Tensor, int], list[Tensor]]] = {"silu": silu, "tanh": tanh, "identity": identity}
