"""u_xx + u_yy = 0 in a square with four round holes: the potential of a charge in each hole."""

from dataclasses import dataclass

import sympy as sp

from kanpde import Box, Dirichlet, Disk, Neumann, Problem

CENTRES = [(sp.Rational(a, 4), sp.Rational(b, 4)) for a in (1, 3) for b in (1, 3)]


def plate():
    """Return the unit square without its holes, whose faces are hole1, …, hole4."""
    square = Box(x=(0, 1), y=(0, 1))
    for number, centre in enumerate(CENTRES, 1):
        square = square - Disk(tuple(map(float, centre)), 0.1, name=f"hole{number}")
    return square


@dataclass(frozen=True)
class FourHoles(Problem):
    domain = plate()

    def residual(self, u, x, y):
        return u.xx + u.yy

    def conditions(self):
        held = Dirichlet("exact", on=["x", "y", "hole1"])
        return {"held": held, "charged": Neumann("exact", on=["hole2", "hole3", "hole4"])}

    def exact(self, x, y):
        charges = (k * sp.log((x - a) ** 2 + (y - b) ** 2) for k, (a, b) in enumerate(CENTRES, 1))
        return sp.exp(x) * sp.cos(y) + sum(charges)
