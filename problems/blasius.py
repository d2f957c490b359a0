"""2 u_xxx + u u_xx = 0, u = u_x = 0 on the left and u_x = 1 on the right: the flow along a plate (Blasius, 1908)."""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from kanpde import Box, Dirichlet, Neumann, Problem

LENGTH = 4.0  # at which the slope of the whole solution is 0.9555


@dataclass(frozen=True)
class Blasius(Problem):
    domain = Box(x=(0, LENGTH))

    def residual(self, u, x):
        return 2 * u.xxx + u * u.xx

    def conditions(self):
        return {"wall": Dirichlet(0, on="x-"), "no_slip": Neumann(0, on="x-"), "stream": Neumann(1, on="x+")}

    def reference(self, x):
        places, back = np.unique(np.append(x, LENGTH), return_inverse=True)
        friction = brentq(lambda guess: shot(guess, np.array([LENGTH]))[1, 0] - 1, 0.2, 0.5, xtol=1e-15)
        return shot(friction, places)[0][back[:-1]]


def shot(friction, places):
    """Return the solution and its slope at increasing places, given the second derivative at the wall."""

    def slopes(_, y):
        return y[1], y[2], -y[0] * y[2] / 2

    # Small steps, because the values between them are interpolated.
    options = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-14, "max_step": 0.05, "t_eval": places}
    return solve_ivp(slopes, (0, LENGTH), [0, 0, friction], **options).y
