"""u_t + u u_x + u_xx + u_xxxx = 0: the Kuramoto-Sivashinsky equation; a travelling shock (Kuramoto, Tsuzuki, 1976)."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Neumann, Problem


@dataclass(frozen=True)
class KuramotoSivashinsky(Problem):
    speed: float = 1.0

    domain = Box(x=(-10, 10), t=(0, 1))

    def residual(self, u, x, t):
        return u.t + u * u.x + u.xx + u.xxxx

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x"), "slopes": Neumann("exact", on="x")}

    def exact(self, x, t):
        steepness = sp.sqrt(sp.Rational(11, 19))
        front = sp.tanh(steepness / 2 * (x - self.speed * t))
        return self.speed + sp.Rational(15, 19) * steepness * (11 * front**3 - 9 * front)
