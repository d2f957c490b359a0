"""u_tt - u_xx - u_yy + u^2 = f, solved by (x + y) cos(2t) + x y sin(2t): a nonlinear Klein-Gordon equation."""

from dataclasses import dataclass

import sympy as sp
from torch import cos, sin

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class KleinGordon3D(Problem):
    domain = Box(x=(-1, 1), y=(-1, 1), t=(0, 10))

    def residual(self, u, x, y, t):
        w = (x + y) * cos(2 * t) + x * y * sin(2 * t)
        return u.tt - u.xx - u.yy + u**2 - (w**2 - 4 * w)

    def conditions(self):
        start = {"start": Initial("exact"), "velocity": Initial("exact", order=1)}
        return {**start, "boundary": Dirichlet("exact")}

    def exact(self, x, y, t):
        return (x + y) * sp.cos(2 * t) + x * y * sp.sin(2 * t)
