"""The bound of the error of a linear equation with prescribed values: see `kanpde.symbolic.proof.maximum_principle`."""

from __future__ import annotations

from collections.abc import Sequence

from kanpde.calculus.arrays import Array
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.marching.audit.continuation import up
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.problem.equation import Equation
from kanpde.symbolic.proof.maximum_principle import THEOREM, Operator, operator_of


class MaximumProof:
    """The proof for a linear equation with prescribed values."""

    barrier = "a barrier that follows the residual from cell to cell"

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        self.operator: Operator = operator_of(enclosed.statement)

    def bound(self) -> tuple[float, list[str]]:
        """Return a bound of the error of the exact network, and the lines of the proof."""
        operator = self.operator
        values = {e.title: self.mismatch(e) for e in self.enclosed.statement.equations if e.face is not None}
        inside = self.enclosed.inside(self.residual())
        found = operator.bound(max(values.values()), inside, self.widths)
        result = [f"|u − prescribed values| ≤ {up(size)} for {title}" for title, size in values.items()]
        result.append(f"|residual| ≤ {up(float(inside.max()))} on {self.place}, by Taylor models")
        result.append(f"a residual of at most 1 causes an error of at most {up(operator.stability())}, by {THEOREM}")
        if operator.growth:
            result.append(f"both are amplified by at most {up(operator.amplification())}, because of the term in u")
        return found, [*result, f"|u − u*| ≤ {up(found)}, with {self.barrier}"]

    @property
    def widths(self) -> Sequence[Array]:
        """The widths of the cells along every axis."""
        return [high - low for low, high in self.enclosed.cells]

    @property
    def place(self) -> str:
        """The cells in words."""
        return f"{self.enclosed.counts} cells"

    def residual(self) -> TaylorModel:
        """Return the model of what the network leaves of the equation."""
        enclosed = self.enclosed
        (equation,) = (e for e in enclosed.statement.equations if e.face is None)
        found = enclosed.of_coordinates(equation.of((enclosed.lift,)), enclosed.cells)
        jet = enclosed.jet(enclosed.cells, list(self.operator.coefficients))
        for partial, coefficient in self.operator.coefficients.items():
            if partial in jet:
                found = found + enclosed.of_coordinates(coefficient, enclosed.cells) * jet[partial]
        return found

    def mismatch(self, equation: Equation) -> float:
        """Return a bound of what the network leaves of prescribed values on a face."""
        return self.enclosed.mismatch(equation)
