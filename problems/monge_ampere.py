"""u_xx u_yy - u_xy^2 = (1 + r^2) exp(r^2): the Monge-Ampere equation; the convex one of its solutions."""

from dataclasses import dataclass

import sympy as sp
from torch import exp

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class MongeAmpere(Problem):
    domain = Box(x=(-1, 1), y=(-1, 1))

    def residual(self, u, x, y):
        square = x**2 + y**2
        return u.xx * u.yy - u.xy**2 - (1 + square) * exp(square)

    def conditions(self):
        return {"boundary": Dirichlet("exact")}

    def guess(self, x, y):
        return x**2 + y**2  # convex, as the solution; another one is concave

    def exact(self, x, y):
        return sp.exp((x**2 + y**2) / 2)
