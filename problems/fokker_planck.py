"""u_t = (x u)_x + D u_xx: the Fokker-Planck equation; a cloud of particles drawn to the origin."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class FokkerPlanck(Problem):
    diffusivity: float = 0.5

    domain = Box(x=(-3, 3), t=(0, 1))

    def residual(self, u, x, t):
        return u.t - u - x * u.x - self.diffusivity * u.xx

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        spread = self.diffusivity + (sp.Rational(1, 5) - self.diffusivity) * sp.exp(-2 * t)
        return sp.exp(-((x - sp.exp(-t)) ** 2) / (2 * spread)) / sp.sqrt(2 * sp.pi * spread)
