"""u_xx + u_yy + k^2 u = 0 on a square: a plane wave, five wavelengths long."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class HelmholtzWave(Problem):
    wavenumber: float = 30.0

    domain = Box(x=(0, 1), y=(0, 1))

    def residual(self, u, x, y):
        return u.xx + u.yy + self.wavenumber**2 * u

    def conditions(self):
        return {"boundary": Dirichlet("exact")}

    def exact(self, x, y):
        return sp.cos(self.wavenumber * (3 * x + 4 * y) / 5)
