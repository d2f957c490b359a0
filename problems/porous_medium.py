"""u_t = (u^2)_xx: a gas in a porous rock, inside of its front (Barenblatt, 1952)."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class PorousMedium(Problem):
    domain = Box(x=(-1, 1), t=(1, 3))

    def residual(self, u, x, t):
        return u.t - 2 * (u * u.xx + u.x**2)

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        return (1 - x**2 / (12 * t ** sp.Rational(2, 3))) / sp.cbrt(t)
