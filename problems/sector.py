"""u_xx + u_yy = 0: three quarters of a disk, u = 0 on one straight side and du/dn = 0 on the other."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Disk, Neumann, Problem


@dataclass(frozen=True)
class Sector(Problem):
    domain = Disk((0, 0), 1) - Box(x=(0, 2), y=(-2, 0))

    def residual(self, u, x, y):
        return u.xx + u.yy

    def conditions(self):
        return {"cold": Dirichlet(0, on="y+"), "insulated": Neumann(0, on="x-"), "rim": Dirichlet("exact", on="rim")}

    def exact(self, x, y):
        angle = sp.atan2(-x - y, y - x) + 3 * sp.pi / 4  # from the side y = 0; atan2 jumps in the missing quarter
        return (x**2 + y**2) ** sp.Rational(1, 6) * sp.sin(angle / 3)
