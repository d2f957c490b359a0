"""A solution enclosed: Taylor models of its partial derivatives, and of what it leaves of the conditions.

The solution is the lift and factor of hard conditions around a network that is a polynomial on every knot cell, or its
sum with `singular` functions, which are enclosed on the boundary only.
"""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import sympy as sp
import torch

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.jets import closure
from kanpde.calculus.taylor_models import NotEnclosed, TaylorModel
from kanpde.calculus.taylor_series import coordinate, model_of
from kanpde.geometry.box import Box, as_box
from kanpde.geometry.shape import Shape
from kanpde.marching.audit.coarse import coarser_networks
from kanpde.marching.audit.covering import Mask, meeting
from kanpde.marching.audit.singular_sum import SingularSum
from kanpde.network.enclosure import Cells, Jet, network_jets, product, smooth_cells, summed
from kanpde.network.kan import KAN
from kanpde.network.rounding import rounding_error
from kanpde.network.trial_function import Model
from kanpde.problem.equation import Equation
from kanpde.problem.hard_conditions import Prescribed, prescriptions
from kanpde.problem.integral import Integral
from kanpde.problem.lift import Ansatz, Coefficients, SingularPart, lift_terms
from kanpde.problem.problem import Problem
from kanpde.symbolic.proof.linear_form import LinearForm
from kanpde.symbolic.proof.maximum_principle import NoTheorem
from kanpde.symbolic.proof.ordinary import is_ordinary
from kanpde.symbolic.proof.statement import Statement, state

MOST_COORDINATES = 4
PARTS = 96  # of cells along an axis, in which a shape other than a box is covered
MOST_COEFFICIENTS = 10_000_000  # of a polynomial on all cells
MOST_FINER = 1_000_000  # the same on halved cells
EACH = 700.0  # bytes of such a coefficient at the peak of a proof
CLOSE = 32.0  # distance of splines on fewer knots, relative to the rounding errors of the solution's values
LIFT_ROUNDINGS = 64  # in the evaluation of the lift and factor of hard conditions; functions are taken to be good to 30


class Added(Protocol):
    """A function that is added to the network of a solution."""

    def jets(self, cells: Cells, partials: Sequence[MultiIndex], /) -> list[Jet]:
        """Return models of its partials, and of those below them, for every field."""


