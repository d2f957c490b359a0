"""u_t = D u_xx: the heat equation; a Gaussian spreads."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class HeatKernel(Problem):
    diffusivity: float = 0.5
    age: float = 0.5  # time since the Gaussian was a point source, at t = 0

    domain = Box(x=(-2, 2), t=(0, 1))

    def residual(self, u, x, t):
        return u.t - self.diffusivity * u.xx

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        spread = 4 * self.diffusivity * (t + self.age)
        return sp.exp(-(x**2) / spread) / sp.sqrt(sp.pi * spread)
