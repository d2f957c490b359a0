"""-(u_x1x1 + … + u_x5x5) = (pi/2)^2 u, u = the sum of cos(pi x / 2): Poisson's equation in five dimensions."""

from dataclasses import dataclass

import sympy as sp
from torch import cos, pi

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class Poisson5D(Problem):
    domain = Box(a=(0, 1), b=(0, 1), c=(0, 1), e=(0, 1), f=(0, 1))

    def residual(self, u, a, b, c, e, f):
        source = (pi / 2) ** 2 * sum(cos(pi / 2 * each) for each in (a, b, c, e, f))
        return -(u.aa + u.bb + u.cc + u.ee + u.ff) - source

    def conditions(self):
        return {"boundary": Dirichlet("exact")}

    def exact(self, a, b, c, e, f):
        return sum(sp.cos(sp.pi / 2 * each) for each in (a, b, c, e, f))
