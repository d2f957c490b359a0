"""u' = u (1 - v), v' = v (u - 1): prey and predators (Lotka, 1925; Volterra, 1926)."""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from kanpde import Box, Initial, Problem


@dataclass(frozen=True)
class LotkaVolterra(Problem):
    prey: float = 2.0
    predators: float = 1.0

    domain = Box(t=(0, 10))
    fields = ("u", "v")

    def residual(self, u, v, t):
        return {"prey": u.t - u * (1 - v), "predators": v.t - v * (u - 1)}

    def conditions(self):
        return {"prey_start": Initial(self.prey, field="u"), "predators_start": Initial(self.predators, field="v")}

    def reference(self, t):
        def slopes(_, y):
            return y[0] * (1 - y[1]), y[1] * (y[0] - 1)

        times, places = np.unique(t, return_inverse=True)
        start = [self.prey, self.predators]
        path = solve_ivp(slopes, (0, 10), start, method="DOP853", rtol=1e-13, atol=1e-14, t_eval=times).y
        return {"u": path[0][places], "v": path[1][places]}
