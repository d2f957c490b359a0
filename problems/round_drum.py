"""u_xx + u_yy + square u = 0 in a disk: the lowest tone of a round drum, the square of the first zero of J0."""

from dataclasses import dataclass

import numpy as np
from scipy.special import j0, j1, jn_zeros

from kanpde import Dirichlet, Disk, Integral, Problem


@dataclass(frozen=True)
class RoundDrum(Problem):
    domain = Disk((0, 0), 1)
    unknowns = {"square": 5.0}

    def residual(self, u, x, y, square):
        return u.xx + u.yy + square * u

    def conditions(self):
        return {"rim": Dirichlet(0), "size": Integral(1)}

    def reference(self, x, y):
        zero = jn_zeros(0, 1)[0]
        return zero * j0(zero * np.hypot(x, y)) / (2 * np.pi * j1(zero))
