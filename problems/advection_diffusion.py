"""u_t + c u_x = D u_xx: advection and diffusion of a sine on a periodic interval."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Initial, Periodic, Problem


@dataclass(frozen=True)
class AdvectionDiffusion(Problem):
    speed: float = 1.0
    diffusivity: float = 0.1

    domain = Box(x=(-1, 1), t=(0, 1))

    def residual(self, u, x, t):
        return u.t + self.speed * u.x - self.diffusivity * u.xx

    def conditions(self):
        return {"start": Initial(sp.sin(sp.pi * sp.Symbol("x"))), "circle": Periodic("x", order=1)}

    def exact(self, x, t):
        return sp.exp(-(sp.pi**2) * self.diffusivity * t) * sp.sin(sp.pi * (x - self.speed * t))
