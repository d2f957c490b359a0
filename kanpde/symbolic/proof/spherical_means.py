"""Bound the error of an approximation by spherical means, for wave equations in two and three dimensions of space.

Let τ u_tt − a Δu + g(x, t, u) = 0 with numbers τ, a > 0 on a box with values given on all faces, and u be the classical
solution. An approximation v leaves r of the equation, and b of the values on the faces. Let ℓ be the transfinite
interpolation of b with linear functions (see `kanpde.problem.lift`), so that e = v − u and ê = e − ℓ with ê = 0 on all
faces. The odd continuation of ê beyond the faces solves the wave equation in all of space, with the odd continuation of
its source. Kirchhoff's formula, and Poisson's in two dimensions, have kernels ≥ 0 whose integral is t − s (W. A.
Strauss, Partial Differential Equations, 2008, section 9.2 and 9.3), so that with c² = a / τ and q = ∂g/∂u / τ between u
and v

    |ê(t)| ≤ max |ê(0)| + c t max |∇ê(0)| + t max |ê_t(0)| + ∫_0^t (t − s) max |r / τ − ℓ_tt + c² Δℓ − q e| ds.

Gronwall's inequality for the kernel t − s gives the bound of e = ê + ℓ, as in `representation`. A sum of 2^d − 1 terms
makes up ℓ; each is at most b, its derivatives in time and along a face are at most those of b, and the second
derivative across is zero.
"""

from __future__ import annotations

import sympy as sp

from kanpde.problem.equation import Equation
from kanpde.symbolic.proof.comparison import ends_of, start_of
from kanpde.symbolic.proof.maximum_principle import NoTheorem
from kanpde.symbolic.proof.representation import Wave
from kanpde.symbolic.proof.row import Row
from kanpde.symbolic.proof.statement import Statement

THEOREM = "Kirchhoff's and Poisson's formulas and Gronwall's inequality"


def space_wave_of(statement: Statement, row: Row) -> tuple[Wave, dict[int, tuple[Equation, Equation]]]:
    """Return a row as a wave equation, and the values on the faces by axis; raise NoTheorem for others."""
    domain = statement.problem.domain
    time = domain.time
    if time is None or (time, time) not in row.symbols:
        raise NoTheorem("the equation is no wave equation")
    along = [axis for axis in range(domain.dimension) if axis != time]
    if set(row.orders) != {(time, time), *((axis, axis) for axis in along)} or len(along) not in (2, 3):
        raise NoTheorem("waves in two and three dimensions have a bound without first and mixed derivatives only")
    inertia = sp.expand(row.slope((time, time)))
    stiffness = {sp.expand(-row.slope((axis, axis))) for axis in along}
    if inertia.is_negative:
        return space_wave_of(statement, row.negative())
    if len(stiffness) > 1 or not (inertia.is_positive and all(a.is_positive for a in stiffness)):
        raise NoTheorem("the wave's speed is not constant; bounds are proved for constants")
    faces: dict[int, tuple[Equation, Equation]] = {}
    for axis in along:
        low, high = ends_of(statement, axis)
        if low.kind != "values" or high.kind != "values" or low.equation is None or high.equation is None:
            raise NoTheorem("waves in two and three dimensions have a bound for prescribed values only")
        faces[axis] = low.equation, high.equation
    reaction = sp.expand(row.slope(()))
    starts = start_of(statement), start_of(statement, 1)
    return Wave(row, time, None, inertia, stiffness.pop(), sp.S.Zero, reaction, *starts, ()), faces
