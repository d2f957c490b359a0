"""u_t + u u_x + 0.022^2 u_xxx = 0: the Korteweg-de Vries equation; a cosine breaks into solitons."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sympy as sp
from numpy.polynomial.chebyshev import chebvander

from kanpde import Box, Initial, Periodic, Problem


@dataclass(frozen=True)
class KdV(Problem):
    dispersion = 0.022**2  # not a parameter, because the reference is known only for this value

    domain = Box(x=(-1, 1), t=(0, 1))

    def residual(self, u, x, t):
        return u.t + u * u.x + self.dispersion * u.xxx

    def conditions(self):
        return {"start": Initial(sp.cos(sp.pi * sp.Symbol("x"))), "circle": Periodic("x", order=2)}

    def reference(self, x, t):
        """Return u = Re sum_jk c_jk T_j(2 t - 1) exp(i pi k x), with c computed by references/make.py to 1e-10."""
        with np.load(Path(__file__).parent / "references" / "kdv.npz") as file:
            coefficients = file["coefficients"]
        x, t = np.broadcast_arrays(np.asarray(x, float), t)
        chunks = (np.array_split(values.ravel(), 1 + x.size // 4096) for values in (x, t))
        sums = [double_sum(coefficients, *chunk) for chunk in zip(*chunks, strict=True)]
        return np.concatenate(sums).reshape(x.shape)


def double_sum(coefficients, x, t):
    """Return the sum at points (n,); each basis function is evaluated once for each distinct x or t."""
    degrees, modes = coefficients.shape
    places, place = np.unique(x, return_inverse=True)
    times, time = np.unique(t, return_inverse=True)
    in_time = chebvander(2 * times - 1, degrees - 1) @ coefficients
    in_space = np.exp(1j * np.pi * np.outer(places, np.arange(modes)))
    return np.einsum("nk,nk->n", in_time[time], in_space[place]).real
