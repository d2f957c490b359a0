"""u_tt = c^2 u_xx: the wave equation; a string with fixed ends oscillates in two modes."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class Wave(Problem):
    speed: float = 2.0

    domain = Box(x=(0, 1), t=(0, 1))

    def residual(self, u, x, t):
        return u.tt - self.speed**2 * u.xx

    def conditions(self):
        return {"start": Initial("exact"), "rest": Initial(0, order=1), "ends": Dirichlet(0, on="x")}

    def exact(self, x, t):
        low, high = (sp.sin(n * sp.pi * x) * sp.cos(n * sp.pi * self.speed * t) for n in (1, 4))
        return low + high / 2
