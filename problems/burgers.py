"""u_t + u u_x = nu u_xx: Burgers' equation; a sine steepens to a front at x = 0."""

from dataclasses import dataclass

import numpy as np
import sympy as sp

from kanpde import Box, Dirichlet, Initial, Problem


@dataclass(frozen=True)
class Burgers(Problem):
    viscosity: float = 0.01 / np.pi

    domain = Box(x=(-1, 1), t=(0, 1))

    def residual(self, u, x, t):
        return u.t + u * u.x - self.viscosity * u.xx

    def conditions(self):
        return {"start": Initial(-sp.sin(sp.pi * sp.Symbol("x"))), "ends": Dirichlet(0, on="x")}

    def reference(self, x, t):
        """Return the mean of -sin(pi y) with weights exp(-cos(pi y) / (2 pi nu) - z^2), where y = x - z sqrt(4 nu t).

        This is the Cole-Hopf transformation. The trapezoidal rule in z converges exponentially; beyond `reach` the
        weights are below round-off.
        """
        reach = np.sqrt(40 + 1 / (np.pi * self.viscosity))
        z = np.linspace(-reach, reach, 2 * int(10 * reach) + 1)
        x, t = np.broadcast_arrays(np.asarray(x, float), t)
        chunks = (np.array_split(values.ravel(), 1 + x.size // 4096) for values in (x, t))
        return np.concatenate([self._mean(z, *chunk) for chunk in zip(*chunks, strict=True)]).reshape(x.shape)

    def _mean(self, z, x, t):
        angle = np.pi * (x[:, None] - z * np.sqrt(4 * self.viscosity * t)[:, None])
        exponent = -np.cos(angle) / (2 * np.pi * self.viscosity) - z**2
        weight = np.exp(exponent - exponent.max(axis=1, keepdims=True))  # shifted so that the largest is 1
        return -(weight * np.sin(angle)).sum(axis=1) / weight.sum(axis=1)
