"""Problems that several files of tests use, as classes and as the text of a user's file."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem

ROD = '''
"""u_t = D u_xx: a rod."""
from dataclasses import dataclass
import sympy as sp
from kanpde import Box, Dirichlet, Initial, Problem

@dataclass(frozen=True)
class Rod(Problem):
    diffusivity: float = 0.3
    domain = Box(x=(0, 2), t=(0, 1))

    def residual(self, u, x, t):
        return u.t - self.diffusivity * u.xx

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet(0, on="x")}

    def exact(self, x, t):
        return sp.exp(-self.diffusivity * sp.pi**2 * t / 4) * sp.sin(sp.pi * x / 2)
'''


@dataclass(frozen=True)
class Fisher(Problem):
    """A travelling front of the Fisher–KPP equation (Ablowitz and Zeppetella, 1979)."""

    rate: float = 1.0

    domain = Box(x=(-5, 5), t=(0, 1))

    def residual(self, u, x, t):
        return u.t - u.xx - self.rate * u * (1 - u)

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        s = sp.sqrt(sp.Rational(self.rate) / 6)
        return (1 + sp.exp(s * (x - 5 * s * t))) ** -2


class Swing(Problem):
    """u = cos t, v = −sin t: a system of two fields."""

    fields = ("u", "v")
    domain = Box(t=(0, 3))

    def residual(self, u, v, t):
        return {"first": u.t - v, "second": v.t + u}

    def conditions(self):
        return {"u0": Initial(1, field="u"), "v0": Initial(0, field="v")}

    def exact(self, t):
        return {"v": -sp.sin(t), "u": sp.cos(t)}


class Plate(Problem):
    """u_t = (u_xx + u_yy)/10 with zero around."""

    domain = Box(x=(0, 1), y=(0, 1), t=(0, 0.5))

    def residual(self, u):
        return u.t - 0.1 * (u.xx + u.yy)

    def conditions(self):
        return {"start": Initial("exact"), "rim": Dirichlet(0)}

    def exact(self, x, y, t):
        return sp.exp(-(sp.pi**2) * t / 5) * sp.sin(sp.pi * x) * sp.sin(sp.pi * y)
