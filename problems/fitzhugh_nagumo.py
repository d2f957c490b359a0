"""u' = u - u^3 / 3 - w + current, w' = (u + 0.7 - 0.8 w) / 12.5: FitzHugh and Nagumo's nerve cell, which fires."""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from kanpde import Box, Initial, Problem


@dataclass(frozen=True)
class FitzhughNagumo(Problem):
    current: float = 0.5

    domain = Box(t=(0, 40))
    fields = ("u", "w")

    def residual(self, u, w, t):
        return {"voltage": u.t - u + u**3 / 3 + w - self.current, "recovery": w.t - (u + 0.7 - 0.8 * w) / 12.5}

    def conditions(self):
        return {"voltage_start": Initial(-1, field="u"), "recovery_start": Initial(1, field="w")}

    def reference(self, t):
        def slopes(_, y):
            return y[0] - y[0] ** 3 / 3 - y[1] + self.current, (y[0] + 0.7 - 0.8 * y[1]) / 12.5

        times, places = np.unique(t, return_inverse=True)
        path = solve_ivp(slopes, (0, 40), [-1, 1], method="DOP853", rtol=1e-13, atol=1e-14, t_eval=times).y
        return {"u": path[0][places], "w": path[1][places]}
