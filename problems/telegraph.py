"""u_tt + 2 damping u_t = u_xx: the telegraph equation; a damped wave on a line."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class Telegraph(Problem):
    damping: float = 1.0

    domain = Box(x=(0, 1), t=(0, 2))

    def residual(self, u, x, t):
        return u.tt + 2 * self.damping * u.t - u.xx

    def conditions(self):
        return {"start": Initial("exact"), "speed": Initial("exact", order=1), "ends": Dirichlet(0, on="x")}

    def exact(self, x, t):
        return sp.exp(-self.damping * t) * sp.sin(sp.pi * x) * sp.cos(sp.sqrt(sp.pi**2 - self.damping**2) * t)
