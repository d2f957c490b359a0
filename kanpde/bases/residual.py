"""Base functions, the smooth part that an edge adds to its splines, with derivatives of any order in closed form."""

from __future__ import annotations

from collections.abc import Callable

import torch
from numpy.polynomial import Polynomial
from torch import Tensor


def silu(x: Tensor, orders: int) -> list[Tensor]:
    """x σ(x): (x σ)^(m) = x σ^(m) + m σ^(m−1), and σ^(m) is a polynomial in σ because σ' = σ − σ²."""
    sigmoid = torch.sigmoid(x)
    slope, polynomial = Polynomial([0, 1, -1]), Polynomial([0, 1])
    sigmoids = []
    for _ in range(orders):
        sigmoids.append(horner(polynomial, sigmoid))
        polynomial = polynomial.deriv() * slope
    return [x * s + m * sigmoids[m - 1] if m else x * s for m, s in enumerate(sigmoids)]


def identity(x: Tensor, orders: int) -> list[Tensor]:
    """x."""
    return [x, torch.ones_like(x), *(torch.zeros_like(x) for _ in range(2, orders))][:orders]


def tanh(x: Tensor, orders: int) -> list[Tensor]:
    """tanh x, whose derivatives are polynomials in it because tanh' = 1 − tanh²."""
    value = torch.tanh(x)
    slope, polynomial = Polynomial([1, 0, -1]), Polynomial([0, 1])
    result = []
    for _ in range(orders):
        result.append(horner(polynomial, value))
        polynomial = polynomial.deriv() * slope
    return result


def horner(polynomial: Polynomial, x: Tensor) -> Tensor:
    """The polynomial's value at x."""
    value = torch.zeros_like(x)
    for coefficient in reversed(polynomial.coef):
        value = value * x + float(coefficient)
    return value


BASE_FUNCTIONS: dict[str, Callable[[Tensor, int], list[Tensor]]] = {"silu": silu, "tanh": tanh, "identity": identity}
