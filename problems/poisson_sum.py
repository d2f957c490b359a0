"""-(u_xx + u_yy) = f, solved by sin(x) + sin(y^2): Poisson's equation with the two coordinates in separate terms."""

from dataclasses import dataclass

import sympy as sp
from torch import cos, sin

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class PoissonSum(Problem):
    domain = Box(x=(-2, 2), y=(-2, 2))

    def residual(self, u, x, y):
        return -(u.xx + u.yy) - (sin(x) + 4 * y**2 * sin(y**2) - 2 * cos(y**2))

    def conditions(self):
        return {"boundary": Dirichlet("exact")}

    def exact(self, x, y):
        return sp.sin(x) + sp.sin(y**2)
