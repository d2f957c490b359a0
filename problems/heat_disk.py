"""u_t = D (u_xx + u_yy) in a disk: a round plate with a cold rim, in its lowest mode."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import j0, jn_zeros

from kanpde import Box, Dirichlet, Disk, Initial, Problem

ZERO = float(jn_zeros(0, 1)[0])  # of J0


@dataclass(frozen=True)
class HeatDisk(Problem):
    diffusivity: float = 0.1

    domain = Disk((0, 0), 1) * Box(t=(0, 1))

    def residual(self, u, x, y, t):
        return u.t - self.diffusivity * (u.xx + u.yy)

    def conditions(self):
        start = Initial(lambda x, y: torch.special.bessel_j0(ZERO * torch.hypot(x, y)))
        return {"start": start, "rim": Dirichlet(0, on="rim")}

    def reference(self, x, y, t):
        return np.exp(-self.diffusivity * ZERO**2 * t) * j0(ZERO * np.hypot(x, y))
