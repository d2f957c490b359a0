"""u_xx + u_yy = 0 in a ring, 1 inside and 0 outside: the potential of a coaxial cable."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Annulus, Dirichlet, Problem


@dataclass(frozen=True)
class LaplaceAnnulus(Problem):
    voltage: float = 1.0

    domain = Annulus((0, 0), 0.5, 1)

    def residual(self, u, x, y):
        return u.xx + u.yy

    def conditions(self):
        return {"core": Dirichlet(self.voltage, on="inner"), "shield": Dirichlet(0, on="outer")}

    def exact(self, x, y):
        return -self.voltage * sp.log(x**2 + y**2) / (2 * sp.log(2))
