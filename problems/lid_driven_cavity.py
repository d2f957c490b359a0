"""u_xxxx + 2 u_xxyy + u_yyyy = Re (u_y (Δu)_x - u_x (Δu)_y): the stream function in a cavity that its lid drives."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sympy as sp
from numpy.polynomial.legendre import legval2d

from kanpde import Box, Dirichlet, Neumann, Problem


@dataclass(frozen=True)
class LidDrivenCavity(Problem):
    reynolds: float = 100.0  # the reference is known for 100, 400 and 1000

    domain = Box(x=(0, 1), y=(0, 1))

    def residual(self, u, x, y):
        carried = u.y * (u.xxx + u.xyy) - u.x * (u.xxy + u.yyy)
        return u.xxxx + 2 * u.xxyy + u.yyyy - self.reynolds * carried

    def conditions(self):
        x = sp.Symbol("x")
        lid = Neumann(16 * x**2 * (1 - x) ** 2, on="y+")  # its velocity, which vanishes at its ends
        return {"walls": Dirichlet(0), "lid": lid, "rest": Neumann(0, on=["x", "y-"])}

    @property
    def reference(self):
        """The Legendre series that references/lid.py computes to 1e-8, 1e-7 and 1e-6; None for other numbers."""
        with np.load(Path(__file__).parent / "references" / "lid.npz") as file:
            found = file.get(f"reynolds_{self.reynolds:g}")
        return None if found is None else lambda x, y: legval2d(2 * x - 1, 2 * y - 1, found)
