"""u_t = (u^3 - u - epsilon^2 u_xx)_xx + f: the Cahn-Hilliard equation, solved by exp(-t) cos(x)."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Initial, Periodic, Problem


@dataclass(frozen=True)
class CahnHilliard(Problem):
    epsilon: float = 0.5

    domain = Box(x=(0, 2 * sp.pi), t=(0, 1))
    source = "exact"

    def residual(self, u, x, t):
        return u.t - (3 * u**2 - 1) * u.xx - 6 * u * u.x**2 + self.epsilon**2 * u.xxxx

    def conditions(self):
        return {"start": Initial("exact"), "circle": Periodic("x", order=3)}

    def exact(self, x, t):
        return sp.exp(-t) * sp.cos(x)
