"""u_xx + u_yy + k^2 u = 0 in a disk, u = 1 on the rim: a standing wave, J0(k r) / J0(k)."""

from dataclasses import dataclass

import numpy as np
from scipy.special import j0

from kanpde import Dirichlet, Disk, Problem


@dataclass(frozen=True)
class HelmholtzDisk(Problem):
    wavenumber: float = 10.0

    domain = Disk((0, 0), 1)

    def residual(self, u, x, y):
        return u.xx + u.yy + self.wavenumber**2 * u

    def conditions(self):
        return {"rim": Dirichlet(1)}

    def reference(self, x, y):
        return j0(self.wavenumber * np.hypot(x, y)) / j0(self.wavenumber)
