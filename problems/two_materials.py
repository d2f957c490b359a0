"""k (u_xx + u_yy) = 0: a cylinder of another conductivity in a uniform field, k = 1 outside."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Disk, Interface, Problem


@dataclass(frozen=True)
class TwoMaterials(Problem):
    conductivity: float = 1000.0

    domain = Box(x=(-1, 1), y=(-1, 1))
    parts = {"core": Disk((0, 0), 0.4, name="seam")}

    @property
    def coefficients(self):
        return {"k": {"core": self.conductivity, "rest": 1.0}}

    def residual(self, u, x, y, k):
        return k * (u.xx + u.yy)

    def conditions(self):
        return {"far": Dirichlet("exact"), "seam": Interface("seam", flux=lambda u, k: (k * u.x, k * u.y))}

    def exact(self, x, y):
        share, radius = (self.conductivity - 1) / (self.conductivity + 1), sp.Rational(2, 5)
        outside = x - share * radius**2 * x / (x**2 + y**2)
        return sp.Piecewise(((1 - share) * x, x**2 + y**2 < radius**2), (outside, True))
