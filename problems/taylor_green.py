"""u_t + u u_x + v u_y + p_x = nu (u_xx + u_yy), …: the Navier-Stokes equations; decaying Taylor-Green vortices."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class TaylorGreen(Problem):
    viscosity: float = 0.1

    domain = Box(x=(0, sp.pi), y=(0, sp.pi), t=(0, 1))
    fields = ("u", "v", "p")

    def residual(self, u, v, p, x, y, t):
        return {
            "momentum_x": u.t + u * u.x + v * u.y + p.x - self.viscosity * (u.xx + u.yy),
            "momentum_y": v.t + u * v.x + v * v.y + p.y - self.viscosity * (v.xx + v.yy),
            "continuity": u.x + v.y,
        }

    def conditions(self):
        start = {f"{name}_start": Initial("exact", field=name) for name in ("u", "v")}
        walls = {f"{name}_walls": Dirichlet("exact", field=name) for name in ("u", "v")}
        return {**start, **walls, "pressure": Dirichlet("exact", on="x-", field="p")}  # fixes the c(t) in p + c(t)

    def exact(self, x, y, t):
        fading = sp.exp(-2 * self.viscosity * t)
        u, v = -sp.cos(x) * sp.sin(y) * fading, sp.sin(x) * sp.cos(y) * fading
        return {"u": u, "v": v, "p": -(sp.cos(2 * x) + sp.cos(2 * y)) * fading**2 / 4}
