"""u_xx + u_yy = 0 in a star with five arms."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Implicit, Problem


def star(x, y):
    """r^2 - 1/2 - (3/10) Re z^5, negative inside: the radius is about 0.6 between two arms and 0.9 in an arm."""
    return x**2 + y**2 - 0.5 - 0.3 * (x**5 - 10 * x**3 * y**2 + 5 * x * y**4)


@dataclass(frozen=True)
class LaplaceStar(Problem):
    domain = Implicit(star, Box(x=(-1.2, 1.2), y=(-1.2, 1.2)))

    def residual(self, u, x, y):
        return u.xx + u.yy

    def conditions(self):
        return {"rim": Dirichlet("exact", on="rim")}

    def exact(self, x, y):
        return sp.exp(x) * sp.cos(y)
