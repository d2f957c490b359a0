"""u_xx + u_yy + exp(u) = 0: Liouville's equation (1853)."""

from dataclasses import dataclass

import sympy as sp
from torch import exp

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class Liouville(Problem):
    domain = Box(x=(0, 1), y=(0, 1))

    def residual(self, u, x, y):
        return u.xx + u.yy + exp(u.d())

    def conditions(self):
        return {"boundary": Dirichlet("exact")}

    def exact(self, x, y):
        return sp.log(8 / (1 + x**2 + y**2) ** 2)
