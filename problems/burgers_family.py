"""u_t + u u_x = nu u_xx for all viscosities nu from 0.1 to 0.5: a front; the second coordinate is a parameter."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class BurgersFamily(Problem):
    domain = Box(x=(-1, 1), nu=(0.1, 0.5), t=(0, 1))

    def residual(self, u, x, nu, t):
        return u.t + u * u.x - nu * u.xx

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, nu, t):
        return (1 - sp.tanh((2 * x - t) / (8 * nu))) / 2
