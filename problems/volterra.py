"""u' + 2 u + 5 (integral of u from 0 to t) = 1: Volterra's integro-differential equation; w is the integral."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Initial, Problem


@dataclass(frozen=True)
class Volterra(Problem):
    domain = Box(t=(0, 4))
    fields = ("u", "w")

    def residual(self, u, w, t):
        return {"equation": u.t + 2 * u + 5 * w - 1, "integral": w.t - u}

    def conditions(self):
        return {"u_start": Initial(0, field="u"), "w_start": Initial(0, field="w")}

    def exact(self, t):
        u = sp.exp(-t) * sp.sin(2 * t) / 2
        return {"u": u, "w": (1 - sp.exp(-t) * (sp.cos(2 * t) + sp.sin(2 * t) / 2)) / 5}
