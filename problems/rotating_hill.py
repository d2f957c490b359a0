"""u_t - y u_x + x u_y = 0: a hill that is carried around by a rigid rotation."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class RotatingHill(Problem):
    domain = Box(x=(-1, 1), y=(-1, 1), t=(0, 1))

    def residual(self, u, x, y, t):
        return u.t - y * u.x + x * u.y

    def conditions(self):
        return {"start": Initial("exact"), "sides": Dirichlet("exact")}

    def exact(self, x, y, t):
        return sp.exp(-8 * ((x - sp.cos(t) / 2) ** 2 + (y - sp.sin(t) / 2) ** 2))