class Enclosed:
    """A model as a solution of a problem; its parts are computed once."""

    def __init__(self, problem: Problem, model: Model, most: float = MOST_COEFFICIENTS) -> None:
        """Enclose a model on cells with at most this number of coefficients of a polynomial."""
        self.problem, self.model, self.most = problem, model, most
        self.added: Added | None = None
        self.memory: dict[Any, Any] = {}  # what a proof computes of the problem and its cells alone
        self.per_interval = 1  # cells in an interval between knots
        self.returned = model.network  # whose values the solution returns
        self.displaced = 0.0  # a bound of the distance of that network from the one that is enclosed
        if problem.partition is not None:
            raise NoTheorem("the domain has parts; bounds are proved for domains without")
        if type(model.network) is not KAN or not isinstance(model.ansatz, Ansatz | SingularPart | None):
            raise NotEnclosed("the network is no KAN, or its hard conditions are not those of a box")
        self.ansatz: Ansatz | None = model.ansatz if isinstance(model.ansatz, Ansatz) else None
        self.singular: SingularSum | None = None
        if isinstance(model.ansatz, SingularPart):
            assert isinstance(problem.domain, Shape)
            self.singular = SingularSum(problem.domain, model.ansatz.functions, model.ansatz.amounts)

    def with_added(self, function: Added) -> Enclosed:
        """Return the same solution with a function that is added to its network."""
        result = copy.copy(self)  # what is known does not depend on the function, but for `moved`
        result.__dict__.pop("moved", None)
        result.added = function
        return result

    def finer(self) -> Enclosed | None:
        """Return the same solution on halved cells; None if they would be many."""
        cells = self.divided(2)
        if self.size * 2 ** len(cells) > min(MOST_FINER, self.most):
            return None
        result = Enclosed(self.problem, self.model, self.most)
        result.statement, result.cells, result.per_interval = self.statement, cells, 2 * self.per_interval
        return result

    def coarser(self) -> Iterator[Enclosed]:
        """Yield splines on fewer knots that are close to the solution; none if it is not on a box."""
        domain, network = self.problem.domain, self.model.network
        if as_box(domain) is None or is_ordinary(self.problem) or self.problem.unknowns:
            return
        limit = CLOSE * rounding_error(network, domain.low, domain.high)
        for coarser, displaced in coarser_networks(network, domain.low, domain.high, limit):
            result = Enclosed(self.problem, Model(coarser, self.model.ansatz), self.most)
            result.statement, result.returned, result.displaced = self.statement, network, displaced
            yield result

    @functools.cached_property
    def statement(self) -> Statement:
        return state(self.problem, [], (Integral,) if is_ordinary(self.problem) or self.problem.unknowns else ())

    @property
    def lift(self) -> Any:
        """The lift of the first field."""
        return self.lifts[0]

    @functools.cached_property
    def lifts(self) -> tuple[Any, ...]:
        """The lifts of hard conditions in SymPy, zero if there are none: see `kanpde.problem.lift`."""
        if self.ansatz is None:
            return (sp.S.Zero,) * len(self.problem.fields)
        box = self.ansatz.domain
        return tuple(self._lift(f, given, box) for f, given in enumerate(prescriptions(self.problem, box)))

    def _lift(self, field: int, given: Sequence[Prescribed], box: Box) -> Any:
        data = {one.data: self.prescribed(one.condition, one.face.name, field) for one in given}
        total = sp.S.Zero
        for term in lift_terms(given, box):
            ends = {self.statement.coordinates[axis]: sp.Rational(end) for axis, end in term.fixed.items()}
            total += self.polynomial(term.polynomials) * data[term.data].subs(ends)
        return total

    def prescribed(self, condition: str, face: str, field: int) -> Any:
        """Return the value that a condition prescribes to a field on a face, in SymPy."""
        fields = self.problem.fields
        component = fields[field] if len(fields) > 1 else None
        return -self.equation(condition, face, component).of((sp.S.Zero,) * len(fields))

    def equation(self, condition: str, face: str, component: str | None = None) -> Equation:
        """Return the equation of a condition on a face, about one component if there are several."""
        found = (e for e in self.statement.equations if e.name == condition and e.face == face)
        (equation,) = (e for e in found if component in (None, e.component))
        return equation

    def polynomial(self, polynomials: Mapping[int, Coefficients]) -> Any:
        """Return a product of polynomials in s = (x − low) / (high − low) by axis, in SymPy."""
        product_ = sp.S.One
        for axis, coefficients in polynomials.items():
            s = self.local(axis)
            product_ *= sp.Add(*(sp.Rational(c) * s**power for power, c in enumerate(coefficients)))
        return product_

    def local(self, axis: int) -> Any:
        """Return s = (x − low) / (high − low) along an axis, in SymPy."""
        low, high = (sp.Rational(float(end[axis])) for end in (self.problem.domain.low, self.problem.domain.high))
        return (self.statement.coordinates[axis] - low) / (high - low)

    def jet(self, cells: Cells, partials: Sequence[MultiIndex]) -> Jet:
        """Return models of the first field without its lift; partials that are missing vanish."""
        return self._factored(0, self._network_jets(cells, partials)[0], cells, partials)

    def _network_jets(self, cells: Cells, partials: Sequence[MultiIndex]) -> list[Jet]:
        """Return models of the network, and of what is added to it, for every field."""
        found = network_jets(self.model.network, cells, partials)
        if self.added is None:
            return found
        return [summed(*pair) for pair in zip(found, self.added.jets(cells, partials), strict=True)]

    @functools.cached_property
    def moved(self) -> float:
        """A bound of the change of the solution by what is added to the network."""
        if self.added is None:
            return 0.0
        return self._largest(self.added.jets(self.cells, []))

    @functools.cached_property
    def apart(self) -> float:
        """A bound of the distance of the solution from the one that is enclosed, without what is added."""
        if not self.displaced:
            return 0.0
        change = TaylorModel.constant(0.0, len(self.cells), self.displaced)
        return self._largest([{(): change}] * len(self.problem.fields))

    def _largest(self, changes: Sequence[Jet]) -> float:
        """Return a bound of the changes of the solution by changes of its network."""
        found = [self._factored(field, jet, self.cells, [])[()] for field, jet in enumerate(changes)]
        return max(float(self.inside(change).max()) for change in found)

    @functools.cached_property
    def parts(self) -> int:
        """The number of parts of every cell along an axis, in which a shape other than a box is covered."""
        return 1 if as_box(self.problem.domain) is not None else max(1, PARTS // min(len(low) for low, _ in self.cells))

    def inside(self, model: TaylorModel) -> Array:
        """Return bounds of a function on the parts of all cells; zero where these do not meet the domain."""
        domain = self.problem.domain
        if as_box(domain) is not None:
            return self.spread(model.close_bound)
        assert isinstance(domain, Shape)
        return np.where(self.meeting, model.divided(self.parts).close_bound, 0.0)

    @functools.cached_property
    def meeting(self) -> Mask:
        """Which parts of the cells may meet a shape other than a box."""
        domain = self.problem.domain
        assert isinstance(domain, Shape)
        return meeting(domain, self.divided(self.parts))

    def _factored(self, field: int, found: Jet, cells: Cells, partials: Sequence[MultiIndex]) -> Jet:
        if self.ansatz is None:
            return found
        factor = self.jet_of(self.polynomial(self.ansatz.factors[field]), cells, partials)
        return product(found, factor, closure(partials))

    def full_jet(self, cells: Cells, partials: Sequence[MultiIndex]) -> Jet:
        """Return models of the first field, for all partials and those below them."""
        return self._lifted(0, self.jet(cells, partials), cells, partials)

    def full_jets(self, cells: Cells, partials: Sequence[MultiIndex]) -> list[Jet]:
        """Return the same of every field."""
        found = self._network_jets(cells, partials)
        return [
            self._lifted(field, self._factored(field, jet, cells, partials), cells, partials)
            for field, jet in enumerate(found)
        ]

    def _lifted(self, field: int, found: Jet, cells: Cells, partials: Sequence[MultiIndex]) -> Jet:
        zero = TaylorModel.constant(0.0, len(cells))
        if self.ansatz is None:
            return {partial: found.get(partial, zero) for partial in closure(partials)}
        lift = self.jet_of(self.lifts[field], cells, partials)
        return {partial: found.get(partial, zero) + lift[partial] for partial in closure(partials)}

    def jet_of(self, expression: Any, cells: Cells, partials: Sequence[MultiIndex]) -> Jet:
        """Return models of an expression in the coordinates, for all partials and those below them."""
        coordinates = self.statement.coordinates
        # SymPy's diff without symbols would differentiate.
        return {
            partial: self.of_coordinates(
                sp.diff(expression, *(coordinates[a] for a in partial)) if partial else expression, cells
            )
            for partial in closure(partials)
        }

    @functools.cached_property
    def cells(self) -> Cells:
        domain = self.problem.domain
        if domain.dimension > MOST_COORDINATES:
            raise NotEnclosed(f"a proof in seconds needs at most {MOST_COORDINATES} coordinates")
        cells = self.divided(1)
        if self.size > self.most:
            counts, limit = math.prod(len(low) for low, _ in cells), self.most < MOST_COEFFICIENTS
            raise NotEnclosed(f"the {counts} cells are too many for a proof in {'this memory' if limit else 'seconds'}")
        return cells

    @functools.cached_property
    def size(self) -> int:
        """The number of coefficients of a polynomial on all cells."""
        cells = self.divided(1)
        return math.prod(len(low) * ((self.model.network.degree or 0) + 1) for low, _ in cells)

    def divided(self, parts: int) -> list[tuple[Array, Array]]:
        """Return the cells, each divided into equal parts."""
        domain = self.problem.domain
        return smooth_cells(self.model.network, domain.low, domain.high, parts * self.per_interval)

    @property
    def counts(self) -> str:
        """The numbers of cells by axis, for a line of a proof."""
        return " × ".join(str(len(low)) for low, _ in self.cells)

    def axis_and_side(self, face: str) -> tuple[int, int]:
        """Return the axis and the side, −1 or 1, of a face such as x-."""
        return self.problem.domain.names.index(face[:-1]), (1 if face[-1] == "+" else -1)

    def collapsed(self, axis: int, side: int, cells: Cells | None = None) -> Cells:
        """Return the cells of a face, which have no width along its axis."""
        end = (self.problem.domain.low if side < 0 else self.problem.domain.high)[[axis]]
        return [(end, end) if a == axis else cell for a, cell in enumerate(cells or self.cells)]

    def beside(self, axis: int, side: int) -> Cells:
        """Return the cells that touch a face."""
        chosen = slice(-1, None) if side > 0 else slice(0, 1)
        return [(low[chosen], high[chosen]) if a == axis else (low, high) for a, (low, high) in enumerate(self.cells)]

    def is_periodic(self, axis: int) -> bool:
        """Return whether the solution is periodic along an axis by construction, with its first derivative."""
        symbol, (low, high) = self.statement.coordinates[axis], self.statement.bounds[axis]
        lifts = [each for lift in self.lifts for each in (lift, sp.diff(lift, symbol))]
        gaps = [sp.expand(lift.subs(symbol, high) - lift.subs(symbol, low), trig=True) for lift in lifts]
        factored = self.ansatz is not None and any(axis in factors for factors in self.ansatz.factors)
        return bool(self.model.network.first.basis.periodic[axis]) and not factored and not any(gaps)

    def mismatch(self, equation: Equation) -> float:
        """Return a bound of what the solution leaves of prescribed values on a face."""
        return self.mismatch_along(equation, ())

    def mismatch_along(self, equation: Equation, partial: MultiIndex) -> float:
        """Return a bound of a derivative along a face of what the solution leaves of prescribed values on it."""
        assert equation.face is not None
        cells = self.collapsed(*self.axis_and_side(equation.face))
        rest = self.jet_of(equation.of((self.lift,)), cells, [partial])[partial]
        jet = self.jet(cells, [partial])
        return float((jet[partial] + rest if partial in jet else rest).close_bound.max())

    def mismatch_of_derivatives(self, equation: Equation, terms: Mapping[MultiIndex, Any]) -> float:
        """Return a bound of what the solution leaves of Σ a_α ∂^α u = value on a face, for `terms` α -> a_α."""
        assert equation.face is not None
        axis, side = self.axis_and_side(equation.face)
        beside, cells = self.jet(self.beside(axis, side), list(terms)), self.collapsed(axis, side)
        total = self.of_coordinates(equation.of((self.lift,)), cells)
        for partial, factor in terms.items():
            if partial in beside:
                total = total + self.of_coordinates(factor, cells) * beside[partial].at_end(axis, side)
        return float(total.close_bound.max())

    def mismatch_of_form(self, form: LinearForm) -> float:
        """Return a bound of what the solution leaves of a condition that is a linear form."""
        beside = self.full_jets(self.beside(form.axis, form.side), [partial for _, partial in form.weights])
        cells = self.collapsed(form.axis, form.side)
        total = self.of_coordinates(form.constant, cells)
        for (field, partial), weight in form.weights.items():
            here = beside[field][partial].at_end(form.axis, form.side)
            total = total + self.of_coordinates(weight, cells) * here
        return float(total.close_bound.max())

    @functools.cached_property
    def rounding(self) -> float:
        """A bound of the rounding errors with which the solution is evaluated."""
        domain, network = self.problem.domain, self.model.network
        found = rounding_error(self.returned, domain.low, domain.high)
        unit = float(torch.finfo(self.returned.first.coefficients.dtype).eps)
        if self.singular is not None:
            return found + self.singular.rounding(unit)
        if self.ansatz is None:
            return found
        found_jets = network_jets(network, self.cells, [])
        sizes = [jet[()] for jet in found_jets] + [self.of_coordinates(lift, self.cells) for lift in self.lifts]
        return found + LIFT_ROUNDINGS * unit * sum(float(size.bound.max()) + self.displaced for size in sizes)

    def of_coordinates(self, expression: Any, cells: Cells) -> TaylorModel:
        """Return the model of an expression in the coordinates."""
        return model_of(expression, self.coordinates(cells))

    def coordinates(self, cells: Cells) -> dict[Any, TaylorModel]:
        """Return the models of the coordinates by their symbols."""
        symbols = zip(self.statement.coordinates, cells, strict=True)
        return {symbol: coordinate(*ends, axis, len(cells)) for axis, (symbol, ends) in enumerate(symbols)}

    def spread(self, values: Any) -> np.ndarray[Any, Any]:
        """Return numbers (*cells), where some axes may have one cell, for all cells."""
        return np.broadcast_to(values, [len(low) for low, _ in self.cells])
