"""u_xx + u_yy = 0: a star with five round arms."""

from dataclasses import dataclass

import sympy as sp
from torch import atan2, cos

from kanpde import Box, Dirichlet, Implicit, Problem


def star(x, y):
    """Return a level that is negative where the distance from the centre is less than 4/5 + cos(5 angle) / 10."""
    return x**2 + y**2 - (0.8 + 0.1 * cos(5 * atan2(y, x))) ** 2


@dataclass(frozen=True)
class LaplaceStar(Problem):
    domain = Implicit(star, Box(x=(-1, 1), y=(-1, 1)))

    def residual(self, u, x, y):
        return u.xx + u.yy

    def conditions(self):
        return {"rim": Dirichlet("exact", on="rim")}

    def exact(self, x, y):
        return sp.exp(x) * sp.cos(y)
