"""The bound of the error of a solution of a wave equation: see `kanpde.symbolic.proof.representation`."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.calculus.taylor_series import model_of
from kanpde.marching.audit.continuation import closed, up
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.network.enclosure import Jet
from kanpde.symbolic.proof.comparison import End
from kanpde.symbolic.proof.intervals import ranges
from kanpde.symbolic.proof.maximum_principle import UPWARD
from kanpde.symbolic.proof.representation import THEOREM, amplification, arrivals, carried, damped, wave_of
from kanpde.symbolic.proof.row import row_of


class WaveProof:
    """The proof for one solution; its parts are computed once."""

    theorem = THEOREM

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        self.wave = wave_of(enclosed.statement, row_of(enclosed.statement))

    @functools.cached_property
    def jet(self) -> Jet:
        return self.enclosed.full_jet(self.enclosed.cells, list(self.wave.row.symbols))

    def _of(self, expression: Any, delta: float = 0.0) -> TaylorModel:
        """Return the model of an expression in the field's partials, where the field is known up to δ."""
        models = self.enclosed.coordinates(self.enclosed.cells)
        for partial, symbol in self.wave.row.symbols.items():
            models[symbol] = self.jet[partial] if partial else self.jet[()].widened(delta)
        return model_of(expression, models)

    def _reaction(self, delta: float) -> float:
        """Return a bound of |∂g/∂u| where the field is known up to δ."""
        symbols = {self.wave.row.symbols[()]: self.jet[()].widened(delta)} if () in self.wave.row.symbols else {}
        known = dict(self.enclosed.coordinates(self.enclosed.cells)) | symbols
        ends = {s: self._ends(m) for s, m in known.items()}
        low, high = ranges(self.wave.reaction, ends)
        return float(np.maximum(np.abs(low), np.abs(high)).max())

    def _ends(self, model: TaylorModel) -> tuple[Array, Array]:
        """Return bounds of a model on all cells, (cells,) each."""
        low, high = (self.enclosed.spread(end).ravel() for end in model.interval)
        return low, high

    @functools.cached_property
    def residual(self) -> Array:
        """Bounds of the absolute residual on steps of time and, in the same row, the largest along parameters."""
        found = self.enclosed.spread(self._of(self.wave.row.expression).close_bound)
        kept = [axis for axis in (self.wave.time, self.wave.space) if axis is not None]
        others = tuple(axis for axis in range(found.ndim) if axis not in kept)
        found = found.max(axis=others) if others else found
        return found.reshape(-1, 1) if found.ndim == 1 else (found if kept[0] < kept[1] else found.T)

    @property
    def duration(self) -> float:
        domain = self.enclosed.problem.domain
        return UPWARD * float(domain.high[self.wave.time] - domain.low[self.wave.time])

    @functools.cached_property
    def data(self) -> list[tuple[str, float, float]]:
        """What is known of the error on faces: a line, its bound, and how much of it arrives."""
        wave, enclosed = self.wave, self.enclosed
        domain = enclosed.problem.domain
        duration = self.duration
        velocity = enclosed.mismatch_of_derivatives(wave.velocity, {(wave.time,): sp.S.One})
        share = UPWARD * (1 + duration * abs(float(wave.damping)))
        result = [
            (f"|u − prescribed values| ≤ {{}} for {wave.start.title}", enclosed.mismatch(wave.start), share),
            (f"|u_t − prescribed velocity| ≤ {{}} for {wave.velocity.title}", velocity, duration),
        ]
        if wave.space is None:
            return result
        length = float(domain.high[wave.space] - domain.low[wave.space])
        count, reach = arrivals(wave.speed, duration, length), UPWARD * wave.speed * duration
        return [*result, *self._at_ends(count, reach)]

    def _at_ends(self, count: int, reach: float) -> Iterator[tuple[str, float, float]]:
        enclosed = self.enclosed
        for end in self.wave.ends:
            if end.equation is None:
                continue
            if end.kind == "values":
                yield f"|u − prescribed values| ≤ {{}} for {end.equation.title}", enclosed.mismatch(end.equation), count
            else:
                b = end.weights[1]
                slope = enclosed.mismatch_of_derivatives(end.equation, {(end.axis,): end.side * b})
                size = UPWARD * slope / abs(float(b))
                yield f"|slope − prescribed slope| ≤ {{}} for {end.equation.title}", size, count * reach
        low, *_ = self.wave.ends
        if low.kind == "periodic" and not enclosed.is_periodic(low.axis):
            values, slopes = (self._jump(low, order) for order in (0, 1))
            yield "u differs by at most {} between the periodic ends", values, count
            yield "its slope differs there by at most {}", slopes, count * reach

    def _jump(self, end: End, order: int) -> float:
        partial = (end.axis,) * order
        low, high = (
            self.enclosed.full_jet(self.enclosed.beside(end.axis, side), [partial])[partial].at_end(end.axis, side)
            for side in (-1, 1)
        )
        return float((high - low).close_bound.max())

    def bound(self) -> tuple[float, list[str]]:
        """Return a bound of the error of the exact network, and the lines of the proof."""
        total, lines = closed(self._bound, self.wave.is_linear)
        result = [line.format(up(size)) for line, size, _ in self.data]
        result.append(
            f"|residual| ≤ {up(float(self.residual.max()))} on {self.enclosed.counts} cells, by Taylor models"
        )
        return total, [*result, f"waves carry both on, by {self.theorem}", *lines]

    def _bound(self, delta: float) -> tuple[float, str]:
        """Return a bound if |e| ≤ δ, and how much the residual and the data may be amplified."""
        reaction = self._reaction(delta)
        widths = [UPWARD * (high - low) for low, high in self.enclosed.cells]
        space = None if self.wave.space is None else widths[self.wave.space]
        inertia = float(self.wave.inertia) / UPWARD
        source = carried(self.residual, self.wave.speed, space, widths[self.wave.time]) / inertia
        factor = amplification(reaction, inertia, self.duration) * damped(self.wave.damping, self.duration)
        data = sum(size * weight for _, size, weight in self.data)
        total = UPWARD * (data + source) * factor
        return total, f"the terms in u and u_t amplify them by at most {up(factor)}"
