"""u_t + u u_x + v u_y + p_x = (u_xx + u_yy) / Re, …: Taylor and Green's vortices at Re = 100, periodic in the plane."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Initial, Integral, Periodic, Problem


@dataclass(frozen=True)
class Vortices(Problem):
    reynolds: float = 100.0

    domain = Box(x=(0, 2 * sp.pi), y=(0, 2 * sp.pi), t=(0, 2))
    fields = ("u", "v", "p")

    def residual(self, u, v, p, x, y, t):
        return {
            "momentum_x": u.t + u * u.x + v * u.y + p.x - (u.xx + u.yy) / self.reynolds,
            "momentum_y": v.t + u * v.x + v * v.y + p.y - (v.xx + v.yy) / self.reynolds,
            "continuity": u.x + v.y,
        }

    def conditions(self):
        start = {f"{name}_start": Initial("exact", field=name) for name in ("u", "v")}
        return {**start, "x": Periodic("x"), "y": Periodic("y"), "pressure": Integral(0, field="p")}

    def exact(self, x, y, t):
        fading = sp.exp(-2 * t / self.reynolds)
        u, v = -sp.cos(x) * sp.sin(y) * fading, sp.sin(x) * sp.cos(y) * fading
        return {"u": u, "v": v, "p": -(sp.cos(2 * x) + sp.cos(2 * y)) * fading**2 / 4}
