"""u u_x + v u_y + p_x = nu (u_xx + u_yy), …: the steady Navier-Stokes equations; flow through a channel."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Condition, Dirichlet, Problem


@dataclass(frozen=True)
class Poiseuille(Problem):
    viscosity: float = 0.1

    domain = Box(x=(0, 2), y=(-1, 1))
    fields = ("u", "v", "p")

    def residual(self, u, v, p, x, y):
        return {
            "momentum_x": u * u.x + v * u.y + p.x - self.viscosity * (u.xx + u.yy),
            "momentum_y": u * v.x + v * v.y + p.y - self.viscosity * (v.xx + v.yy),
            "continuity": u.x + v.y,
        }

    def conditions(self):
        inlet = {"inlet": Dirichlet(1 - sp.Symbol("y") ** 2, on="x-", field="u")}
        walls = {"u_walls": Dirichlet(0, on="y", field="u"), "v_walls": Dirichlet(0, on=["x-", "y"], field="v")}
        outlet = {"outlet": Dirichlet(0, on="x+", field="p"), "straight": Condition(lambda v: v.x, on="x+")}
        return {**inlet, **walls, **outlet}

    def exact(self, x, y):
        return {"u": 1 - y**2, "v": 0 * x, "p": 2 * self.viscosity * (2 - x)}
