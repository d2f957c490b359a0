"""u_xx + u_yy = 0 in an L: the flow around a corner, whose derivatives are infinite there."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Dirichlet, Polygon, Problem


@dataclass(frozen=True)
class LShape(Problem):
    domain = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])

    def residual(self, u, x, y):
        return u.xx + u.yy

    def conditions(self):
        return {"boundary": Dirichlet("exact")}

    def exact(self, x, y):
        angle = sp.atan2(-x - y, y - x) + 3 * sp.pi / 4  # from the side y = 0; atan2 jumps in the cut-out quarter
        return (x**2 + y**2) ** sp.Rational(1, 3) * sp.sin(2 * angle / 3)
