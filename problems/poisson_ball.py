"""-(u_xx + u_yy + u_zz) = (6 - 4 r^2) exp(-r^2) in a ball: the potential of a cloud of charge."""

from dataclasses import dataclass

import sympy as sp
from torch import exp

from kanpde import Ball, Dirichlet, Problem


@dataclass(frozen=True)
class PoissonBall(Problem):
    domain = Ball((0, 0, 0), 1)

    def residual(self, u, x, y, z):
        square = x**2 + y**2 + z**2
        return -(u.xx + u.yy + u.zz) - (6 - 4 * square) * exp(-square)

    def conditions(self):
        return {"rim": Dirichlet("exact")}

    def exact(self, x, y, z):
        return sp.exp(-(x**2) - y**2 - z**2)
