"""u_t + 6 u u_x + u_xxx = 0: the Korteweg-de Vries equation; a fast soliton overtakes a slow one (Hirota, 1971)."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Neumann, Problem


@dataclass(frozen=True)
class KdVTwoSolitons(Problem):
    fast: float = 1.5  # a soliton of k is k^2 / 2 high and moves at the speed k^2
    slow: float = 1.0

    domain = Box(x=(-8, 8), t=(-1, 1))

    def residual(self, u, x, t):
        return u.t + 6 * u * u.x + u.xxx

    def conditions(self):
        ends = {"ends": Dirichlet("exact", on="x"), "slope": Neumann("exact", on="x+")}
        return {"start": Initial("exact"), **ends}

    def exact(self, x, t):
        a, b = self.fast, self.slow
        first, second = sp.exp(a * x - a**3 * t), sp.exp(b * x - b**3 * t)
        total = 1 + first + second + ((a - b) / (a + b)) ** 2 * first * second
        return 2 * sp.diff(sp.log(total), x, 2)
