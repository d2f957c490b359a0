"""(k u')' = f: the conductivity k(x) from 150 measurements of u with noise."""

from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch

from kanpde import Box, Data, Dirichlet, Function, Problem


@dataclass(frozen=True)
class Conductivity(Problem):
    noise: float = 1e-4  # standard deviation of a measurement
    measurements: int = 150

    domain = Box(x=(0, 1))
    unknowns = {"k": Function("x", start=1.0)}

    def residual(self, u, x, k):
        # The source belongs to the u and k of `exact`.
        pi = torch.pi
        slope = pi * torch.cos(pi * x) + 0.5
        bend = -(pi**2) * torch.sin(pi * x)
        source = (1 + torch.sin(2 * pi * x) / 2) * bend + pi * torch.cos(2 * pi * x) * slope
        return k * u.xx + k.x * u.x - source

    def conditions(self):
        draw = np.random.default_rng(0)
        x = np.sort(draw.random(self.measurements))
        u = np.sin(np.pi * x) + x / 2 + self.noise * draw.standard_normal(len(x))
        return {"ends": Dirichlet("exact", on="x"), "seen": Data(x[:, None], u)}

    def exact(self, x):
        return {"u": sp.sin(sp.pi * x) + x / 2, "k": 1 + sp.sin(2 * sp.pi * x) / 2}
