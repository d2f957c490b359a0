"""u_xx + u_yy = 0: u = 0 on one half of a side and du/dn = 0 on the other half (Motz, 1947)."""

from dataclasses import dataclass

import numpy as np

from kanpde import Dirichlet, Neumann, Polygon, Problem

TERMS = 64  # of the reference's series


@dataclass(frozen=True)
class Motz(Problem):
    hot: float = 500.0

    domain = Polygon([(-1, 0), (0, 0), (1, 0), (1, 1), (-1, 1)])  # a vertex where the condition changes

    def residual(self, u, x, y):
        return u.xx + u.yy

    def conditions(self):
        return {
            "cold": Dirichlet(0, on="side1"),
            "hot": Dirichlet(self.hot, on="side3"),
            "insulated": Neumann(0, on=["side2", "side4", "side5"]),
        }

    def reference(self, x, y):
        """The series Σ c r^α cos αθ, α = 1/2, 3/2, …, fitted on three sides (Li, Mathon and Sermer, 1987)."""
        s, w = np.polynomial.legendre.leggauss(2 * TERMS)
        t = (1 + s) / 2
        sides = [series(1 + 1j * t).real, slopes(s + 1j).imag, slopes(-1 + 1j * t).real]
        right = np.concatenate([self.hot * np.ones_like(w), 0 * w, 0 * w])
        roots = np.tile(np.sqrt(w), 3)
        coefficients = np.linalg.lstsq(roots[:, None] * np.concatenate(sides), roots * right, rcond=None)[0]
        return series(x + 1j * y).real @ coefficients


def series(z):
    """Return (z/√2)^α for every α, (..., TERMS); no point is farther than √2."""
    return (np.asarray(z)[..., None] / np.sqrt(2)) ** (np.arange(TERMS) + 0.5)


def slopes(z):
    """Return the derivatives, whose real part is that of Re z^α by x, and whose imaginary part is minus that by y."""
    return (np.arange(TERMS) + 0.5) / np.asarray(z)[..., None] * series(z)
