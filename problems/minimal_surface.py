"""(1 + u_y^2) u_xx - 2 u_x u_y u_xy + (1 + u_x^2) u_yy = 0: a soap film, Scherk's surface (1834)."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class MinimalSurface(Problem):
    domain = Box(x=(-1, 1), y=(-1, 1))

    def residual(self, u, x, y):
        return (1 + u.y**2) * u.xx - 2 * u.x * u.y * u.xy + (1 + u.x**2) * u.yy

    def conditions(self):
        return {"wire": Dirichlet("exact")}

    def exact(self, x, y):
        return sp.log(sp.cos(y) / sp.cos(x))
