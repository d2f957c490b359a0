"""u_x = epsilon u_xx, u = 0 on the left and 1 on the right: a boundary layer as thin as epsilon."""

from dataclasses import dataclass

import numpy as np

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class BoundaryLayer(Problem):
    epsilon: float = 1e-4

    domain = Box(x=(0, 1))

    def residual(self, u, x):
        return u.x - self.epsilon * u.xx

    def conditions(self):
        return {"left": Dirichlet(0, on="x-"), "right": Dirichlet(1, on="x+")}

    def reference(self, x):
        start = np.exp(-1 / self.epsilon)
        return (np.exp((x - 1) / self.epsilon) - start) / (1 - start)
