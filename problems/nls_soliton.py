"""i psi_t + psi_xx / 2 + |psi|^2 psi = 0, psi = u + i v: the nonlinear Schrodinger equation; a soliton."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class NLSSoliton(Problem):
    speed: float = 1.0

    domain = Box(x=(-4, 5), t=(0, 1))
    fields = ("u", "v")

    def residual(self, u, v, x, t):
        square = u**2 + v**2
        return {"real": u.xx / 2 - v.t + square * u, "imaginary": v.xx / 2 + u.t + square * v}

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        phase = self.speed * x + (1 - self.speed**2) / 2 * t
        envelope = sp.sech(x - self.speed * t)
        return {"u": envelope * sp.cos(phase), "v": envelope * sp.sin(phase)}
