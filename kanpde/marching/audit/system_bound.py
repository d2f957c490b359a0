"""The bound of the errors of a parabolic system: see `kanpde.symbolic.proof.coupled`."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from kanpde.calculus.arrays import Array
from kanpde.calculus.precision import DOUBLE, working, working_with
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.calculus.taylor_series import model_of
from kanpde.marching.audit.continuation import closed, up
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.network.enclosure import Jet
from kanpde.symbolic.proof.comparison import Bump, growing
from kanpde.symbolic.proof.coupled import THEOREM, Coupled, Key, coupled_of, weights_of
from kanpde.symbolic.proof.maximum_principle import UPWARD, NoTheorem

_OVER = 1 + 1e-9  # slopes of h exceed what they must by this, because the inequality is strict


class SystemProof:
    """The proof for one solution; its parts are computed once."""

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        self.system: Coupled = coupled_of(enclosed.statement)
        self.count = len(self.system.rows)
        self._check_faces()

    def _check_faces(self) -> None:
        """Raise NoTheorem unless every field has a condition on all faces across which it diffuses."""
        domain, system = self.enclosed.problem.domain, self.system
        known = {(field, form.axis, form.side) for field, form, _ in (*system.values, *system.slopes)}
        for field, name in enumerate(self.enclosed.problem.fields):
            for axis in (a for a in system.along if {(field, (a,)), (field, (a, a))} & set(system.symbols)):
                if self.enclosed.is_periodic(axis):
                    continue
                if (field, (axis, axis)) not in system.symbols:
                    raise NoTheorem(f"{name} is transported along {domain.names[axis]} without diffusion")
                for side in (-1, 1):
                    if (field, axis, side) not in known:
                        face = domain.names[axis] + "+-"[side < 0]
                        raise NoTheorem(f"nothing that a maximum principle can use is prescribed for {name} on {face}")

    @functools.cached_property
    def jets(self) -> list[Jet]:
        return self.enclosed.full_jets(self.enclosed.cells, [partial for _, partial in self.system.symbols])

    def _model(self, expression: Any, delta: float = 0.0, *, coarse: bool = True) -> TaylorModel:
        """Return the model of an expression, where the values of all fields are known up to δ."""
        jets = self.jets
        with working_with(DOUBLE if coarse else working()):
            models: dict[Any, TaylorModel] = self.enclosed.coordinates(self.enclosed.cells)
            for (field, partial), symbol in self.system.symbols.items():
                model = jets[field][partial]
                models[symbol] = (model.coarse if coarse else model).widened(0.0 if partial else delta)
            return model_of(expression, models)

    def _interval(self, field: int, key: Key, delta: float) -> tuple[Array, Array]:
        """Return bounds of the derivative of F_field by a partial on all cells."""
        low, high = self._model(self.system.slope(field, key), delta).interval
        return np.asarray(self.enclosed.spread(low)), np.asarray(self.enclosed.spread(high))

    @functools.cached_property
    def signs(self) -> list[float]:
        """The sign with which every row has a positive coefficient of the time derivative."""
        found = []
        for field in range(self.count):
            low, high = self._interval(field, (field, (self.system.time,)), 0.0)
            if not ((low > 0).all() or (high < 0).all()):
                raise NoTheorem("the coefficient of a time derivative may vanish")
            found.append(1.0 if (low > 0).all() else -1.0)
        return found

    def _signed(self, field: int, key: Key, delta: float) -> tuple[Array, Array]:
        low, high = self._interval(field, key, delta)
        return (low, high) if self.signs[field] > 0 else (-high, -low)

    @functools.cached_property
    def residuals(self) -> list[Array]:
        """Bounds of |F_k[v]| on all cells."""
        found = (self._model(row, coarse=False).close_bound for row in self.system.rows)
        return [np.asarray(self.enclosed.spread(each)) for each in found]

    @functools.cached_property
    def initial(self) -> list[float]:
        """Bounds of the initial errors."""
        forms = [self.system.starts[field] for field in range(self.count)]
        sizes = [abs(float(form.weights[field, ()])) for field, form in enumerate(forms)]
        return [UPWARD * self.enclosed.mismatch_of_form(f) / s for f, s in zip(forms, sizes, strict=True)]

    @functools.cached_property
    def sides(self) -> list[float]:
        """Bounds of the errors of every field where its values are prescribed."""
        found = [0.0] * self.count
        for field, form, size in self.system.values:
            found[field] = max(found[field], UPWARD * self.enclosed.mismatch_of_form(form) / size)
        return found

    @functools.cached_property
    def bumps(self) -> dict[tuple[int, int], Bump]:
        """By field and axis, what is added to its comparison function because of slopes."""
        ends: dict[tuple[int, int], dict[int, float]] = {}
        for field, form, size in self.system.slopes:
            slope = UPWARD * _OVER * self.enclosed.mismatch_of_form(form) / size
            ends.setdefault((field, form.axis), {})[form.side] = slope
        lengths = self.enclosed.problem.domain.high - self.enclosed.problem.domain.low
        return {
            key: Bump.of_slopes(float(lengths[key[1]]), pair.get(-1, 0.0), pair.get(1, 0.0))
            for key, pair in ends.items()
        }

    def bound(self) -> tuple[float, list[str]]:
        """Return a bound of the errors of all fields of the exact network, and the lines of the proof."""
        total, lines = closed(self._bound, self.system.is_linear)
        result = []
        for field, name in enumerate(self.enclosed.problem.fields):
            result.append(f"|{name} − prescribed values| ≤ {up(max(self.initial[field], self.sides[field]))}")
            largest = float(self.residuals[field].max())
            result.append(f"|residual| ≤ {up(largest)} in the equation of {name} on {self.enclosed.counts} cells")
        return total, [*result, f"functions that satisfy the inequalities bound the errors, by {THEOREM}", *lines]

    def _bound(self, delta: float) -> tuple[float, str]:
        """Return a bound if |e| ≤ δ, and how much the residual and the data may be amplified."""
        time, fields = self.system.time, range(self.count)
        others = tuple(axis for axis in range(self.residuals[0].ndim) if axis != time)
        heights = [sum(bump.height for (f, _), bump in self.bumps.items() if f == field) for field in fields]
        matrix, sources = [], []
        for k in fields:
            low, high = self._signed(k, (k, (time,)), delta)
            if not (low > 0).all():
                raise NoTheorem("the coefficient of a time derivative may vanish")
            row, source = [], self.residuals[k] + self._bending(k, delta)
            for j in fields:
                least, most = self._signed(k, (j, ()), delta)
                size = np.maximum(np.abs(least), np.abs(most))
                source = UPWARD * (source + size * heights[j])
                own = np.where(least < 0, -least / low * UPWARD, -least / high / UPWARD)
                row.append((own if j == k else UPWARD * size / low).max(axis=others))
            matrix.append(row)
            sources.append((UPWARD * source / low).max(axis=others))
        coupling, source = np.array(matrix), np.array(sources)  # (m, m, n) and (m, n)
        return min(self._with_weights(d, coupling, source, heights) for d in weights_of(coupling.max(axis=2)))

    def _with_weights(self, d: Array, coupling: Array, source: Array, heights: list[float]) -> tuple[float, str]:
        """Return the bound by z(t) with weights d."""
        growth = (np.einsum("kjn,j->kn", coupling, d) / d[:, None]).max(axis=0)
        # Sums of a few numbers of any sign are rounded by a share of their sizes.
        growth = growth + 1e-14 * (np.einsum("kjn,j->kn", np.abs(coupling), d) / d[:, None]).max(axis=0)
        start, floor = (float((UPWARD * np.array(each) / d).max()) for each in (self.initial, self.sides))
        low, high = self.enclosed.cells[self.system.time]
        steps = UPWARD * (high - low)
        z = growing(start, floor, growth, UPWARD * (source / d[:, None]).max(axis=0), steps)
        found = max(UPWARD * (float(weight) * z + height) for weight, height in zip(d, heights, strict=True))
        factor = math.exp(min(600.0, float(np.maximum(growth, 0.0) @ steps)))
        return found, f"both are amplified by at most {up(factor)}, because of the terms in the fields"

    def _bending(self, field: int, delta: float) -> Any:
        """Return what the parts h of a comparison function add to the residual of a field."""
        total: Any = 0.0
        for axis in self.system.along:
            low, high = self._signed(field, (field, (axis, axis)), delta)
            if not (high <= 0).all():
                raise NoTheorem("the system is not parabolic everywhere: no maximum principle applies")
            bump = self.bumps.get((field, axis))
            if bump is None:
                continue
            derivatives = {symbol for (_, partial), symbol in self.system.symbols.items() if partial}
            if self.system.slope(field, (field, (axis,))).free_symbols & derivatives:
                raise NoTheorem("the speed of a field depends on its derivatives, and slopes are prescribed")
            slowest, fastest = self._signed(field, (field, (axis,)), delta)
            speed = np.maximum(np.abs(slowest), np.abs(fastest))
            total = UPWARD * (total - low * bump.bend + speed * bump.slope)
        return total
