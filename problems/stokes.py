"""p_x = u_xx + u_yy + f, p_y = v_xx + v_yy + g, u_x + v_y = 0: Stokes' equations; four slow vortices in a box."""

from dataclasses import dataclass

import sympy as sp
from torch import cos, pi, sin

from kanpde import Box, Dirichlet, Integral, Problem


@dataclass(frozen=True)
class Stokes(Problem):
    domain = Box(x=(0, 1), y=(0, 1))
    fields = ("u", "v", "p")

    def residual(self, u, v, p, x, y):
        a, b = 2 * pi * x, 2 * pi * y
        f = 4 * pi**2 * (1 - 2 * cos(a)) * sin(b) - 2 * pi * sin(a)
        g = 4 * pi**2 * (2 * cos(b) - 1) * sin(a) - 2 * pi * sin(b)
        return {
            "momentum_x": p.x - u.xx - u.yy - f,
            "momentum_y": p.y - v.xx - v.yy - g,
            "continuity": u.x + v.y,
        }

    def conditions(self):
        walls = {f"{name}_walls": Dirichlet(0, field=name) for name in ("u", "v")}
        return {**walls, "pressure": Integral(0, field="p")}  # fixes the constant in p + constant

    def exact(self, x, y):
        a, b = 2 * sp.pi * x, 2 * sp.pi * y
        u, v = (1 - sp.cos(a)) * sp.sin(b), (sp.cos(b) - 1) * sp.sin(a)
        return {"u": u, "v": v, "p": sp.cos(a) + sp.cos(b)}
