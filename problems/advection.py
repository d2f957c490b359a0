"""u_t + c u_x = 0: fast advection of a sine on a periodic interval."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Initial, Periodic, Problem


@dataclass(frozen=True)
class Advection(Problem):
    speed: float = 30.0

    domain = Box(x=(0, 2 * sp.pi), t=(0, 1))

    def residual(self, u, x, t):
        return u.t + self.speed * u.x

    def conditions(self):
        return {"start": Initial(sp.sin(sp.Symbol("x"))), "circle": Periodic("x", order=0, hard=True)}

    def exact(self, x, t):
        return sp.sin(x - self.speed * t)
