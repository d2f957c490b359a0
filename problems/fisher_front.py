"""u_t = u_xx + r u (1 - u): the Fisher-KPP equation; the travelling front of Ablowitz and Zeppetella (1979)."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class FisherFront(Problem):
    rate: float = 1.0

    domain = Box(x=(-5, 5), t=(0, 1))

    def residual(self, u, x, t):
        return u.t - u.xx - self.rate * u * (1 - u)

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        s = sp.sqrt(self.rate / sp.Integer(6))
        return (1 + sp.exp(s * (x - 5 * s * t))) ** -2
