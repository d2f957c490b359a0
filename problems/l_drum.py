"""u_xx + u_yy + square u = 0 in an L: the lowest tone of a drum with a corner (Fox, Henrici and Moler, 1967)."""

from dataclasses import dataclass

import numpy as np
from scipy.special import jv

from kanpde import Dirichlet, Integral, Polygon, Problem

SQUARE = 9.6397238440219410  # of the reference (Betcke and Trefethen, 2005)
TERMS = 26  # of the reference's series


@dataclass(frozen=True)
class LDrum(Problem):
    domain = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])
    unknowns = {"square": 9.0}

    def residual(self, u, x, y, square):
        return u.xx + u.yy + square * u

    def conditions(self):
        return {"rim": Dirichlet(0), "size": Integral(1)}

    def reference(self, x, y):
        """Σ c J_α(√square r) sin αθ, α = 2j/3 with odd j, which vanishes on the sides and has the integral 1."""
        s = (1 + np.cos(np.pi * (np.arange(8 * TERMS) + 0.5) / (8 * TERMS))) / 2
        rows = np.concatenate(
            [series(1 + 0 * s, s), series(2 * s - 1, 1 + 0 * s)]
        )  # the other sides are their mirror images
        mode = np.concatenate([[1], np.linalg.lstsq(rows[:, 1:], -rows[:, 0], rcond=None)[0]])
        nodes, weights = np.polynomial.legendre.leggauss(40)
        a, b = (nodes + 1) / 2, weights / 2
        angle = np.pi / 4 * np.add.outer(np.arange(6), a).ravel()  # six triangles around the corner
        reach = 1 / np.maximum(abs(np.cos(angle)), abs(np.sin(angle)))
        r = np.outer(reach, a**3)  # so that r^(2/3) is smooth in a
        area = np.outer(np.pi / 4 * np.tile(b, 6) * reach, 3 * a**2 * b) * r
        inside = series((r.T * np.cos(angle)).T.ravel(), (r.T * np.sin(angle)).T.ravel()) @ mode
        return series(x, y) @ mode / (area.ravel() @ inside)


def series(x, y):
    """Return J_α(√square r) sin αθ / J_α(√(2 square)) for every α, (n, TERMS)."""
    angle = np.arctan2(-x - y, y - x) + 3 * np.pi / 4  # from the side y = 0
    r, alpha = np.sqrt(SQUARE) * np.hypot(x, y), 2 * np.arange(1, 2 * TERMS, 2) / 3
    return jv(alpha, r[:, None]) * np.sin(alpha * angle[:, None]) / jv(alpha, np.sqrt(2 * SQUARE))
