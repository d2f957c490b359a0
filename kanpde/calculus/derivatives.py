"""Derivatives of any order in closed form, by torch: `derivatives(x, orders)` is f, f', …, f^(orders − 1) at x."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Derivatives = Callable[[Tensor, int], list[Tensor]]


def polynomials(slope: Sequence[float], orders: int) -> list[list[float]]:
    """Return coefficients, the lowest power first, of s, s', s'' … as polynomials in s, where `slope` is s'."""
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
    """Return the polynomial's value at x, from its coefficients, the lowest power first."""
    value = torch.zeros_like(x)
    for coefficient in reversed(polynomial):
        value = value * x + coefficient
    return value


def identity(x: Tensor, orders: int) -> list[Tensor]:
    """Return the derivatives of x."""
    return [x, torch.ones_like(x), *(torch.zeros_like(x) for _ in range(2, orders))][:orders]


def tanh(x: Tensor, orders: int) -> list[Tensor]:
    """Return the derivatives of tanh x, which are polynomials in tanh x because tanh' = 1 − tanh²."""
    value = torch.tanh(x)
    return [horner(polynomial, value) for polynomial in polynomials([1.0, 0.0, -1.0], orders)]


def power(exponent: float) -> Derivatives:
    """Return x^p, whose m-th derivative is p (p − 1) … (p − m + 1) x^(p−m)."""

    def derivatives(x: Tensor, orders: int) -> list[Tensor]:
        result, factor = [], 1.0
        for m in range(orders):
            result.append(factor * x ** (exponent - m) if factor else torch.zeros_like(x))
            factor *= exponent - m
        return result

    return derivatives


def cycle(*functions: tuple[float, Callable[[Tensor], Tensor]]) -> Derivatives:
    """Return a function whose derivatives repeat a list of (sign, function) cyclically."""

    def derivatives(x: Tensor, orders: int) -> list[Tensor]:
        picked = (functions[m % len(functions)] for m in range(orders))
        return [sign * function(x) for sign, function in picked]

    return derivatives


def tan(x: Tensor, orders: int) -> list[Tensor]:
    """Return the derivatives of tan x, which are polynomials in tan x because tan' = 1 + tan²."""
    return [horner(polynomial, torch.tan(x)) for polynomial in polynomials([1.0, 0.0, 1.0], orders)]


def square_sech(x: Tensor, orders: int) -> list[Tensor]:
    """Return the derivatives of sech² x = tanh' x."""
    return tanh(x, orders + 1)[1:]


def sech(x: Tensor, orders: int) -> list[Tensor]:
    """Return the derivatives p_m(t) sech x of sech x, with t = tanh x and p_{m+1} = (1 − t²) p_m' − t p_m."""
    value, t = 1 / torch.cosh(x), torch.tanh(x)
    result, polynomial = [], [1.0]
    for _ in range(orders):
        result.append(horner(polynomial, t) * value)
        following = [0.0] * (len(polynomial) + 1)
        for n, c in enumerate(polynomial):
            following[n + 1] -= (n + 1) * c
            if n:
                following[n - 1] += n * c
        polynomial = following
    return result


def reciprocal_quadratic(sign: float) -> Derivatives:
    """Return the derivatives of g = 1/(1 + s x²), s = ±1.

    Leibniz's rule on (1 + s x²) g = 1 gives g^(m) = −s (2m x g^(m−1) + m (m−1) g^(m−2)) g.
    """

    def derivatives(x: Tensor, orders: int) -> list[Tensor]:
        value = 1 / (1 + sign * x.square())
        result = [value]
        for m in range(1, orders):
            below = 2 * m * x * result[-1] + (m * (m - 1) * result[-2] if m > 1 else 0.0)
            result.append(-sign * below * value)
        return result[:orders]

    return derivatives


def gaussian(x: Tensor, orders: int) -> list[Tensor]:
    """Return the derivatives of g = exp(−x²), g^(m) = −2 (x g^(m−1) + (m − 1) g^(m−2)), the Hermite recursion."""
    result = [torch.exp(-x.square())]
    for m in range(1, orders):
        result.append(-2 * (x * result[-1] + ((m - 1) * result[-2] if m > 1 else 0.0)))
    return result[:orders]


def of_square(function: Derivatives) -> Derivatives:
    """Return the derivatives of f(x²), Σ_j m! / (j! (m − 2j)!) (2x)^(m−2j) f^(m−j)(x²) (Faà di Bruno)."""

    def derivatives(x: Tensor, orders: int) -> list[Tensor]:
        outer = function(x.square(), orders)
        result = []
        for m in range(orders):
            terms = [
                math.perm(m, 2 * j) // math.factorial(j) * (2 * x) ** (m - 2 * j) * outer[m - j]
                for j in range(m // 2 + 1)
            ]
            result.append(sum(terms[1:], terms[0]))
        return result

    return derivatives


def integral(value: Callable[[Tensor], Tensor], slope: Derivatives, factor: float = 1.0) -> Derivatives:
    """Return a function with a given value, whose slope is `factor` times a function with known derivatives."""
    return lambda x, orders: [value(x), *(factor * d for d in (slope(x, orders - 1) if orders > 1 else []))]
