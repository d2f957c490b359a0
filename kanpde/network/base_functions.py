"""Base functions, the smooth part that an edge adds to its splines, with derivatives of any order in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from kanpde.calculus.derivatives import Derivatives, horner, identity, polynomials, tanh


def silu(x: Tensor, orders: int) -> list[Tensor]:
    """x σ(x): (x σ)^(m) = x σ^(m) + m σ^(m−1), and σ^(m) is a polynomial in σ because σ' = σ − σ²."""
    sigmoid = torch.sigmoid(x)
    sigmoids = [horner(polynomial, sigmoid) for polynomial in polynomials([0.0, 1.0, -1.0], orders)]
    return [x * s + m * sigmoids[m - 1] if m else x * s for m, s in enumerate(sigmoids)]


BASE_FUNCTIONS: dict[str, Derivatives] = {"silu": silu, "tanh": tanh, "identity": identity}
