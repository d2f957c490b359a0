"""The bound of the error of a solution of a semilinear elliptic equation, with values or slopes prescribed.

For F = −Σ a_i(x) u_ii + Σ b_i(x) u_i + g(x, u) with ∂g/∂u ≥ −λ for all u, the error satisfies a linear equation with
c = ∂g/∂u between both functions, to which `kanpde.symbolic.proof.maximum_principle` applies. Where the slope is
prescribed up to γ, a part of the barrier has that slope: γ e^{B r / α} at a distance r from a free side across from one
with values, or the bump of `kanpde.symbolic.proof.comparison` between two free sides.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.calculus.taylor_series import model_of
from kanpde.marching.audit.continuation import up
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.network.enclosure import Jet
from kanpde.symbolic.proof.comparison import Bump, End, ends_of
from kanpde.symbolic.proof.intervals import lowest
from kanpde.symbolic.proof.maximum_principle import THEOREM, UPWARD, NoTheorem, Operator
from kanpde.symbolic.proof.row import Row, row_of

_OVER = 1 + 1e-9  # slopes of a barrier exceed what they must by this, because the inequality is strict


class EllipticProof:
    """The proof for one solution; its parts are computed once."""

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        row = row_of(enclosed.statement)
        seconds = [partial for partial in row.orders if len(partial) == 2]
        along = {axis for partial in row.orders for axis in partial}
        if {partial[0] for partial in seconds} != along or any(len(p) > 2 or len(set(p)) > 1 for p in row.orders):
            raise NoTheorem("the equation is neither elliptic nor parabolic: no maximum principle applies")
        field = set(row.symbols.values())
        if any(row.slope(partial).free_symbols & field for partial in row.orders):
            raise NoTheorem("the equation is not linear in the derivatives; bounds of steady states need that")
        low, _ = self._interval(row, -row.slope(seconds[0]))
        self.row: Row = row if low > 0 else row.negative()
        self.ends = {axis: ends_of(enclosed.statement, axis) for axis in along}
        self._check_ends()

    def _check_ends(self) -> None:
        for axis, pair in self.ends.items():
            if pair[0].kind.startswith("periodic"):
                if not self.enclosed.is_periodic(axis):
                    raise NoTheorem("periodic ends of a steady state need hard=True for a bound")
                continue
            for end in pair:
                if end.kind == "nothing":
                    face = self.enclosed.problem.domain.names[axis] + "+-"[int(end.side < 0)]
                    raise NoTheorem(f"no values are prescribed on {face}, which a maximum principle needs")

    def _interval(self, row: Row, expression: Any) -> tuple[float, float]:
        """Return bounds of an expression of the coordinates."""
        low, high = self.enclosed.of_coordinates(expression, self.enclosed.cells).interval
        return float(low.min()), float(high.max())

    @functools.cached_property
    def operator(self) -> Operator:
        diffusion, drift, free = {}, {}, {}
        for axis, pair in self.ends.items():
            diffusion[axis], _ = self._interval(self.row, -self.row.slope((axis, axis)))
            drift[axis] = max(map(abs, self._interval(self.row, self.row.slope((axis,)))))
            if diffusion[axis] <= 0:
                raise NoTheorem("the equation is neither elliptic nor parabolic: no maximum principle applies")
            sides = [end.side for end in pair if end.kind != "values"]
            if sides:
                free[axis] = sum(sides)
        domain = self.enclosed.problem.domain
        growth = max(0.0, -self.least)
        return Operator(domain.high - domain.low, None, 0.0, diffusion, drift, growth, free=free)

    @functools.cached_property
    def least(self) -> float:
        """A lower bound of ∂F/∂u for all u."""
        bounds = {s: (float(a), float(b)) for s, (a, b) in zip(*self._coordinates, strict=True)}
        slope = self.row.slope(())
        symbol = self.row.symbols[()]
        low = lowest(slope, bounds, {symbol: (-math.inf, math.inf)} if symbol in slope.free_symbols else {})
        if not math.isfinite(low):
            raise NoTheorem("the equation is not linear, and its terms in u may fall without bound as u grows")
        return low

    @property
    def _coordinates(self) -> tuple[Any, Any]:
        return self.enclosed.statement.coordinates, self.enclosed.statement.bounds

    @functools.cached_property
    def residual(self) -> Array:
        """Bounds of |F[v]| on every cell."""
        models: dict[Any, TaylorModel] = self.enclosed.coordinates(self.enclosed.cells)
        jet: Jet = self.enclosed.full_jet(self.enclosed.cells, list(self.row.symbols))
        models.update({symbol: jet[partial] for partial, symbol in self.row.symbols.items()})
        return np.asarray(self.enclosed.spread(model_of(self.row.expression, models).close_bound))

    @functools.cached_property
    def values(self) -> dict[str, float]:
        """Bounds of |u − prescribed values| on faces, by condition."""
        ends = [end for pair in self.ends.values() for end in pair if end.kind == "values"]
        return {e.title: self.enclosed.mismatch(e) for e in (end.equation for end in ends) if e is not None}

    @functools.cached_property
    def slopes(self) -> dict[tuple[int, int], float]:
        """Bounds of the slopes of the error that a barrier must have, by axis and side."""
        ends = [end for pair in self.ends.values() for end in pair if end.kind == "slopes"]
        return {(end.axis, end.side): self._slope(end) for end in ends}

    def _slope(self, end: End) -> float:
        assert end.equation is not None
        weights = {(): end.weights[0], (end.axis,): end.side * end.weights[1]}
        mismatch = self.enclosed.mismatch_of_derivatives(end.equation, weights)
        return UPWARD * _OVER * mismatch / abs(float(end.weights[1]))

    def bound(self) -> tuple[float, list[str]]:
        """Return a bound of the error of the exact network, and the lines of the proof."""
        operator, height, rest = self.operator, 0.0, self.residual
        for axis, side in operator.free.items():
            low, high = (self.slopes.get((axis, s), 0.0) for s in (-1, 1))
            a, b, length = operator.diffusion[axis], operator.drift[axis], float(operator.lengths[axis])
            if side:
                reach = math.expm1(min(600.0, b * length / a)) * a / b if b else length
                height += UPWARD * (low + high) * reach
            else:
                bump = Bump.of_slopes(length, low, high)
                _, largest = self._interval(self.row, -self.row.slope((axis, axis)))
                rest = UPWARD * (rest + largest * bump.bend + b * bump.slope)
                height += bump.height
        start = max(self.values.values(), default=0.0)
        if operator.axes:
            found = operator.bound(start + height, rest, [high - low for low, high in self.enclosed.cells])
            line = f"a residual of at most 1 causes an error of at most {up(operator.stability())}, by {THEOREM}"
        elif self.least > 0:
            found = UPWARD * (float(rest.max()) / self.least + height)
            line = f"a residual of at most 1 causes an error of at most {up(1 / self.least)}, by {THEOREM}"
        else:
            raise NoTheorem("no values are prescribed on two sides, and the equation does not fix a constant")
        return found, [*self._lines(), line, f"|u − u*| ≤ {up(found)}"]

    def _lines(self) -> list[str]:
        names = self.enclosed.problem.domain.names
        result = [f"|u − prescribed values| ≤ {up(size)} for {title}" for title, size in self.values.items()]
        result += [f"|slope − prescribed slope| ≤ {up(size)} on {names[axis]}{'+' if side > 0 else '-'}"
                   for (axis, side), size in self.slopes.items()]  # fmt: skip
        return [
            *result,
            f"|residual| ≤ {up(float(self.residual.max()))} on {self.enclosed.counts} cells, by Taylor models",
        ]
