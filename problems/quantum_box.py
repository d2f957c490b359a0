"""i psi_t = -psi_xx / 2 in a box, psi = u + i v: Schrodinger's equation; two states beat."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class QuantumBox(Problem):
    domain = Box(x=(0, sp.pi), t=(0, 2))
    fields = ("u", "v")

    def residual(self, u, v, x, t):
        return {"real": u.t + v.xx / 2, "imaginary": v.t - u.xx / 2}

    def conditions(self):
        start = {f"{name}_start": Initial("exact", field=name) for name in ("u", "v")}
        return {**start, "u_walls": Dirichlet(0, on="x", field="u"), "v_walls": Dirichlet(0, on="x", field="v")}

    def exact(self, x, t):
        u = sp.sin(x) * sp.cos(t / 2) + sp.sin(2 * x) * sp.cos(2 * t)
        return {"u": u, "v": -sp.sin(x) * sp.sin(t / 2) - sp.sin(2 * x) * sp.sin(2 * t)}
