"""-(u_xx + u_yy) = f, solved by sin(pi x) sin(pi y^2): the Poisson equation of the KAN paper, arXiv 2404.19756, 3.4."""

from dataclasses import dataclass

import sympy as sp
from torch import cos, pi, sin

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class PoissonKan(Problem):
    domain = Box(x=(-1, 1), y=(-1, 1))

    def residual(self, u, x, y):
        f = pi * sin(pi * x) * (pi * (1 + 4 * y**2) * sin(pi * y**2) - 2 * cos(pi * y**2))
        return -(u.xx + u.yy) - f

    def conditions(self):
        return {"boundary": Dirichlet(0)}

    def exact(self, x, y):
        return sp.sin(sp.pi * x) * sp.sin(sp.pi * y**2)
