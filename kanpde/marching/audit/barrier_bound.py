"""The bound of the error of a solution by two barriers: see `kanpde.symbolic.proof.barriers`."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from kanpde.calculus.arrays import MultiIndex
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.calculus.taylor_series import model_of
from kanpde.marching.audit.continuation import up
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.marching.audit.spline_barrier import SplineBarrier, spline_barrier
from kanpde.network.enclosure import Jet
from kanpde.symbolic.proof.barriers import THEOREM, Monotonic, monotonic
from kanpde.symbolic.proof.maximum_principle import UPWARD, NoTheorem
from kanpde.symbolic.proof.row import row_of

STEPS = 12  # sizes of the barrier that are tried
GROWTH = 1.5  # from one to the next


class BarrierProof:
    """The proof for one solution; its parts are computed once."""

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        row = row_of(enclosed.statement)
        if enclosed.problem.domain.dimension != 2:
            raise NoTheorem("barriers are computed in two coordinates")
        symbols = [row.symbols[p] for p in ((0, 0), (1, 1)) if p in row.symbols]
        slopes = [float(self._of(row, row.slope(p)).interval[0].min()) for p in ((0, 0), (1, 1))] if symbols else [0.0]
        self.operator: Monotonic = monotonic(enclosed.statement, row if max(slopes) < 0 else row.negative())

    @functools.cached_property
    def jet(self) -> Jet:
        partials: list[MultiIndex] = [(0,), (1,), (0, 0), (0, 1), (1, 1)]
        return self.enclosed.full_jet(self.enclosed.cells, partials)

    def _of(self, row: Any, expression: Any, barrier: SplineBarrier | None = None, size: float = 0.0) -> TaylorModel:
        """Return the model of an expression in the partials of v + size · Φ."""
        models = self.enclosed.coordinates(self.enclosed.cells)
        for partial, symbol in row.symbols.items():
            models[symbol] = self.jet[partial]
            if barrier is not None:
                models[symbol] = models[symbol] + barrier.jet[partial] * TaylorModel.constant(size, 2)
        return model_of(expression, models)

    @functools.cached_property
    def residual(self) -> float:
        return float(self._of(self.operator.row, self.operator.row.expression).close_bound.max())

    def bound(self) -> tuple[float, list[str]]:
        """Return a bound of the error of the exact network, and the lines of the proof."""
        row, enclosed = self.operator.row, self.enclosed
        values = {equation.title: enclosed.mismatch(equation) for equation in self.operator.values}
        coefficients = {partial: self._of(row, row.slope(partial)).coarse for partial in row.symbols}
        barrier = spline_barrier(coefficients, enclosed.cells)
        if barrier is None or not barrier.lowest > 0:
            raise NoTheorem("no barrier was found")
        least = float(barrier.image(coefficients).interval[0].min())
        if not least > 0:
            raise NoTheorem("no barrier was found")
        size = max(self.residual / least, max(values.values()) / barrier.lowest) * GROWTH
        for _ in range(STEPS):
            if self._is_barrier(barrier, size) and UPWARD * max(values.values()) < size * barrier.lowest:
                break
            size *= GROWTH
        else:
            raise NoTheorem("the equation is too nonlinear for the barriers, or it is not elliptic near the solution")
        found = UPWARD * size * barrier.highest
        kind = "convex solution" if self.operator.is_convex else "solution"
        return found, [
            *(f"|u − prescribed values| ≤ {up(number)} for {title}" for title, number in values.items()),
            f"|residual| ≤ {up(self.residual)} on {enclosed.counts} cells, by Taylor models",
            f"u ± a positive function of at most {up(found)} are on both sides of the {kind}, by {THEOREM}",
            f"|u − u*| ≤ {up(found)}",
        ]

    def _is_barrier(self, barrier: SplineBarrier, size: float) -> bool:
        """Return whether F[v + Z] > 0 > F[v − Z], where F is monotonic, for Z = size · Φ."""
        row = self.operator.row
        for sign in (1.0, -1.0):
            low, high = self._of(row, row.expression, barrier, sign * size).interval
            if not ((low > 0).all() if sign > 0 else (high < 0).all()):
                return False
            conditions = (self._of(row, each, barrier, sign * size).interval[0] for each in self.operator.positive)
            if not all(bool(np.all(lowest > 0)) for lowest in conditions):
                return False
        return True
