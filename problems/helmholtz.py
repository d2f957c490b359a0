"""u_xx + u_yy + u = (1 - 17 pi^2) sin(pi x) sin(4 pi y): Helmholtz's equation on a square."""

from dataclasses import dataclass

import sympy as sp
from torch import pi, sin

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class Helmholtz(Problem):
    domain = Box(x=(-1, 1), y=(-1, 1))

    def residual(self, u, x, y):
        return u.xx + u.yy + u - (1 - 17 * pi**2) * sin(pi * x) * sin(4 * pi * y)

    def conditions(self):
        return {"boundary": Dirichlet(0)}

    def exact(self, x, y):
        return sp.sin(sp.pi * x) * sp.sin(4 * sp.pi * y)
