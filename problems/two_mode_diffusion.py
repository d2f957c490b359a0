"""u_t = D u_xx: the heat equation in a rod; two modes, one decays nine times as fast as the other."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class TwoModeDiffusion(Problem):
    diffusivity: float = 0.1

    domain = Box(x=(0, 1), t=(0, 1))

    def residual(self, u, x, t):
        return u.t - self.diffusivity * u.xx

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet(0, on="x")}

    def exact(self, x, t):
        rate = sp.pi**2 * self.diffusivity
        low, high = (sp.exp(-(n**2) * rate * t) * sp.sin(n * sp.pi * x) for n in (1, 3))
        return low + high / 2
