"""The bound of the error of a solution by eigenvalues of a box: see `kanpde.symbolic.proof.spectral`."""

from __future__ import annotations

import functools
import math

from kanpde.calculus.taylor_models import TaylorModel
from kanpde.calculus.taylor_series import model_of
from kanpde.marching.audit.continuation import up
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.symbolic.proof.maximum_principle import UPWARD
from kanpde.symbolic.proof.row import row_of
from kanpde.symbolic.proof.spectral import THEOREM, constant_operator


class SpectralProof:
    """The proof for one solution; its parts are computed once."""

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        self.operator = constant_operator(enclosed.statement, row_of(enclosed.statement))

    @functools.cached_property
    def residual(self) -> TaylorModel:
        """What the network leaves of the equation."""
        enclosed, row = self.enclosed, self.operator.row
        models = enclosed.coordinates(enclosed.cells)
        jet = enclosed.full_jet(enclosed.cells, list(row.symbols))
        models.update({symbol: jet[partial] for partial, symbol in row.symbols.items()})
        return model_of(row.expression, models)

    @property
    def norm(self) -> float:
        """A bound of the norm of the residual in L²."""
        squares = self.enclosed.spread(self.residual.mean_square)
        for low, high in reversed(self.enclosed.cells):
            squares = squares @ (UPWARD * (high - low))
        return UPWARD * math.sqrt(float(squares))

    def bound(self) -> tuple[float, list[str]]:
        """Return a bound of the error of the exact network, and the lines of the proof."""
        operator, norm = self.operator, self.norm
        values, moments = ({f.equation.title: self.enclosed.mismatch_of_form(f) for f in forms}
                           for forms in (operator.values, operator.moments))  # fmt: skip
        start, stability = max(values.values()), operator.stability()
        found = UPWARD * stability * (norm + abs(operator.reaction) * start * math.sqrt(operator.volume))
        if moments:
            found = UPWARD * operator.height() * (max(moments.values()) + found)
        found = UPWARD * (start + found)
        result = [f"|u − prescribed values| ≤ {up(size)} for {title}" for title, size in values.items()]
        result += [f"|moment − prescribed moment| ≤ {up(size)} for {title}" for title, size in moments.items()]
        return found, [
            *result,
            f"the mean square of the residual has the root {up(norm / math.sqrt(operator.volume))}, by Taylor models",
            f"errors are at most {up(stability)} times its norm{' in the moments' * bool(moments)}, by {THEOREM}",
            f"|u − u*| ≤ {up(found)}",
        ]
