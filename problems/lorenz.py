"""u' = 10 (v - u), v' = u (28 - w) - v, w' = u v - 8 w / 3: the Lorenz equations (1963), before chaos sets in."""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from kanpde import Box, Initial, Problem


@dataclass(frozen=True)
class Lorenz(Problem):
    domain = Box(t=(0, 2))
    fields = ("u", "v", "w")

    def residual(self, u, v, w, t):
        return {"u": u.t - 10 * (v - u), "v": v.t - u * (28 - w) + v, "w": w.t - u * v + 8 * w / 3}

    def conditions(self):
        return {f"{name}_start": Initial(1, field=name) for name in self.fields}

    def reference(self, t):
        def slopes(_, y):
            return 10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 * y[2] / 3

        times, places = np.unique(t, return_inverse=True)
        path = solve_ivp(slopes, (0, 2), [1, 1, 1], method="DOP853", rtol=1e-13, atol=1e-14, t_eval=times).y
        return dict(zip(self.fields, path[:, places], strict=True))
