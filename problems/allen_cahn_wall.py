"""epsilon^2 (u_xx + u_yy) + u - u^3 = 0: the Allen-Cahn equation; two phases at rest and the slanted wall between."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class AllenCahnWall(Problem):
    epsilon: float = 0.2

    domain = Box(x=(-1, 1), y=(-1, 1))

    def residual(self, u, x, y):
        return self.epsilon**2 * (u.xx + u.yy) + u - u**3

    def conditions(self):
        return {"boundary": Dirichlet("exact")}

    def guess(self, x, y):
        return (3 * x + 4 * y) / 5

    def exact(self, x, y):
        return sp.tanh((3 * x + 4 * y) / (5 * sp.sqrt(2) * self.epsilon))
