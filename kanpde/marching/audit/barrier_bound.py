"""The bound of the error of a solution by two barriers: see `kanpde.symbolic.proof.barriers`."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.precision import DOUBLE, working, working_with
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.calculus.taylor_series import model_of
from kanpde.marching.audit.continuation import up
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.marching.audit.spline_barrier import SplineBarrier, spline_barrier
from kanpde.network.enclosure import Jet
from kanpde.symbolic.proof.barriers import THEOREM, Monotonic, monotonic
from kanpde.symbolic.proof.intervals import ranges
from kanpde.symbolic.proof.maximum_principle import UPWARD, NoTheorem
from kanpde.symbolic.proof.row import Row, row_of

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

    def _of(self, row: Row, expression: Any) -> TaylorModel:
        """Return the model of an expression in the partials of v."""
        return self._model(row, expression, self.jet)

    def _model(self, row: Row, expression: Any, jet: Jet) -> TaylorModel:
        with working_with(working() if jet is self.jet else DOUBLE):
            models = self.enclosed.coordinates(self.enclosed.cells)
            models.update({symbol: jet[partial] for partial, symbol in row.symbols.items()})
            return model_of(expression, models)

    @functools.cached_property
    def _rough(self) -> Jet:
        """The partials of v, with a few digits."""
        return {partial: model.coarse for partial, model in self.jet.items()}

    @functools.cached_property
    def residual(self) -> Array:
        """Bounds of the absolute residual on all cells."""
        return self.enclosed.spread(self._of(self.operator.row, self.operator.row.expression).close_bound)

    def bound(self) -> tuple[float, list[str]]:
        """Return a bound of the error of the exact network, and the lines of the proof."""
        row, enclosed = self.operator.row, self.enclosed
        values = {equation.title: enclosed.mismatch(equation) for equation in self.operator.values}
        coefficients = {partial: self._model(row, row.slope(partial), self._rough).coarse for partial in row.symbols}
        with working_with(DOUBLE):  # any barrier will do
            barrier = spline_barrier(coefficients, enclosed.cells)
        if barrier is None or not barrier.lowest > 0:
            raise NoTheorem("no barrier was found")
        image = enclosed.spread(barrier.image(coefficients).interval[0])
        if not (image > 0).all():
            raise NoTheorem("no barrier was found")
        size = GROWTH * max(float((self.residual / image).max()), UPWARD * max(values.values()) / barrier.lowest)
        for _ in range(STEPS):
            if self._is_barrier(barrier, image, size) and UPWARD * max(values.values()) < size * barrier.lowest:
                break
            size *= GROWTH
        else:
            raise NoTheorem("the equation is too nonlinear for the barriers, or it is not elliptic near the solution")
        found = UPWARD * size * barrier.highest
        kind = "convex solution" if self.operator.is_convex else "solution"
        return found, [
            *(f"|u − prescribed values| ≤ {up(number)} for {title}" for title, number in values.items()),
            f"|residual| ≤ {up(float(self.residual.max()))} on {enclosed.counts} cells, by Taylor models",
            f"u ± a positive function of at most {up(found)} are on both sides of the {kind}, by {THEOREM}",
            f"|u − u*| ≤ {up(found)}",
        ]

    def _is_barrier(self, barrier: SplineBarrier, image: Array, size: float) -> bool:
        """Return whether F[v + Z] > 0 > F[v − Z], where F is monotonic, for Z = size · Φ, given bounds of L Φ.

        By Taylor's theorem F[v ± Z] differs from F[v] ± L Z by ½ Σ |∂²F| |Z_α| |Z_β| at most.
        """
        row = self.operator.row
        changes = {partial: UPWARD * size * barrier.jet[partial].close_bound for partial in row.symbols}
        if not (size * image > UPWARD * (self.residual + self._curvature(changes))).all():
            return False
        near = {p: m.widened(changes[p]) if p in changes else m for p, m in self._rough.items()}
        lows = (self._model(row, each, near).interval[0] for each in self.operator.positive)
        return all(bool(np.all(low > 0)) for low in lows)

    def _curvature(self, changes: Mapping[MultiIndex, Array]) -> Array:
        """Return bounds of ½ Σ |∂²F| |h_α| |h_β| on all cells, between v and v + h, for bounds of |h|."""
        row, spread = self.operator.row, self.enclosed.spread
        models = self.enclosed.coordinates(self.enclosed.cells)
        models.update({symbol: self._rough[p].widened(changes[p]) for p, symbol in row.symbols.items()})
        both = {symbol: model.interval for symbol, model in models.items()}
        ends = {symbol: (spread(low).ravel(), spread(high).ravel()) for symbol, (low, high) in both.items()}
        total = np.zeros(self.residual.size)
        for (p, s), (q, t) in itertools.product(row.symbols.items(), repeat=2):
            second = sp.diff(row.expression, s, t)
            if second != 0:
                low, high = ranges(second, ends)
                largest = np.maximum(np.abs(low), np.abs(high))
                total = total + largest * spread(changes[p]).ravel() * spread(changes[q]).ravel()
        return UPWARD * total.reshape(self.residual.shape) / 2
