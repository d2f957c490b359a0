"""u_xxxx + 2 u_xxyy + u_yyyy = 0: the stream function of Stokes' flow in a wedge; ever weaker eddies (Moffatt)."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Dirichlet, Neumann, Polygon, Problem

HALF = sp.pi / 8  # half of the opening
TAN = float(sp.tan(HALF))


@dataclass(frozen=True)
class MoffattEddies(Problem):
    domain = Polygon([(0, 0), (1, -TAN), (1, TAN)])

    def residual(self, u, x, y):
        return u.xxxx + 2 * u.xxyy + u.yyyy

    def conditions(self):
        walls = ["side1", "side3"]
        still = {"walls": Dirichlet(0, on=walls), "no_slip": Neumann(0, on=walls)}
        return {**still, "stirred": Dirichlet("exact", on="side2"), "along": Neumann("exact", on="side2")}

    def exact(self, x, y):
        """Re r^(k + 1) (cos((k + 1) θ) cos((k - 1) HALF) - cos((k - 1) θ) cos((k + 1) HALF))."""
        a, b = exponent()
        angle, r = sp.atan2(y, x), sp.sqrt(x**2 + y**2)
        real, imaginary = 0, 0
        for sign in (1, -1):
            f = [part(a + sign, b, angle), part(a - sign, b, HALF)]
            real += sign * (f[0][0] * f[1][0] - f[0][1] * f[1][1])
            imaginary += sign * (f[0][0] * f[1][1] + f[0][1] * f[1][0])
        return r ** (a + 1) * (sp.cos(b * sp.log(r)) * real - sp.sin(b * sp.log(r)) * imaginary)


def part(p, q, angle):
    """Return the real and the imaginary part of cos((p + i q) angle)."""
    return sp.cos(p * angle) * sp.cosh(q * angle), -sp.sin(p * angle) * sp.sinh(q * angle)


def exponent():
    """Return the parts of the root k of sin(2 k HALF) + k sin(2 HALF) = 0 with the smallest positive real part."""
    k = sp.Symbol("k")
    root = sp.nsolve(sp.sin(2 * k * HALF) + k * sp.sin(2 * HALF), k, 5.4 + 2.8j, prec=20)
    return sp.re(root), sp.im(root)
