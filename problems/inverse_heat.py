"""u_t = diffusivity u_xx: the diffusivity of a rod, 0.3, from its temperature at its middle."""

from dataclasses import dataclass

import numpy as np
import sympy as sp

from kanpde import Box, Data, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class InverseHeat(Problem):
    domain = Box(x=(0, 1), t=(0, 1))
    unknowns = {"diffusivity": 1.0}

    def residual(self, u, x, t, diffusivity):
        return u.t - diffusivity * u.xx

    def conditions(self):
        times = np.linspace(0.1, 1, 10)
        points = np.stack([np.full(10, 0.5), times], axis=1)
        measured = Data(points, np.exp(-0.3 * np.pi**2 * times))
        start = Initial(sp.sin(sp.pi * sp.Symbol("x")))
        return {"start": start, "ends": Dirichlet(0, on="x"), "thermometer": measured}

    def exact(self, x, t):
        return sp.exp(-sp.Rational(3, 10) * sp.pi**2 * t) * sp.sin(sp.pi * x)
