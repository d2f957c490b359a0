"""Atoms: the elementary functions that an edge can be named by, with derivatives of any order in closed form.

An edge that is an atom f is c f(a x + b) + d. Which of a and b are free says `Atom.free`: the rest would only repeat
what c and d do (e^{x+b} = e^b e^x), and a least-squares fit is better off without them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from kanpde.network.base_functions import derivatives as polynomials
from kanpde.network.base_functions import horner, identity, tanh

Derivatives = Callable[[Tensor, int], list[Tensor]]


@dataclass(frozen=True)
class Atom:
    """f with its derivatives 0 … orders − 1 by torch, `derivatives(x, orders)`, and as a SymPy expression, `sympy(x)`.

    `free` tells whether the scale a and the shift b of c f(a x + b) + d are; a scale that is not free is ±1 and a shift
    that is not is 0. `domain` is the open interval in which f is smooth. `complexity` ranks atoms that fit alike.
    """

    derivatives: Derivatives
    sympy: Callable[[Any], Any]
    complexity: int
    free: tuple[bool, bool] = (True, True)
    domain: tuple[float, float] = (-math.inf, math.inf)


def power(exponent: float) -> Derivatives:
    """x^p: the m-th derivative is p (p − 1) … (p − m + 1) x^(p−m)."""

    def derivatives(x: Tensor, orders: int) -> list[Tensor]:
        result, factor = [], 1.0
        for m in range(orders):
            result.append(factor * x ** (exponent - m) if factor else torch.zeros_like(x))
            factor *= exponent - m
        return result

    return derivatives


def cycle(*functions: tuple[float, Callable[[Tensor], Tensor]]) -> Derivatives:
    """A function whose derivatives go round a list of (sign, function)."""

    def derivatives(x: Tensor, orders: int) -> list[Tensor]:
        picked = (functions[m % len(functions)] for m in range(orders))
        return [sign * function(x) for sign, function in picked]

    return derivatives


def tan(x: Tensor, orders: int) -> list[Tensor]:
    """tan x, whose derivatives are polynomials in it because tan' = 1 + tan²."""
    return [horner(polynomial, torch.tan(x)) for polynomial in polynomials([1.0, 0.0, 1.0], orders)]


def square_sech(x: Tensor, orders: int) -> list[Tensor]:
    """sech² x = tanh' x."""
    return tanh(x, orders + 1)[1:]


def sech(x: Tensor, orders: int) -> list[Tensor]:
    """sech x: with t = tanh x the m-th derivative is p_m(t) sech x, p_{m+1} = (1 − t²) p_m' − t p_m."""
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
    """g = 1/(1 + s x²), s = ±1: Leibniz on (1 + s x²) g = 1 gives g^(m) = −s (2m x g^(m−1) + m (m−1) g^(m−2)) g."""

    def derivatives(x: Tensor, orders: int) -> list[Tensor]:
        value = 1 / (1 + sign * x.square())
        result = [value]
        for m in range(1, orders):
            below = 2 * m * x * result[-1] + (m * (m - 1) * result[-2] if m > 1 else 0.0)
            result.append(-sign * below * value)
        return result[:orders]

    return derivatives


def gaussian(x: Tensor, orders: int) -> list[Tensor]:
    """g = exp(−x²): g^(m) = −2 (x g^(m−1) + (m − 1) g^(m−2)), the Hermite recursion."""
    result = [torch.exp(-x.square())]
    for m in range(1, orders):
        result.append(-2 * (x * result[-1] + ((m - 1) * result[-2] if m > 1 else 0.0)))
    return result[:orders]


def integral(value: Callable[[Tensor], Tensor], slope: Derivatives, factor: float = 1.0) -> Derivatives:
    """A function given by its value, and its slope, `factor` times a function with known derivatives."""
    return lambda x, orders: [value(x), *(factor * d for d in (slope(x, orders - 1) if orders > 1 else []))]


POSITIVE = (0.0, math.inf)
UNSCALED = (False, True)  # homogeneous functions: c takes the scale
_sin, _cos = torch.sin, torch.cos

# From the simplest on; what fits alike is named by the first.
ATOMS: dict[str, Atom] = {
    "x": Atom(identity, lambda x: x, 1, (False, False)),
    "x^2": Atom(power(2), lambda x: x**2, 2, UNSCALED),
    "x^3": Atom(power(3), lambda x: x**3, 3, UNSCALED),
    "x^4": Atom(power(4), lambda x: x**4, 4, UNSCALED),
    "x^5": Atom(power(5), lambda x: x**5, 5, UNSCALED),
    "1/x": Atom(power(-1), lambda x: 1 / x, 3, UNSCALED, POSITIVE),
    "1/x^2": Atom(power(-2), lambda x: x**-2, 4, UNSCALED, POSITIVE),
    "sqrt": Atom(power(0.5), sp.sqrt, 3, UNSCALED, POSITIVE),
    "1/sqrt": Atom(power(-0.5), lambda x: 1 / sp.sqrt(x), 4, UNSCALED, POSITIVE),
    "exp": Atom(cycle((1, torch.exp)), sp.exp, 2, (True, False)),
    "log": Atom(integral(torch.log, power(-1)), sp.log, 3, UNSCALED, POSITIVE),
    "sin": Atom(cycle((1, _sin), (1, _cos), (-1, _sin), (-1, _cos)), sp.sin, 3),
    "cos": Atom(cycle((1, _cos), (-1, _sin), (-1, _cos), (1, _sin)), sp.cos, 4),
    "tan": Atom(tan, sp.tan, 5, domain=(-math.pi / 2, math.pi / 2)),
    "sinh": Atom(cycle((1, torch.sinh), (1, torch.cosh)), sp.sinh, 5),
    "cosh": Atom(cycle((1, torch.cosh), (1, torch.sinh)), sp.cosh, 5),
    "tanh": Atom(tanh, sp.tanh, 4),
    "sech": Atom(sech, sp.sech, 5),
    "sech^2": Atom(square_sech, lambda x: sp.sech(x) ** 2, 5),
    "atan": Atom(integral(torch.atan, reciprocal_quadratic(1.0)), sp.atan, 5),
    "atanh": Atom(integral(torch.atanh, reciprocal_quadratic(-1.0)), sp.atanh, 6, domain=(-1.0, 1.0)),
    "1/(1+x^2)": Atom(reciprocal_quadratic(1.0), lambda x: 1 / (1 + x**2), 5),
    "erf": Atom(integral(torch.erf, gaussian, 2 / math.sqrt(math.pi)), sp.erf, 5),
    "gaussian": Atom(gaussian, lambda x: sp.exp(-(x**2)), 4),
}
