"""u_t = D u_xx: the heat equation in a rod whose ends are kept at u = 0."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class Heat(Problem):
    diffusivity: float = 1.0

    domain = Box(x=(0, 1), t=(0, 1))

    def residual(self, u, x, t):
        return u.t - self.diffusivity * u.xx

    def conditions(self):
        return {"start": Initial(sp.sin(sp.pi * sp.Symbol("x"))), "ends": Dirichlet(0, on="x")}

    def exact(self, x, t):
        return sp.exp(-(sp.pi**2) * self.diffusivity * t) * sp.sin(sp.pi * x)
