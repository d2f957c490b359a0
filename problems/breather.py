"""u_tt - u_xx + sin(u) = 0: the sine-Gordon equation; a breather."""

from dataclasses import dataclass

import sympy as sp
from torch import sin

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class Breather(Problem):
    frequency: float = 0.6  # less than 1

    domain = Box(x=(-5, 5), t=(0, 3))

    def residual(self, u, x, t):
        return u.tt - u.xx + sin(u)

    def conditions(self):
        return {"start": Initial("exact"), "speed": Initial("exact", order=1), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        decay = sp.sqrt(1 - self.frequency**2)
        return 4 * sp.atan(decay / self.frequency * sp.cos(self.frequency * t) / sp.cosh(decay * x))
