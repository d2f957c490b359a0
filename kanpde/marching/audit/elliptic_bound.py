"""The bound of the error of a solution of a semilinear elliptic equation, with values or slopes prescribed.

For F = −Σ a_i(x) u_ii + Σ b_i(x) u_i + g(x, u) with ∂g/∂u ≥ −λ for all u, the error satisfies a linear equation with
c = ∂g/∂u between both functions, to which `kanpde.symbolic.proof.maximum_principle` applies. Where the slope is
prescribed up to γ, a part of the barrier has that slope: γ e^{B r / α} at a distance r from a free side across from one
with values, or the bump of `kanpde.symbolic.proof.comparison` between two free sides.

Where ∂g/∂u is not bounded from below, or too negative, it is taken for |u − v| ≤ δ. If the bound Z that follows is
below δ, v ∓ Z are a sub- and a supersolution, between which there is a solution (H. Amann, "Fixed point equations and
nonlinear eigenvalue problems in ordered Banach spaces", SIAM Rev. 18 (1976) 620); it is the only one within
δ, because the difference of two satisfies a linear equation with the same barrier. On rectangles with values on all
sides there is also the barrier of `spline_barrier`.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.precision import DOUBLE, working_with
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.calculus.taylor_series import model_of
from kanpde.marching.audit.continuation import closed, up
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.marching.audit.spline_barrier import SplineBarrier, spline_barrier, stability
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
        if (
            not seconds
            or {partial[0] for partial in seconds} != along
            or any(len(p) > 2 or len(set(p)) > 1 for p in row.orders)
        ):
            raise NoTheorem("the equation is neither elliptic nor parabolic: no maximum principle applies")
        field = set(row.symbols.values())
        if any(row.slope(partial).free_symbols & field for partial in row.orders):
            raise NoTheorem("the equation is not linear in the derivatives; bounds of steady states need that")
        low, _ = self._interval(row, -row.slope(seconds[0]))
        self.row: Row = row if low > 0 else row.negative()
        self.ends = {axis: ends_of(enclosed.statement, axis) for axis in along}
        self._reactions: dict[float, TaylorModel] = {}
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
        with working_with(DOUBLE):  # a few digits count, as in all coefficients of the operator
            low, high = self.enclosed.of_coordinates(expression, self.enclosed.cells).interval
        return float(low.min()), float(high.max())

    def operator(self, delta: float) -> Operator:
        """Return the operator for |u − v| ≤ δ; for δ = 0, without regard to terms in u that are not linear."""
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
        growth = max(0.0, -self.least(delta))
        solved = self._solved(delta) if growth and not free else math.inf
        return Operator(domain.high - domain.low, None, 0.0, diffusion, drift, growth, free=free, solved=solved)

    def least(self, delta: float) -> float:
        """Return a lower bound of ∂F/∂u for all u, or else for |u − v| ≤ δ."""
        if self.is_bounded:
            return self._everywhere
        return float(self._reaction(delta).interval[0].min())

    @property
    def is_bounded(self) -> bool:
        """Whether ∂F/∂u is bounded from below for all u, closely enough for a maximum principle."""
        return self._everywhere >= 0 or (self.row.symbols[()] not in self.row.slope(()).free_symbols)

    @functools.cached_property
    def _everywhere(self) -> float:
        """A lower bound of ∂F/∂u for all u."""
        bounds = {s: (float(a), float(b)) for s, (a, b) in zip(*self._coordinates, strict=True)}
        slope = self.row.slope(())
        symbol = self.row.symbols[()]
        return lowest(slope, bounds, {symbol: (-math.inf, math.inf)} if symbol in slope.free_symbols else {})

    def _reaction(self, delta: float) -> TaylorModel:
        """Return the model of ∂F/∂u for |u − v| ≤ δ."""
        if delta not in self._reactions:
            self._reactions[delta] = self._computed(delta)
        return self._reactions[delta]

    def _computed(self, delta: float) -> TaylorModel:
        value = self._jet[()].coarse.widened(delta)
        with working_with(DOUBLE):
            models = {**self.enclosed.coordinates(self.enclosed.cells), self.row.symbols[()]: value}
            return model_of(self.row.slope(()), models)

    @functools.cached_property
    def _jet(self) -> Jet:
        return self.enclosed.full_jet(self.enclosed.cells, list(self.row.symbols))

    def _solved(self, delta: float) -> float:
        """Return max Φ / min L Φ for the computed barrier, infinite if there is none."""
        if self.barrier is None:
            return math.inf
        vague = (self._reaction(delta) - self._coefficients[()]).close_bound if delta else np.zeros(1)
        return stability(self.barrier, self._coefficients, vague)

    @functools.cached_property
    def barrier(self) -> SplineBarrier | None:
        if len(self.ends) != 2 or self.enclosed.problem.domain.dimension != 2:
            return None
        with working_with(DOUBLE):
            return spline_barrier(self._coefficients, self.enclosed.cells)

    @functools.cached_property
    def _coefficients(self) -> dict[MultiIndex, TaylorModel]:
        """The coefficients of the linearised equation at v."""
        slopes = {partial: self.row.slope(partial) for partial in self.row.orders}
        with working_with(DOUBLE):
            found = {p: self.enclosed.of_coordinates(slope, self.enclosed.cells) for p, slope in slopes.items()}
        return {**found, (): self._reaction(0.0)}

    @property
    def _coordinates(self) -> tuple[Any, Any]:
        return self.enclosed.statement.coordinates, self.enclosed.statement.bounds

    @functools.cached_property
    def residual(self) -> Array:
        """Bounds of |F[v]| on every cell."""
        models: dict[Any, TaylorModel] = self.enclosed.coordinates(self.enclosed.cells)
        models.update({symbol: self._jet[partial] for partial, symbol in self.row.symbols.items()})
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
        total, lines = closed(self._bound, self.is_bounded, steady=True)
        return total, [*self._lines(), *lines]

    def _bound(self, delta: float) -> tuple[float, str]:
        """Return a bound if |e| ≤ δ, and a line about the error that a residual causes."""
        operator, height, rest = self.operator(delta), 0.0, self.residual
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
        start, least = max(self.values.values(), default=0.0), self.least(delta)
        if operator.axes:
            found = operator.bound(start + height, rest, [high - low for low, high in self.enclosed.cells])
            size = min(operator.stability() * operator.amplification(), operator.solved)
        elif least > 0:
            found, size = UPWARD * (float(rest.max()) / least + height), 1 / least
        else:
            raise NoTheorem("no values are prescribed on two sides, and the equation does not fix a constant")
        return found, f"a residual of at most 1 causes an error of at most {up(size)}, by {THEOREM}"

    def _lines(self) -> list[str]:
        names = self.enclosed.problem.domain.names
        result = [f"|u − prescribed values| ≤ {up(size)} for {title}" for title, size in self.values.items()]
        result += [f"|slope − prescribed slope| ≤ {up(size)} on {names[axis]}{'+' if side > 0 else '-'}"
                   for (axis, side), size in self.slopes.items()]  # fmt: skip
        return [
            *result,
            f"|residual| ≤ {up(float(self.residual.max()))} on {self.enclosed.counts} cells, by Taylor models",
        ]
