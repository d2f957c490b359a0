"""u_t = 0.0001 u_xx + 5 (u - u^3): the Allen-Cahn equation on a periodic interval; two phases separate."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sympy as sp
from numpy.polynomial.chebyshev import chebvander
from scipy.special import erfc

from kanpde import Box, Initial, Periodic, Problem


@dataclass(frozen=True)
class AllenCahn(Problem):
    diffusivity, rate = 1e-4, 5  # not parameters, because the reference is known only for these values

    domain = Box(x=(-1, 1), t=(0, 1))

    def residual(self, u, x, t):
        return u.t - self.diffusivity * u.xx - self.rate * (u - u**3)

    def conditions(self):
        x = sp.Symbol("x")
        return {"start": Initial(x**2 * sp.cos(sp.pi * x)), "circle": Periodic("x", order=1)}

    def reference(self, x, t):
        """Return u = w + sum_jk c_jk T_j(2 t - 1) cos(pi k x), with c computed by references/make.py to 1e-9.

        w contains the kink of the initial values at x = 1: w_t = 1e-4 w_xx - 10 w, periodic, with w = -x^2 at t = 0.
        """
        with np.load(Path(__file__).parent / "references" / "allen_cahn.npz") as file:
            coefficients = file["coefficients"]
        x, t = np.broadcast_arrays(np.asarray(x, float), t)
        chunks = (np.array_split(values.ravel(), 1 + x.size // 4096) for values in (x, t))
        sums = [double_sum(coefficients, *chunk) for chunk in zip(*chunks, strict=True)]
        width = np.sqrt(4 * self.diffusivity * t) + 1e-99
        z = (1 - abs(x)) / width
        kink = 2 * width * (np.exp(-(z**2)) / np.sqrt(np.pi) - z * erfc(z))
        smooth = np.concatenate(sums).reshape(x.shape)
        return smooth + np.exp(-10 * t) * (kink - x**2 - 2 * self.diffusivity * t)


def double_sum(coefficients, x, t):
    """Return the sum at points (n,); each basis function is evaluated once for each distinct x or t."""
    degrees, modes = coefficients.shape
    places, place = np.unique(x, return_inverse=True)
    times, time = np.unique(t, return_inverse=True)
    in_time = chebvander(2 * times - 1, degrees - 1) @ coefficients
    in_space = np.cos(np.pi * np.outer(places, np.arange(modes)))
    return np.einsum("nk,nk->n", in_time[time], in_space[place])
