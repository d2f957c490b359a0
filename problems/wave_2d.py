"""u_tt = c^2 (u_xx + u_yy): a square membrane, struck in its lowest mode."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class Wave2D(Problem):
    speed: float = 1.0

    domain = Box(x=(0, 1), y=(0, 1), t=(0, 1))

    def residual(self, u, x, y, t):
        return u.tt - self.speed**2 * (u.xx + u.yy)

    def conditions(self):
        return {"shape": Initial("exact"), "rest": Initial(0, order=1), "rim": Dirichlet(0)}

    def exact(self, x, y, t):
        return sp.sin(sp.pi * x) * sp.sin(sp.pi * y) * sp.cos(sp.sqrt(2) * sp.pi * self.speed * t)
