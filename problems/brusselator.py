"""u' = a + u^2 v - (b + 1) u, v' = b u - u^2 v: the Brusselator (Prigogine and Lefever, 1968), a chemical clock."""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from kanpde import Box, Initial, Problem


@dataclass(frozen=True)
class Brusselator(Problem):
    a: float = 1.0
    b: float = 3.0

    domain = Box(t=(0, 10))
    fields = ("u", "v")

    def residual(self, u, v, t):
        return {"u": u.t - self.a - u**2 * v + (self.b + 1) * u, "v": v.t - self.b * u + u**2 * v}

    def conditions(self):
        return {"u_start": Initial(1.5, field="u"), "v_start": Initial(3, field="v")}

    def reference(self, t):
        def slopes(_, y):
            u, v = y
            return self.a + u**2 * v - (self.b + 1) * u, self.b * u - u**2 * v

        times, places = np.unique(t, return_inverse=True)
        path = solve_ivp(slopes, (0, 10), [1.5, 3.0], method="DOP853", rtol=1e-13, atol=1e-14, t_eval=times).y
        return {"u": path[0][places], "v": path[1][places]}
