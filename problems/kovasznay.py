"""u u_x + v u_y + p_x = (u_xx + u_yy) / Re, …: the steady Navier-Stokes equations behind a grid (Kovasznay, 1948)."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Problem


@dataclass(frozen=True)
class Kovasznay(Problem):
    reynolds: float = 40.0

    domain = Box(x=(-0.5, 1), y=(-0.5, 0.5))
    fields = ("u", "v", "p")

    def residual(self, u, v, p, x, y):
        return {
            "momentum_x": u * u.x + v * u.y + p.x - (u.xx + u.yy) / self.reynolds,
            "momentum_y": u * v.x + v * v.y + p.y - (v.xx + v.yy) / self.reynolds,
            "continuity": u.x + v.y,
        }

    def conditions(self):
        velocity = {name: Dirichlet("exact", field=name) for name in ("u", "v")}
        return {**velocity, "outlet": Dirichlet("exact", on="x+", field="p")}  # fixes the constant in p + constant

    def exact(self, x, y):
        rate = self.reynolds / 2 - sp.sqrt(self.reynolds**2 / 4 + 4 * sp.pi**2)
        wake = sp.exp(rate * x)
        u, v = 1 - wake * sp.cos(2 * sp.pi * y), rate * wake * sp.sin(2 * sp.pi * y) / (2 * sp.pi)
        return {"u": u, "v": v, "p": (1 - wake**2) / 2}
