"""The bound of the error of a solution of ordinary differential equations: see `kanpde.symbolic.proof.ordinary`."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.taylor_models import NotEnclosed, TaylorModel
from kanpde.calculus.taylor_series import coordinate, model_of
from kanpde.marching.audit.continuation import up
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.marching.audit.fundamental import (
    Propagation,
    fundamental,
    integral,
    matrix_bound,
    matrix_product,
    scaled_derivative,
    spectral_radius,
)
from kanpde.network.enclosure import Cells
from kanpde.symbolic.proof.maximum_principle import UPWARD, NoTheorem
from kanpde.symbolic.proof.ordinary import THEOREM, FirstOrder, first_order

GROWTH = 2.0  # largest growth of a cell, the spectral radius of |A| times its width; others are divided
MOST_STATES = 3000  # of all ends of cells
TRIES, ROOM = 8, 2.0  # trials of δ, and δ of the next one in bounds of the last one


class OrdinaryProof:
    """The proof for one solution; its parts are computed once."""

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        self.system: FirstOrder = first_order(enclosed.statement)

    @property
    def count(self) -> int:
        return len(self.system.symbols)

    @functools.cached_property
    def cells(self) -> Cells:
        """The knot intervals, divided where the solution changes fast."""
        parts = 1
        while True:
            cells = self.enclosed.divided(parts)
            ((low, high),) = cells
            if not (high > low).all():
                raise NotEnclosed("a knot is repeated, so that the solution may not be smooth")
            if self.count * (len(low) + 1) > MOST_STATES:
                raise NoTheorem(f"{len(low)} cells, on which errors grow little, are too many for a proof in seconds")
            stiffness = float((spectral_radius(self._jacobian(self._models(cells, {}))) * (high - low)).max())
            if stiffness <= GROWTH or parts > 1:
                return cells
            parts = math.ceil(stiffness / GROWTH)

    def _models(self, cells: Cells, widths: dict[int, Array]) -> dict[Any, TaylorModel]:
        """Return the models of the coordinate and of the states, which are widened."""
        (t,), (ends,) = self.enclosed.statement.coordinates, cells
        jets = self.enclosed.full_jets(cells, [(0,) * self._highest])
        models = {t: coordinate(*ends, 0, 1)}
        found = [jets[field][(0,) * order] for field, order in self.system.states]
        values = self.enclosed.model.unknowns
        found += [TaylorModel.constant(values[name].item(), 1) for name in self.system.constants]
        found += [TaylorModel.constant(0.0, 1) for _ in self.system.integrals]  # f does not depend on them
        for j, (symbol, model) in enumerate(zip(self.system.symbols, found, strict=True)):
            models[symbol] = model.widened(widths.get(j, 0.0))
        return models

    @property
    def _highest(self) -> int:
        return 1 + max(order for _, order in self.system.states)

    def _jacobian(self, models: dict[Any, TaylorModel]) -> list[list[TaylorModel]]:
        jacobian = self.system.jacobian
        size = self.count
        return [[model_of(jacobian[i, j], models) for j in range(size)] for i in range(size)]

    @functools.cached_property
    def residuals(self) -> list[TaylorModel]:
        """r = v' − f(t, v); it vanishes for states whose slope is the next state."""
        jets, models = self.enclosed.full_jets(self.cells, [(0,) * self._highest]), self._models(self.cells, {})
        found = []
        zero = TaylorModel.constant(0.0, 1)
        for (field, order), slope in zip(self.system.states, self.system.slopes, strict=False):
            trivial = (field, order + 1) in self.system.states
            found.append(zero if trivial else jets[field][(0,) * (order + 1)] - model_of(slope, models))
        return found + [zero] * (self.count - len(found))

    @functools.cached_property
    def mismatches(self) -> dict[str, float]:
        """Bounds of what the solution leaves of the conditions."""
        found = {form.equation.title: self.enclosed.mismatch_of_form(form) for form in self.system.conditions}
        jets = self.enclosed.full_jets(self.cells, [()])
        for number, (field, value) in enumerate(self.system.integrals):
            # The second one is that of n at the low end.
            found[f"the integral of {self.enclosed.problem.fields[field]}"] = self._missing(jets[field][()], value)
            found[f"the integral {number} at its start"] = 0.0
        return found

    def _missing(self, model: TaylorModel, value: Any) -> float:
        """Return a bound of |∫ model − value|."""
        ((low, high),) = self.cells
        found, error = integral(model, (high - low) / 2)
        exact = sp.Rational(found) - value
        return UPWARD * (abs(float(exact.evalf(30))) + error)

    @property
    def _integrals(self) -> range:
        """The numbers of the states that are integrals."""
        return range(self.count - len(self.system.integrals), self.count)

    @functools.cached_property
    def propagation(self) -> Propagation:
        """What carries errors from end to end."""
        ((low, high),) = self.cells
        half = (high - low) / 2
        jacobian = self._jacobian(self._models(self.cells, {}))
        adjoint, forward = fundamental(jacobian, half)
        defect = [
            [a + b for a, b in zip(*rows, strict=True)]
            for rows in zip(scaled_derivative(adjoint, half), matrix_product(adjoint, jacobian), strict=True)
        ]
        keys = [(field, (0,) * order) for field, order in self.system.states]
        conditions = [(form.side, [float(form.weights.get(key, 0)) for key in keys]) for form in self.system.conditions]
        # The two conditions of an integral are about its own state.
        conditions += [(side, [0.0] * number + [1.0]) for number in self._integrals for side in (1, -1)]
        return Propagation.of(adjoint, forward, defect, self.residuals, half, conditions, [*self.mismatches.values()])

    def _bound(self, widths: Array | None) -> Array:
        """Return bounds (cells, n) of the errors of all states on all cells, if they are known up to `widths`."""
        if widths is None:
            return self.propagation.errors(np.zeros((1, self.count, self.count)))
        exact, wide = (self._jacobian(self._models(self.cells, w)) for w in ({}, dict(enumerate(widths.T))))
        change = [[a - b for a, b in zip(*rows, strict=True)] for rows in zip(wide, exact, strict=True)]
        return self.propagation.errors(matrix_bound(change))

    def bound(self) -> tuple[float, list[str]]:
        """Return a bound of the error of the exact network, and the lines of the proof."""
        errors = self._bound(None)
        line = "the bound follows the propagation of errors from cell to cell"
        if not self.system.is_linear:
            errors, line = self._confirmed(errors)
        found = UPWARD * float(errors[:, list(self.system.values)].max())
        result = [f"|u − prescribed values| ≤ {up(size)} for {title}" for title, size in self.mismatches.items()]
        residual = max(float(model.close_bound.max()) for model in self.residuals)
        result.append(f"|residual| ≤ {up(residual)} on {len(self.cells[0][0])} cells, by Taylor models")
        first = len(self.system.states)
        constants = [f"|{name} − {name}*| ≤ {up(float(errors[:, first + number].max()))}"
                     for number, name in enumerate(self.system.constants)]  # fmt: skip
        return found, [*result, f"errors are carried on by {THEOREM}", line, *constants, f"|u − u*| ≤ {up(found)}"]

    def _confirmed(self, errors: Array) -> tuple[Array, str]:
        """Return errors below the widths δ for which they were computed, and a line."""
        for _ in range(TRIES):
            widths = ROOM * errors
            if not np.isfinite(widths).all():
                break
            errors = self._bound(widths)
            if (errors < widths).all():
                return errors, f"there is one solution with |u − u*| ≤ {up(float(widths.max()))}, in all its states"
        raise NoTheorem("the terms in u amplify errors too much: a bound does not confirm itself")
