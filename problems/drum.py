"""u_xx + u_yy + square u = 0 on a square: its lowest tone, whose square is 2 pi^2."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Integral, Problem


@dataclass(frozen=True)
class Drum(Problem):
    domain = Box(x=(0, 1), y=(0, 1))
    unknowns = {"square": 15.0}

    def residual(self, u, x, y, square):
        return u.xx + u.yy + square * u

    def conditions(self):
        return {"rim": Dirichlet(0), "size": Integral(1)}

    def exact(self, x, y):
        return sp.pi**2 / 4 * sp.sin(sp.pi * x) * sp.sin(sp.pi * y)
