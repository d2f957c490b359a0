"""u_tt = damping (1 - u^2) u_t - u: van der Pol's oscillator (1926), on the way to its limit cycle."""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from kanpde import Box, Initial, Problem


@dataclass(frozen=True)
class VanDerPol(Problem):
    damping: float = 2.0

    domain = Box(t=(0, 10))

    def residual(self, u, t):
        return u.tt - self.damping * (1 - u**2) * u.t + u

    def conditions(self):
        return {"start": Initial(1), "rest": Initial(0, order=1)}

    def reference(self, t):
        def slopes(_, y):
            return y[1], self.damping * (1 - y[0] ** 2) * y[1] - y[0]

        times, places = np.unique(t, return_inverse=True)
        path = solve_ivp(slopes, (0, 10), [1, 0], method="DOP853", rtol=1e-13, atol=1e-14, t_eval=times).y
        return path[0][places]
