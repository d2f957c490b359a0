"""mu (u_xx + u_yy) + (lambda + mu)(u_xx + v_xy) + f = 0, …: a clamped elastic square under a load in its inside."""

from dataclasses import dataclass

import sympy as sp
from torch import cos, pi, sin

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class Elasticity(Problem):
    stiffness: float = 1.0  # Lame's first constant
    shear: float = 0.5  # Lame's second constant

    domain = Box(x=(0, 1), y=(0, 1))
    fields = ("u", "v")

    def residual(self, u, v, x, y):
        mu, both = self.shear, self.stiffness + self.shear
        f = pi**2 * ((2 * mu + both) * sin(pi * x) * sin(pi * y) - 2 * both * cos(2 * pi * x) * cos(pi * y))
        g = pi**2 * ((5 * mu + both) * sin(2 * pi * x) * sin(pi * y) - both * cos(pi * x) * cos(pi * y))
        return {
            "balance_x": mu * (u.xx + u.yy) + both * (u.xx + v.xy) + f,
            "balance_y": mu * (v.xx + v.yy) + both * (u.xy + v.yy) + g,
        }

    def conditions(self):
        return {"u_clamped": Dirichlet(0, field="u"), "v_clamped": Dirichlet(0, field="v")}

    def exact(self, x, y):
        u, v = sp.sin(sp.pi * x) * sp.sin(sp.pi * y), sp.sin(2 * sp.pi * x) * sp.sin(sp.pi * y)
        return {"u": u, "v": v}
