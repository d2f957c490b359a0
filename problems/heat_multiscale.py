"""u_t = u_xx / (20 pi)^2 + u_yy / pi^2: heat in a layered crystal, twenty waves along x and one along y."""

from dataclasses import dataclass

import sympy as sp
from torch import pi

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class HeatMultiscale(Problem):
    domain = Box(x=(0, 1), y=(0, 1), t=(0, 1))

    def residual(self, u, x, y, t):
        return u.t - u.xx / (20 * pi) ** 2 - u.yy / pi**2

    def conditions(self):
        return {"start": Initial("exact"), "sides": Dirichlet(0)}

    def exact(self, x, y, t):
        return sp.exp(-2 * t) * sp.sin(20 * sp.pi * x) * sp.sin(sp.pi * y)
