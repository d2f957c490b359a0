"""u_t = D u_xx for all diffusivities D from 0.1 to 1: the third coordinate is a parameter."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class HeatFamily(Problem):
    domain = Box(x=(0, 1), D=(0.1, 1), t=(0, 0.5))

    def residual(self, u, x, D, t):
        return u.t - D * u.xx

    def conditions(self):
        return {"start": Initial(sp.sin(sp.pi * sp.Symbol("x"))), "ends": Dirichlet(0, on="x")}

    def exact(self, x, D, t):
        return sp.exp(-D * sp.pi**2 * t) * sp.sin(sp.pi * x)
