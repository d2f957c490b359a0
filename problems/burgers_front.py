"""u_t + u u_x = nu u_xx: Burgers' equation; a front travels with constant shape."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class BurgersFront(Problem):
    viscosity: float = 0.1
    speed: float = 0.5

    domain = Box(x=(-1, 1), t=(0, 1))

    def residual(self, u, x, t):
        return u.t + u * u.x - self.viscosity * u.xx

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        return self.speed - sp.tanh((x - self.speed * t) / (2 * self.viscosity))
