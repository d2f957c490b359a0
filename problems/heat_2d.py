"""u_t = D (u_xx + u_yy): a square plate with cold sides."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class Heat2D(Problem):
    diffusivity: float = 0.1

    domain = Box(x=(0, 1), y=(0, 1), t=(0, 1))

    def residual(self, u, x, y, t):
        return u.t - self.diffusivity * (u.xx + u.yy)

    def conditions(self):
        return {"start": Initial("exact"), "sides": Dirichlet(0)}

    def exact(self, x, y, t):
        return sp.exp(-2 * self.diffusivity * sp.pi**2 * t) * sp.sin(sp.pi * x) * sp.sin(sp.pi * y)
