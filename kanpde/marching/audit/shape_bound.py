"""The bound of the error of a solution on a plane shape: the maximum principle, with barriers on its bounding box.

A barrier with L w ≥ |r| and w ≥ 0 on the box is one on the shape. What the solution leaves of the equation is enclosed
on the cells that may meet the shape, and what it leaves of prescribed values along the curves that bound it.
"""

from __future__ import annotations

import sympy as sp

from kanpde.calculus.taylor_models import TaylorModel
from kanpde.calculus.taylor_series import model_of
from kanpde.geometry.shape import Shape
from kanpde.marching.audit.continuation import up
from kanpde.marching.audit.covering import curves_of, stretches
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.problem.equation import Equation
from kanpde.symbolic.proof.maximum_principle import THEOREM, NoTheorem, Operator, operator_on_shape


class ShapeProof:
    """The proof for a linear equation with prescribed values."""

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        domain = enclosed.problem.domain
        if not isinstance(domain, Shape) or domain.dimension != 2 or domain.time is not None:
            raise NoTheorem("the domain is no box; bounds on other shapes are proved for steady states in the plane")
        if any(curves_of(domain, face) is None for face in domain.pieces):
            raise NoTheorem("a piece of the boundary is neither a segment nor an arc, so that it has no formula")
        self.domain: Shape = domain
        self.operator: Operator = operator_on_shape(enclosed.statement)

    def bound(self) -> tuple[float, list[str]]:
        """Return a bound of the error of the exact network, and the lines of the proof."""
        enclosed, operator = self.enclosed, self.operator
        equations = [e for e in enclosed.statement.equations if e.face is not None]
        values = {e.title: self._mismatch(e) for e in equations}
        inside = enclosed.inside(self._residual())
        widths = [high - low for low, high in enclosed.divided(enclosed.parts)]
        found = operator.bound(max(values.values()), inside, widths)
        result = [f"|u − prescribed values| ≤ {up(size)} for {title}" for title, size in values.items()]
        result.append(f"|residual| ≤ {up(float(inside.max()))} on the cells that meet the shape, by Taylor models")
        result.append(f"a residual of at most 1 causes an error of at most {up(operator.stability())}, by {THEOREM}")
        if operator.growth:
            result.append(f"both are amplified by at most {up(operator.amplification())}, because of the term in u")
        return found, [*result, f"|u − u*| ≤ {up(found)}, with a barrier on the bounding box"]

    def _residual(self) -> TaylorModel:
        """Return the model of what the network leaves of the equation."""
        enclosed = self.enclosed
        (equation,) = (e for e in enclosed.statement.equations if e.face is None)
        found = enclosed.of_coordinates(equation.of((enclosed.lift,)), enclosed.cells)
        jet = enclosed.jet(enclosed.cells, list(self.operator.coefficients))
        for partial, coefficient in self.operator.coefficients.items():
            if partial in jet:
                found = found + enclosed.of_coordinates(coefficient, enclosed.cells) * jet[partial]
        return found

    def _mismatch(self, equation: Equation) -> float:
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
