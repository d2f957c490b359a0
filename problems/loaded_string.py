"""u_xx = 0 with a kink: a string pulled down by a point load."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Interface, Problem


@dataclass(frozen=True)
class LoadedString(Problem):
    place: float = 0.3
    load: float = 1.0

    domain = Box(x=(0, 1))

    def residual(self, u, x):
        return u.xx

    def conditions(self):
        load = Interface({"x": self.place}, flux=lambda u: u.x, flux_jump=self.load)
        return {"ends": Dirichlet(0), "load": load}

    def exact(self, x):
        a, f = self.place, self.load
        return sp.Piecewise((-f * (1 - a) * x, x < a), (-f * a * (1 - x), True))
