"""u_t = D u_xx - u v^2 + f (1 - u), v_t = d v_xx + u v^2 - (f + k) v: the Gray-Scott model (1983) on a circle."""

from dataclasses import dataclass

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from kanpde import Box, Initial, Periodic, Problem

POINTS = 64  # of the reference on the circle


@dataclass(frozen=True)
class GrayScott(Problem):
    feed: float = 0.04
    kill: float = 0.06

    domain = Box(x=(0, 2 * sp.pi), t=(0, 20))
    fields = ("u", "v")

    def residual(self, u, v, x, t):
        reaction = u * v**2
        return {
            "u": u.t - 0.02 * u.xx + reaction - self.feed * (1 - u),
            "v": v.t - 0.01 * v.xx - reaction + (self.feed + self.kill) * v,
        }

    def conditions(self):
        bump = sp.exp(3 * (sp.cos(sp.Symbol("x") - sp.pi) - 1))
        start = {"u_start": Initial(1 - bump / 2, field="u"), "v_start": Initial(bump / 4, field="v")}
        return {**start, "circle_u": Periodic("x", field="u"), "circle_v": Periodic("x", field="v")}

    def reference(self, x, t):
        """Fourier modes in space, and a Runge-Kutta method of order eight in time."""
        wave = np.arange(POINTS // 2 + 1)
        fading = -np.outer([0.02, 0.01], wave**2)
        bump = np.exp(3 * (np.cos(2 * np.pi * np.arange(POINTS) / POINTS - np.pi) - 1))

        def slopes(_, state):
            u, v = state.reshape(2, POINTS)
            spread = np.fft.irfft(fading * np.fft.rfft([u, v]), POINTS)
            reaction = u * v**2
            return (spread + [self.feed * (1 - u) - reaction, reaction - (self.feed + self.kill) * v]).ravel()

        times, places = np.unique(t, return_inverse=True)
        first = np.concatenate([1 - bump / 2, bump / 4])
        path = solve_ivp(slopes, (0, 20), first, method="DOP853", rtol=1e-12, atol=1e-13, max_step=0.1, t_eval=times).y
        modes = (
            np.fft.rfft(path.reshape(2, POINTS, -1), axis=1) * np.where(wave % (POINTS // 2), 2, 1)[:, None] / POINTS
        )
        waves = np.exp(1j * np.outer(x, wave))
        return {name: (waves * mode.T[places]).sum(axis=1).real for name, mode in zip("uv", modes, strict=True)}
