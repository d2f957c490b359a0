"""u_t = D (u_xx + u_yy + u_zz): a cube with cold sides."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class Heat3D(Problem):
    diffusivity: float = 0.1

    domain = Box(x=(0, 1), y=(0, 1), z=(0, 1), t=(0, 1))

    def residual(self, u, x, y, z, t):
        return u.t - self.diffusivity * (u.xx + u.yy + u.zz)

    def conditions(self):
        return {"start": Initial("exact"), "sides": Dirichlet(0)}

    def exact(self, x, y, z, t):
        fading = sp.exp(-3 * self.diffusivity * sp.pi**2 * t)
        return fading * sp.sin(sp.pi * x) * sp.sin(sp.pi * y) * sp.sin(sp.pi * z)
