"""u_xxxx + 2 u_xxyy + u_yyyy = q sin(pi x) sin(pi y) on a square: a plate whose sides are simply supported."""

from dataclasses import dataclass

import sympy as sp
from torch import pi, sin

from kanpde import Box, Condition, Dirichlet, Problem


@dataclass(frozen=True)
class SupportedPlate(Problem):
    load: float = 400.0

    domain = Box(x=(0, 1), y=(0, 1))

    def residual(self, u, x, y):
        return u.xxxx + 2 * u.xxyy + u.yyyy - self.load * sin(pi * x) * sin(pi * y)

    def conditions(self):
        free = Condition(lambda u: u.xx + u.yy, on=["x", "y"])  # no moment
        return {"held": Dirichlet(0), "free": free}

    def exact(self, x, y):
        return self.load / (4 * sp.pi**4) * sp.sin(sp.pi * x) * sp.sin(sp.pi * y)
