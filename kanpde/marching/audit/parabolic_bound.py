"""The bound of a solution's error by comparison: see `kanpde.symbolic.proof.comparison`."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.precision import DOUBLE, working, working_with
from kanpde.calculus.taylor_models import NotEnclosed, TaylorModel
from kanpde.calculus.taylor_series import model_of
from kanpde.marching.audit.continuation import closed, up
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.network.enclosure import Cells, Jet, product
from kanpde.symbolic.proof.comparison import (
    THEOREM,
    Bump,
    End,
    evolution_of,
    growing,
    largest_quotient,
    smoothing,
)
from kanpde.symbolic.proof.maximum_principle import UPWARD, NoTheorem, Operator
from kanpde.symbolic.proof.row import row_of

LARGEST_CHUNK = 8_000_000  # coefficients of one polynomial in the residual
DEGREES = 2  # degrees of such a polynomial, in those of the solution
KEPT = 8  # chunks whose models are kept
SHARES = (0.0, 1.0, 0.9, 0.5)  # quantiles of the residual along other coordinates that w takes; 0: none
_OVER = 1 + 1e-9  # data of a bump exceed what they must by this, because the inequality is strict


class ParabolicProof:
    """The proof for one solution; its parts are computed once."""

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        self.statement = enclosed.statement
        self._jets: dict[int, Jet] = {}
        self._drifts: dict[tuple[int, float, float], Array] = {}
        row = row_of(self.statement)
        self.evolution = evolution_of(self.statement, row)
        low, high = self.interval(self.evolution.rate, 0.0)
        if (high < 0).all():
            self.evolution = evolution_of(self.statement, row.negative())
        elif not (low > 0).all():
            raise NoTheorem("the coefficient of the time derivative may vanish")

    @functools.cached_property
    def partials(self) -> list[MultiIndex]:
        return list(self.evolution.row.symbols)

    @functools.cached_property
    def jumps(self) -> dict[int, TaylorModel]:
        """By axis that is periodic but not by construction, u at its high end minus u at its low end."""
        kinds = {axis: low.kind for axis, (low, _) in self.evolution.ends.items()}
        axes = [a for a, kind in kinds.items() if kind.startswith("periodic") and not self.enclosed.is_periodic(a)]
        if len(axes) > 1 or (axes and "slopes" in {end.kind for pair in self.evolution.ends.values() for end in pair}):
            raise NoTheorem("periodic ends along one of several axes need hard=True for a bound")
        return {axis: self._gap(axis, [], self.enclosed.cells)[()] for axis in axes}

    def _gap(self, axis: int, partials: list[MultiIndex], cells: Cells) -> Jet:
        first, last = (self.enclosed.full_jet(self.enclosed.collapsed(axis, side, cells), partials) for side in (-1, 1))
        return {partial: last[partial] - first[partial] for partial in last}

    @functools.cached_property
    def chunks(self) -> list[Cells]:
        """The cells, divided along time into parts whose polynomials need little memory."""
        cells, time = self.enclosed.cells, self.evolution.time
        sizes = [len(low) for low, _ in cells]
        degree = (self.enclosed.model.network.degree or 0) * DEGREES + 1
        steps = max(1, int(LARGEST_CHUNK / degree ** len(cells) / math.prod(sizes) * sizes[time]))
        return [
            [
                (low[i : i + steps], high[i : i + steps]) if a == time else (low, high)
                for a, (low, high) in enumerate(cells)
            ]
            for i in range(0, sizes[time], steps)
        ]

    def jet(self, number: int) -> Jet:
        """Return models of the solution on one chunk, with the jumps between periodic ends taken out of it."""
        if number not in self._jets:
            cells = self.chunks[number]
            found = self.enclosed.full_jet(cells, self.partials)
            for axis in self.jumps:
                others = [partial for partial in found if axis not in partial]
                ramp = self.enclosed.jet_of(self.enclosed.local(axis) - sp.Rational(1, 2), cells, [*found])
                taken = product(self._gap(axis, others, cells), ramp, tuple(found))
                found = {partial: m - taken[partial] if partial in taken else m for partial, m in found.items()}
            if len(self.chunks) > KEPT:
                return found
            self._jets[number] = found
        return self._jets[number]

    @functools.cached_property
    def moved(self) -> float:
        """A bound of how far that moves the solution."""
        return UPWARD * sum(float(jump.close_bound.max()) / 2 for jump in self.jumps.values())

    def models(
        self,
        expressions: Sequence[Any],
        delta: float = 0.0,
        slopes: Mapping[MultiIndex, float] | None = None,
        *,
        coarse: bool = False,
    ) -> Iterator[list[TaylorModel]]:
        """Yield models of expressions in the field's partials, chunk by chunk, where the field is known up to δ.

        They are `coarse` if few digits count.
        """
        used = {symbol for expression in expressions for symbol in expression.free_symbols}
        chosen = {partial: symbol for partial, symbol in self.evolution.row.symbols.items() if symbol in used}
        for number, cells in enumerate(self.chunks):
            jet = self.jet(number) if chosen else {}
            with working_with(DOUBLE if coarse else working()):
                models = self.enclosed.coordinates(cells)
                for partial, symbol in chosen.items():
                    known = jet[partial].coarse if coarse else jet[partial]
                    models[symbol] = known.widened((slopes or {}).get(partial, 0.0) if partial else delta)
                found = [model_of(expression, models) for expression in expressions]
            yield found

    def interval(
        self, expression: Any, delta: float, slopes: Mapping[MultiIndex, float] | None = None
    ) -> tuple[Array, Array]:
        """Return bounds of an expression on every cell."""
        found = self.models([expression], delta, slopes, coarse=True)
        low, high = zip(*(model.interval for (model,) in found), strict=True)
        return self._joined(low), self._joined(high)

    def _joined(self, parts: Sequence[Array]) -> Array:
        """Return numbers on all cells from those on the chunks."""
        sizes = [[len(low) for low, _ in cells] for cells in self.chunks]
        full = [np.broadcast_to(part, size) for part, size in zip(parts, sizes, strict=True)]
        return np.concatenate(full, axis=self.evolution.time)

    @functools.cached_property
    def residual(self) -> Array:
        """Bounds of |F[v]| on every cell."""
        return self._joined([model.close_bound for (model,) in self.models([self.evolution.row.expression])])

    @functools.cached_property
    def initial(self) -> float:
        return self.enclosed.mismatch(self.evolution.start)

    @functools.cached_property
    def sides(self) -> dict[str, float]:
        """Bounds of |u − prescribed values| on faces, by condition, before jumps are taken out."""
        ends = [end for pair in self.evolution.ends.values() for end in pair if end.kind == "values"]
        return {e.title: self.enclosed.mismatch(e) for e in (end.equation for end in ends) if e is not None}

    @functools.cached_property
    def bumps(self) -> dict[int, Bump]:
        """By axis, what is added to the comparison function because of slopes."""
        result = {}
        for axis, (low, high) in self.evolution.ends.items():
            length = float(self.enclosed.problem.domain.high[axis] - self.enclosed.problem.domain.low[axis])
            if axis in self.jumps and low.kind == "periodic" and self.evolution.diffusion[axis] != 0:
                edges = [
                    self.enclosed.full_jet(self.enclosed.beside(axis, side), [(axis,)])[axis,].at_end(axis, side)
                    for side in (-1, 1)
                ]
                # The ramp that was taken out has no jump of its slope.
                result[axis] = Bump.of_jump(length, _OVER * float((edges[1] - edges[0]).close_bound.max()))
            elif "slopes" in (low.kind, high.kind):
                result[axis] = Bump.of_slopes(length, *(self._slope(end) for end in (low, high)))
        return result

    def _slope(self, end: End) -> float:
        """Return a bound of the slope that the error may have at an end."""
        if end.kind != "slopes" or end.equation is None:
            return 0.0
        a, b = end.weights
        mismatch = self.enclosed.mismatch_of_derivatives(end.equation, {(): a, (end.axis,): end.side * b})
        return UPWARD * _OVER * mismatch / abs(float(b))

    def bound(self) -> tuple[float, list[str]]:
        """Return a bound of the error of the exact network, and the lines of the proof."""
        self._check_faces()
        total, lines = closed(self._bound, self.evolution.is_linear)
        return UPWARD * (total + self.moved), [*self._lines(), *lines]

    def _check_faces(self) -> None:
        for axis, pair in self.evolution.ends.items():
            first_order = self.evolution.diffusion[axis] == 0
            for end in pair:
                if end.kind in ("nothing", "periodic values") and not first_order:
                    face = self.enclosed.problem.domain.names[axis] + "+-"[int(end.side < 0)]
                    raise NoTheorem(f"no values are prescribed on {face}, which a maximum principle needs")
            if axis in self.bumps and self.evolution.drift_varies_with(axis) & self.evolution.tops:
                raise NoTheorem("the highest derivatives have coefficients that depend on a slope")
            if first_order and self.evolution.drift_varies_with(axis):
                raise NoTheorem("the speed of characteristics depends on a slope")

    def _leaves(self, delta: float) -> None:
        """Raise NoTheorem where characteristics may enter through a face without data."""
        for axis, pair in self.evolution.ends.items():
            if self.evolution.diffusion[axis] != 0:
                continue
            low, high = self.interval(self.evolution.drift[axis], delta)
            outward = {1: (np.take(low, -1, axis) >= 0).all(), -1: (np.take(high, 0, axis) <= 0).all()}
            if pair[0].kind.startswith("periodic"):
                if not any(outward.values()):
                    raise NoTheorem("characteristics may cross the periodic ends in both directions")
                continue
            for end in pair:
                if end.kind == "nothing" and not outward[end.side]:
                    face = self.enclosed.problem.domain.names[axis] + "+-"[int(end.side < 0)]
                    raise NoTheorem(f"no values are prescribed on {face}, where characteristics may enter")

    def _bound(self, delta: float) -> tuple[float, str]:
        """Return a bound if |e| ≤ δ, and how much the residual and the data may be amplified."""
        evolution = self.evolution
        self._leaves(delta)
        rates = self.interval(evolution.rate, delta)
        if not (rates[0] > 0).all():
            raise NoTheorem("the coefficient of the time derivative may vanish")
        diffusion = {axis: self.interval(a, delta) for axis, a in evolution.diffusion.items()}
        if not all((low >= 0).all() for low, _ in diffusion.values()):
            raise NoTheorem("the equation is not parabolic everywhere: no maximum principle applies")
        low, _ = self.interval(evolution.growth, delta)
        growth = largest_quotient(low, *rates)
        start = UPWARD * (self.initial + self.moved)
        floor = UPWARD * (max(self.sides.values()) + self.moved) if self.sides else 0.0
        others = tuple(axis for axis in range(growth.ndim) if axis != evolution.time)
        fastest = growth.max(axis=others)
        totals = []
        for share in SHARES if any((low > 0).all() for low, _ in diffusion.values()) else SHARES[:1]:
            rest, height = self._smoothed(delta, diffusion, share)
            source = UPWARD * (rest / rates[0] + np.maximum(growth, 0.0) * height).max(axis=others)
            totals.append(UPWARD * (growing(start, floor, fastest, source, self._steps) + height))
        operator = self._operator(delta, float(rates[0].min()), max(0.0, -float(low.min())))
        if operator is not None:
            totals.append(self._by_barriers(operator, max(start, floor)))
        factor = math.exp(min(600.0, float(np.maximum(fastest, 0.0) @ self._steps)))
        return min(totals), f"both are amplified by at most {up(factor)}, because of the terms in u"

    @property
    def _steps(self) -> Array:
        low, high = self.enclosed.cells[self.evolution.time]
        return np.asarray(UPWARD * (high - low))

    def _smoothed(
        self, delta: float, diffusion: Mapping[int, tuple[Array, Array]], share: float
    ) -> tuple[Array, float]:
        """Return the residual that is left for z, and the height of the other parts of Z."""
        rest, height = self.residual, 0.0
        for axis, (low, high) in diffusion.items():
            bump, added = self.bumps.get(axis, Bump()), 0.0
            smallest = float(low.min())
            if share and smallest > 0 and not self.evolution.drift_varies_with(axis) & self.evolution.tops:
                others = tuple(a for a in range(rest.ndim) if a != axis)
                density = np.quantile(rest, share, axis=others)
                ends, widths = self.evolution.ends[axis], np.subtract(*self.enclosed.cells[axis][::-1])
                periodic = ends[0].kind.startswith("periodic")
                smooth, added = smoothing(density, widths, smallest, float(high.max()), periodic)
                bump = Bump(bump.height + smooth.height, bump.slope + smooth.slope, bump.bend)
                shape = [-1 if a == axis else 1 for a in range(rest.ndim)]
                rest = UPWARD * np.maximum(rest - density.reshape(shape), 0.0)
            if bump.slope:
                steepness = self._steepness(axis, delta, bump.slope)
                rest = UPWARD * (rest + added + high * bump.bend + steepness * bump.slope)
            height = UPWARD * (height + bump.height)
        return rest, height

    def _steepness(self, axis: int, delta: float, slope: float) -> Array:
        """Return bounds of |b| where the slope is known up to `slope`."""
        varies = bool(self.evolution.drift_varies_with(axis))
        key = (axis, delta, slope if varies else 0.0)
        if key not in self._drifts:
            low, high = self.interval(self.evolution.drift[axis], delta, {(axis,): key[-1]})
            self._drifts[key] = np.maximum(abs(low), abs(high))
        return self._drifts[key]

    def _operator(self, delta: float, rate: float, growth: float) -> Operator | None:
        """Return the operator whose barriers vanish on the sides, if values are prescribed on all of them."""
        evolution = self.evolution
        diffusion, drift = {}, {}
        for axis, pair in evolution.ends.items():
            low, _ = self.interval(evolution.diffusion[axis], delta)
            if not (low > 0).all() or evolution.drift_varies_with(axis) or {e.kind for e in pair} != {"values"}:
                return None
            diffusion[axis] = float(low.min())
            drift[axis] = float(self._steepness(axis, delta, 0.0).max())
        domain = self.enclosed.problem.domain
        return Operator(domain.high - domain.low, evolution.time, rate, diffusion, drift, growth)

    def _by_barriers(self, operator: Operator, mismatch: float) -> float:
        try:
            return operator.bound(mismatch, self.residual, [high - low for low, high in self.enclosed.cells])
        except NoTheorem:
            return math.inf

    def _lines(self) -> list[str]:
        """Return the lines of the proof up to the theorem."""
        result = [f"|u − prescribed values| ≤ {up(self.initial)} for {self.evolution.start.title}"]
        result += [f"|u − prescribed values| ≤ {up(size)} for {title}" for title, size in self.sides.items()]
        names = self.enclosed.problem.domain.names
        result += [f"u differs by at most {up(float(j.close_bound.max()))} between the ends of {names[a]}"
                   for a, j in self.jumps.items()]  # fmt: skip
        result += [f"its slopes there differ from what is prescribed by at most {up(2 * bump.slope)} along {names[a]}"
                   for a, bump in self.bumps.items()]  # fmt: skip
        residual = float(self.residual.max())
        if not math.isfinite(residual):
            raise NotEnclosed("the enclosures are not finite")
        result.append(f"|residual| ≤ {up(residual)} on {self.enclosed.counts} cells, by Taylor models")
        result.append(f"a larger function that satisfies the inequality bounds the error, by {THEOREM}")
        return result
