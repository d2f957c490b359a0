"""u_xx + exp(u) = 0, u = 0 at both ends: Bratu's equation (1914); a mixture just before it ignites."""

from dataclasses import dataclass

import sympy as sp
from torch import exp

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class Bratu(Problem):
    domain = Box(x=(0, 1))

    def residual(self, u, x):
        return u.xx + exp(u.d())

    def conditions(self):
        return {"ends": Dirichlet(0)}

    def guess(self, x):
        return x * (1 - x) / 8  # near the lower one of two solutions

    def exact(self, x):
        rate = sp.Float("1.5171645990507543685218444212962", 30)  # the smaller root of rate = sqrt(2) cosh(rate / 4)
        return 2 * sp.log(sp.cosh(rate / 4) / sp.cosh((x - sp.Rational(1, 2)) * rate / 2))
