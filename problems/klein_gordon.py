"""u_tt - u_xx + u = f, solved by exp(x^2 - t/2): the Klein-Gordon equation with a source."""

from dataclasses import dataclass

import sympy as sp
from torch import exp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class KleinGordon(Problem):
    domain = Box(x=(-1, 1), t=(0, 1))

    def residual(self, u, x, t):
        return u.tt - u.xx + u + (4 * x**2 + 0.75) * exp(x**2 - t / 2)

    def conditions(self):
        start = {"start": Initial("exact"), "velocity": Initial("exact", order=1)}
        return {**start, "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        return sp.exp(x**2 - t / 2)
