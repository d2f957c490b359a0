"""u_t + 6 u u_x + u_xxx = 0: the Korteweg-de Vries equation; a single soliton."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Neumann, Problem


@dataclass(frozen=True)
class KdVSoliton(Problem):
    speed: float = 2.0

    domain = Box(x=(-5, 5), t=(0, 1))

    def residual(self, u, x, t):
        return u.t + 6 * u * u.x + u.xxx

    def conditions(self):
        ends = {"ends": Dirichlet("exact", on="x"), "slope": Neumann("exact", on="x+")}
        return {"start": Initial("exact"), **ends}

    def exact(self, x, t):
        return self.speed / 2 * sp.sech(sp.sqrt(self.speed) / 2 * (x - self.speed * t)) ** 2
