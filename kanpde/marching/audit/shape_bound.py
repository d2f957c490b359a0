"""The bound of the error of a solution on a plane shape: the maximum principle, with barriers on its bounding box.

A barrier with L w ≥ |r| and w ≥ 0 on the box is one on the shape. What the solution leaves of the equation is enclosed
on the cells that may meet the shape, and what it leaves of prescribed values along the curves that bound it.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.taylor_series import model_of
from kanpde.geometry.shape import Shape
from kanpde.marching.audit.covering import curves_of, stretches
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.marching.audit.maximum_bound import MaximumProof
from kanpde.problem.equation import Equation
from kanpde.symbolic.proof.maximum_principle import NoTheorem, Operator, operator_on_shape


class ShapeProof(MaximumProof):
    """The proof for a linear equation with prescribed values."""

    place = "the cells that meet the shape"
    barrier = "a barrier on the bounding box"

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        domain = enclosed.problem.domain
        if not isinstance(domain, Shape) or domain.dimension != 2 or domain.time is not None:
            raise NoTheorem("the domain is no box; bounds on other shapes are proved for steady states in the plane")
        if any(curves_of(domain, face) is None for face in domain.pieces):
            raise NoTheorem("a piece of the boundary is neither a segment nor an arc, so that it has no formula")
        self.domain: Shape = domain
        self.operator: Operator = operator_on_shape(enclosed.statement)

    @property
    def widths(self) -> Sequence[Array]:
        """The widths of the parts of the cells along every axis."""
        return [high - low for low, high in self.enclosed.divided(self.enclosed.parts)]

    def mismatch(self, equation: Equation) -> float:
        """Return a bound of what the solution leaves of prescribed values on a face."""
        if equation.face is None or equation.around is None:
            raise NoTheorem(f"the condition {equation.name!r} is not one on values that is known off the boundary")
        enclosed, given = self.enclosed, equation.around((sp.S.Zero,))
        values = enclosed.full_jet(enclosed.cells, [()])[()]
        found = []
        for piece in curves_of(self.domain, equation.face) or []:
            curve = stretches(piece, enclosed.cells)
            symbols = dict(zip(enclosed.statement.coordinates, (curve.x, curve.y), strict=True))
            rest = curve.of(values, enclosed.cells) + model_of(given, symbols)
            found.append(float(rest.close_bound.max()))
        return max(found)
