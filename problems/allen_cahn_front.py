"""u_t = D u_xx + r (u - u^3): the Allen-Cahn equation; a front travels into the unstable state u = 0."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class AllenCahnFront(Problem):
    diffusivity: float = 0.1
    rate: float = 2.0

    domain = Box(x=(-2, 2), t=(0, 1))

    def residual(self, u, x, t):
        return u.t - self.diffusivity * u.xx - self.rate * (u - u**3)

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        steepness = sp.sqrt(self.rate / self.diffusivity / 8)
        speed = 3 * sp.sqrt(self.rate * self.diffusivity / 2)
        return (1 - sp.tanh(steepness * (x - speed * t))) / 2
