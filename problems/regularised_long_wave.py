"""u_t + u_x + u u_x - u_xxt = 0: the regularised long-wave equation (Benjamin, Bona, Mahony, 1972); a soliton."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class RegularisedLongWave(Problem):
    speed: float = 1.5

    domain = Box(x=(-8, 10), t=(0, 2))

    def residual(self, u, x, t):
        return u.t + u.x + u * u.x - u.xxt

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        c = self.speed
        return 3 * (c - 1) * sp.sech(sp.sqrt((c - 1) / c) / 2 * (x - c * t)) ** 2
