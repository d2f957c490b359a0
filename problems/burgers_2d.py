"""u_t + u u_x + v u_y = nu (u_xx + u_yy), v_t + u v_x + v v_y = nu (v_xx + v_yy): a front in two fields."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class Burgers2D(Problem):
    viscosity: float = 0.05

    domain = Box(x=(0, 1), y=(0, 1), t=(0, 1))
    fields = ("u", "v")

    def residual(self, u, v, x, y, t):
        return {
            "momentum_x": u.t + u * u.x + v * u.y - self.viscosity * (u.xx + u.yy),
            "momentum_y": v.t + u * v.x + v * v.y - self.viscosity * (v.xx + v.yy),
        }

    def conditions(self):
        return {"start": Initial("exact"), "sides": Dirichlet("exact")}

    def exact(self, x, y, t):
        front = 1 / (4 * (1 + sp.exp((4 * y - 4 * x - t) / (32 * self.viscosity))))
        return {"u": sp.Rational(3, 4) - front, "v": sp.Rational(3, 4) + front}
