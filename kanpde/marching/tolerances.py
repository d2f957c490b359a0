"""The numbers by which a march decides: what a pass aims at, how axes and slabs change, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MarchTolerances:
    """Every threshold of a march. The defaults are those of `solve`; tests and experiments may pass others."""

    passes: tuple[float, ...] = (1e-3, 1e-5, 1e-7, 1e-9, 1e-11)  # relative residual that each pass aims at, in order
    in_time: float = 1e-2  # last coefficients in time, relative to all, that a slab may have: a share of its tolerance
    first_intervals: tuple[int, ...] = (8, 8, 2)  # intervals of every axis at the start, by the number of coordinates
    degree_in_time: tuple[int, ...] = (15, 11, 9)  # degree of the polynomials in time, by the number of axes in space

    growth: float = 2.5  # largest factor by which an axis's number of intervals grows from one attempt to the next
    unresolved: float = 0.03  # relative residual above which a solution's derivatives are not trusted
    denser: float = 1.6  # least factor by which the number of intervals grows if estimates failed or are not trusted
    margin: float = 3.0  # factor below the tolerance at which finer axes aim
    relaxations: int = 60  # times that the aim of finer axes is doubled to stay within the unknowns allowed

    gain: float = 0.5  # share of the earlier residual below which an attempt, a cut or a pass counts as progress
    stalls: int = 2  # attempts without progress after which the knots are refined no further
    halved: float = 3.0  # multiple of the tolerance above which a slab is cut once finer knots have stopped helping
    tries: int = 30  # attempts at one slab
    slight: float = 0.1  # share of the pass's tolerance below which the residual of so short a slab is accepted

    first_slab: float = 0.05  # length of the first slab, as a share of time
    shortest: float = 1e-13  # least length of a slab, as a share of time
    safety: float = 0.9  # factor on the length that the last coefficients in time suggest
    shrink: float = 0.25  # least length of a slab over that of the one before, if that was not solved
    stretch: float = 1.5  # least length over that before if its last coefficients in time are noise and tell nothing
    longer: float = 3.0  # largest length of a slab over that of the one before
    too_long: float = 2.0  # multiple of the last coefficients allowed in time above which a slab is shortened
    cut: float = 0.5  # share to which a slab is cut if finer knots do not help
    at_start: float = 0.1  # the same for a pass's first slab: data that disagree at a corner leave a short layer there

    iterations: int = 15  # steps of Newton's method in one attempt
    stuck: float = 0.5  # share of the loss above which a step has gained too little to go on
    patience: tuple[int, int] = (2, 6)  # steps before that is asked, from a good initial guess and from none
    enough: float = 1e-4  # expected size of the next step, relative to the tolerance, that is not worth taking

    within: float = 30.0  # multiple of its tolerance within which a pass must end for another one to follow
    met: float = 2.0  # multiple of a tolerance within which it counts as met
    checked: int = 16  # least number of points along each axis at which a slab's residual is measured
