"""u_t = u_xx + u_yy in a disk with a cold rim: J0(a r) exp(-a^2 t), where a is the first zero of J0."""

from dataclasses import dataclass

import numpy as np
from scipy.special import j0, jn_zeros
from torch.special import bessel_j0

from kanpde import Box, Dirichlet, Disk, Initial, Problem

ZERO = float(jn_zeros(0, 1)[0])


@dataclass(frozen=True)
class HeatDisk(Problem):
    domain = Disk((0, 0), 1) * Box(t=(0, 0.5))

    def residual(self, u, x, y, t):
        return u.t - u.xx - u.yy

    def conditions(self):
        start = Initial(lambda x, y: bessel_j0(ZERO * (x**2 + y**2).sqrt()))
        return {"start": start, "rim": Dirichlet(0)}

    def reference(self, x, y, t):
        return j0(ZERO * np.hypot(x, y)) * np.exp(-(ZERO**2) * t)
