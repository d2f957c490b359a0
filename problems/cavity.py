"""e_t = h_x - g_y, g_t = -e_y, h_t = e_x: Maxwell's equations in a square cavity; a standing wave."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class Cavity(Problem):
    domain = Box(x=(0, 1), y=(0, 1), t=(0, 1))
    fields = ("e", "g", "h")  # the electric field along z, the magnetic field along x and y

    def residual(self, e, g, h, x, y, t):
        return {"electric": e.t - h.x + g.y, "magnetic_x": g.t + e.y, "magnetic_y": h.t - e.x}

    def conditions(self):
        return {"start": Initial("exact"), "walls": Dirichlet(0, field="e")}

    def exact(self, x, y, t):
        f = sp.sqrt(2) * sp.pi
        e = sp.sin(sp.pi * x) * sp.sin(sp.pi * y) * sp.cos(f * t)
        g = -sp.sin(sp.pi * x) * sp.cos(sp.pi * y) * sp.sin(f * t) / sp.sqrt(2)
        return {"e": e, "g": g, "h": sp.cos(sp.pi * x) * sp.sin(sp.pi * y) * sp.sin(f * t) / sp.sqrt(2)}
