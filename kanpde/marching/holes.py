"""Functions that are singular within a hole of a plane domain, which splines on its box approximate slowly.

Around a hole a solution of Δu = f is a smooth function, which goes on into the hole, and a Laurent series about a point
c of the hole, with z = x + iy - c: log r and Re and Im of z^{-n} (multipoles). Other terms of the equation
multiply them by powers of z and z̄ (I. N. Vekua, "New Methods for Solving Elliptic Equations", 1967). If the principal
part is another one with constant coefficients, all this holds in the plane to which a linear map takes it to Laplace's,
where a round hole is an ellipse: about long holes w of `calculus/slits.py` stands for z, because Laurent's series ends
at the foci.
"""

from __future__ import annotations

import math
from dataclasses import replace

from kanpde.calculus.corner_functions import Corner, CornerFunction
from kanpde.geometry.holes import Hole
from kanpde.marching.terms import Terms

NEGLIGIBLE = 1e-12  # share of a series' first term below which a term is left out
ORDERS = (12, 30)  # least and largest order of the multipoles; bounds enclose no higher ones
PERTURBED = 8  # largest order of the multipoles that are multiplied by powers, if the equation has lower terms
POWERS = 2  # largest power of these
MORE = 6  # orders that an audit adds, so that it sees what the last ones leave
ORDERS_IN_TIME, LOGARITHMS_IN_TIME = (12, 12), 7  # the same of orders, and the largest power of r² with log r


def functions_around(
    hole: Hole, terms: Terms, size: float, multiplicity: int = 1, *, evolving: bool = False, more: bool = False
) -> list[CornerFunction]:
    """Return the singular functions of one hole of a domain of a size; all are about at most 1 there.

    A root of a `multiplicity` has them times powers of z̄. If the solution is `evolving`, there are fewer multipoles,
    because each is multiplied by all polynomials in time. There are `more` multipoles if an audit asks for them.
    """
    orders, powers = (ORDERS_IN_TIME, LOGARITHMS_IN_TIME) if evolving else (ORDERS, POWERS + 1)
    centre = Corner(hole.at, 0.0, 2 * math.pi, hole.radii[0], slit=slit_of(hole, hole.radii[0]))
    far = replace(centre, radius=size, slit=slit_of(hole, size))
    found = [CornerFunction(centre, 0.0, even=True, log=True)]

    def add(power: int, conjugate: int) -> None:
        found.extend(CornerFunction(centre, float(power), conjugate, even) for even in (True, False))

    further = MORE if more and not evolving else 0
    for n in range(1, order_of(hole, orders) + further + 1):
        for k in range(multiplicity):
            add(-n, k)
    for a in range(1, multiplicity):
        for b in range(a + 1):
            parities = (True,) if a == b else (True, False)
            found += [CornerFunction(far, float(a), b, even, log=True, modulus=True) for even in parities]
    if terms is not Terms.NONE:
        found += [CornerFunction(far, float(k), k, even=True, log=True) for k in range(multiplicity, powers + 1)]
        for n in range(1, PERTURBED + 1):
            for k in range(multiplicity, min(n, POWERS) + multiplicity):
                add(-n, k)
    return found


def slit_of(hole: Hole, radius: float) -> tuple[float, float, float, float, float] | None:
    """Return the slit of a hole for functions that divide distances by a radius."""
    if hole.slit is None:
        return None
    one, two, focus = hole.slit
    return one.real, one.imag, two.real, two.imag, focus / radius


def order_of(hole: Hole, orders: tuple[int, int]) -> int:
    """Return the largest n of z^{-n}; what the nearest other boundary excites falls like (radius / reach)^n."""
    least, most = orders
    ratio = hole.radii[1] / hole.reach
    return most if ratio >= 1 else min(max(math.ceil(math.log(NEGLIGIBLE) / math.log(ratio)), least), most)
