"""Base functions, which an edge adds to its splines, with derivatives of any order in closed form.

Each function takes x and a number of orders and returns the derivatives 0 … orders − 1, of the shape of x each.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kanpde.calculus.derivatives import Derivatives, horner, identity, polynomials, tanh


def silu(x: Tensor, orders: int) -> list[Tensor]:
    """Return x σ(x) and its derivatives (x σ)^(m) = x σ^(m) + m σ^(m−1); σ^(m) is a polynomial in σ as σ' = σ − σ²."""
    sigmoid = torch.sigmoid(x)
    sigmoids = [horner(polynomial, sigmoid) for polynomial in polynomials([0.0, 1.0, -1.0], orders)]
    return [x * s + m * sigmoids[m - 1] if m else x * s for m, s in enumerate(sigmoids)]


BASE_FUNCTIONS: dict[str, Derivatives] = {"silu": silu, "tanh": tanh, "identity": identity}
