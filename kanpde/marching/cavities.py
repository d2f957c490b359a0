"""Functions that are singular within a cavity of a body, which splines on its box approximate slowly.

About a cavity a solution of Δu = f is a smooth function, which goes on into the cavity, and a series of r^{-l-1} Y_lm
about a point in it. Powers of Δ, as in elasticity and Stokes' flow, and other terms of the equation multiply them by
r², which is what every product of a polynomial with them is made of.
"""

from __future__ import annotations

import math

from kanpde.calculus.solid_harmonics import Centre, SolidHarmonic
from kanpde.geometry.cavities import Cavity
from kanpde.marching.terms import Terms

NEGLIGIBLE = 1e-12  # share of a series' first term below which a term is left out
DEGREES = (6, 10)  # least and largest degree of the harmonics
PERTURBED = 4  # largest degree of those that are multiplied by powers, if the equation has lower terms
MORE = 2  # degrees that an audit adds, so that it sees what the last ones leave
POWERS = 2  # largest power of r² with them


def harmonics_around(cavity: Cavity, terms: Terms, multiplicity: int = 1, *, more: bool = False) -> list[SolidHarmonic]:
    """Return the singular functions of a cavity, for a power of Laplace's operator; all are about at most 1 there.

    There are `more` of them if an audit asks for them.
    """
    centre = Centre(cavity.at, tuple((cavity.map / cavity.radii[0]).ravel().tolist()))
    highest = degree_of(cavity) + MORE * more
    found = [each for k in range(multiplicity) for each in up_to(centre, highest, k)]
    if terms is not Terms.NONE:
        last = multiplicity + POWERS
        found += [each for k in range(multiplicity, last) for each in up_to(centre, min(PERTURBED, highest), k)]
    return found


def up_to(centre: Centre, highest: int, power: int) -> list[SolidHarmonic]:
    """Return the harmonics of all degrees up to the highest one, times r² to a power."""
    pairs = ((degree, order) for degree in range(highest + 1) for order in range(degree + 1))
    return [
        SolidHarmonic(centre, degree, order, power, even)
        for degree, order in pairs
        for even in ((True, False) if order else (True,))
    ]


def degree_of(cavity: Cavity) -> int:
    """Return the largest degree l; what the nearest other boundary excites falls like (radius / reach)^l."""
    least, most = DEGREES
    ratio = cavity.radii[1] / cavity.reach
    return most if ratio >= 1 else min(max(math.ceil(math.log(NEGLIGIBLE) / math.log(ratio)), least), most)
