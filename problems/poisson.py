"""-(u_xx + u_yy) = 2 pi^2 sin(pi x) sin(pi y): Poisson's equation on a square."""

from dataclasses import dataclass

import sympy as sp
from torch import pi, sin

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class Poisson(Problem):
    domain = Box(x=(-1, 1), y=(-1, 1))

    def residual(self, u, x, y):
        return -(u.xx + u.yy) - 2 * pi**2 * sin(pi * x) * sin(pi * y)

    def conditions(self):
        return {"boundary": Dirichlet(0)}

    def exact(self, x, y):
        return sp.sin(sp.pi * x) * sp.sin(sp.pi * y)
