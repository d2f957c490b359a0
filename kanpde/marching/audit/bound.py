"""A number that the error of a network is proved not to exceed, with the lines of the proof.

The network is a polynomial on every knot cell. Taylor models enclose what it leaves of the equation on each cell and of
the conditions on each face, and a maximum principle turns both into a bound of the error: see
`kanpde.symbolic.proof.maximum_principle`, which serves formulas too.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp
import torch

from kanpde.calculus.arrays import MultiIndex
from kanpde.calculus.jets import closure
from kanpde.calculus.taylor_models import NotEnclosed, TaylorModel
from kanpde.calculus.taylor_series import coordinate, model_of
from kanpde.errors import KanpdeError
from kanpde.geometry.box import as_box
from kanpde.network.enclosure import Cells, Jet, network_jet, product, smooth_cells
from kanpde.network.kan import KAN
from kanpde.network.rounding import rounding_error
from kanpde.network.trial_function import Model
from kanpde.problem.equation import Equation
from kanpde.problem.hard_conditions import prescriptions
from kanpde.problem.lift import Ansatz, Coefficients, lift_terms
from kanpde.problem.problem import Problem
from kanpde.symbolic.clock import TimeLimit, time_limit
from kanpde.symbolic.proof.maximum_principle import THEOREM, NoTheorem, Operator, operator_of
from kanpde.symbolic.proof.statement import Statement, state

SECONDS = 10.0  # after which a proof is given up
MOST_COEFFICIENTS = 20_000_000  # of the polynomials of all nodes on all cells

LIFT_ROUNDINGS = 64  # in the evaluation of the lift and factor of hard conditions; functions are taken to be good to 30

Bound = tuple[float | None, tuple[str, ...]]


def error_bound(problem: Problem, model: Model) -> Bound:
    """Return a bound of max |u − u*| for the model u and the lines of its proof, or None and the reason."""
    try:
        with time_limit(SECONDS), np.errstate(all="ignore"):
            return _Proof(problem, model).result()
    except (NoTheorem, NotEnclosed) as reason:
        return None, (str(reason),)
    except TimeLimit:
        return None, (f"the proof takes more than {SECONDS:.0f} seconds",)
    except KanpdeError as error:
        return None, (f"the problem cannot be read as a formula: {' '.join(str(error).split())}",)
    except Exception as error:  # a proof that fails must not cost the run its solution
        return None, (f"the proof was stopped by {type(error).__name__}: {' '.join(str(error).split())}",)


class _Proof:
    """The proof for one model; its parts are computed once."""

    def __init__(self, problem: Problem, model: Model) -> None:
        self.problem, self.model = problem, model
        if as_box(problem.domain) is None:
            raise NoTheorem("the domain is not a box; bounds are proved on boxes only")
        if not isinstance(model.network, KAN) or not isinstance(model.ansatz, Ansatz | None):
            raise NotEnclosed("the network is no KAN on a box")
        self.ansatz: Ansatz | None = model.ansatz

    @functools.cached_property
    def statement(self) -> Statement:
        return state(self.problem, [])

    @functools.cached_property
    def operator(self) -> Operator:
        return operator_of(self.statement)

    @functools.cached_property
    def lift(self) -> Any:
        """The lift of hard conditions in SymPy, zero if there are none: see `kanpde.problem.lift`."""
        if self.ansatz is None:
            return sp.S.Zero
        box = self.ansatz.domain
        (given,) = prescriptions(self.problem, box)
        data = {one.data: self.prescribed(one.condition, one.face.name) for one in given}
        total = sp.S.Zero
        for term in lift_terms(given, box):
            ends = {self.statement.coordinates[axis]: sp.Rational(end) for axis, end in term.fixed.items()}
            total += self.polynomial(term.polynomials) * data[term.data].subs(ends)
        return total

    def prescribed(self, condition: str, face: str) -> Any:
        """Return the value that a condition prescribes on a face, in SymPy."""
        (found,) = (e for e in self.statement.equations if e.name == condition and e.face == face)
        return -found.of((sp.S.Zero,))

    def polynomial(self, polynomials: Mapping[int, Coefficients]) -> Any:
        """Return a product of polynomials in s = (x − low) / (high − low) by axis, in SymPy."""
        domain, product_ = self.problem.domain, sp.S.One
        for axis, coefficients in polynomials.items():
            low, high = (sp.Rational(float(end[axis])) for end in (domain.low, domain.high))
            s = (self.statement.coordinates[axis] - low) / (high - low)
            product_ *= sp.Add(*(sp.Rational(c) * s**power for power, c in enumerate(coefficients)))
        return product_

    def jet(self, cells: Cells, partials: Sequence[MultiIndex]) -> Jet:
        """Return models of the solution without its lift."""
        found = network_jet(self.model.network, cells, partials)
        if self.ansatz is None:
            return found
        factor, coordinates = self.polynomial(self.ansatz.factors[0]), self.statement.coordinates
        factors = {
            # SymPy's diff without symbols would differentiate.
            partial: self.of_coordinates(
                sp.diff(factor, *(coordinates[a] for a in partial)) if partial else factor, cells
            )
            for partial in closure(partials)
        }
        return product(found, factors, closure(partials))

    @functools.cached_property
    def cells(self) -> Cells:
        domain, network = self.problem.domain, self.model.network
        cells = smooth_cells(network, domain.low, domain.high)
        counts = math.prod(len(low) for low, _ in cells)
        degrees = ((network.degree or 0) + 1) ** len(cells)
        if counts * degrees * network.first.outputs > MOST_COEFFICIENTS:
            raise NotEnclosed(f"the {counts} cells are too many for a proof in seconds")
        return cells

    def result(self) -> Bound:
        operator = self.operator
        mismatches = {e.title: self.mismatch(e) for e in self.statement.equations if e.face is not None}
        residual = self.residual()
        inside = np.broadcast_to(residual.close_bound, [len(low) for low, _ in self.cells])
        bound = operator.bound(max(mismatches.values()), inside, [high - low for low, high in self.cells])
        rounding = self.rounding()
        total = (bound + rounding) * (1 + 1e-12)
        if not math.isfinite(total):
            raise NotEnclosed("the enclosures are not finite")
        return total, (
            *self.lines(mismatches, float(inside.max()), bound),
            *rounding_lines(self.model, rounding, total),
        )

    def residual(self) -> TaylorModel:
        """Return the model of what the network leaves of the equation."""
        (equation,) = (e for e in self.statement.equations if e.face is None)
        found = self.of_coordinates(equation.of((self.lift,)), self.cells)
        jet = self.jet(self.cells, list(self.operator.coefficients))
        for partial, coefficient in self.operator.coefficients.items():
            if partial in jet:
                found = found + self.of_coordinates(coefficient, self.cells) * jet[partial]
        return found

    def mismatch(self, equation: Equation) -> float:
        """Return a bound of what the network leaves of a condition on a face."""
        assert equation.face is not None
        axis = self.problem.domain.names.index(equation.face[:-1])
        end = (self.problem.domain.low if equation.face[-1] == "-" else self.problem.domain.high)[[axis]]
        cells = [*self.cells]
        cells[axis] = (end, end)
        rest = self.of_coordinates(equation.of((self.lift,)), cells)
        return float((self.jet(cells, [])[()] + rest).close_bound.max())

    def rounding(self) -> float:
        """Return a bound of the rounding errors with which the solution is evaluated."""
        domain, network = self.problem.domain, self.model.network
        found = rounding_error(network, domain.low, domain.high)
        if self.ansatz is None:
            return found
        sizes = (network_jet(network, self.cells, [])[()], self.of_coordinates(self.lift, self.cells))
        unit = float(torch.finfo(network.first.coefficients.dtype).eps)
        return found + LIFT_ROUNDINGS * unit * sum(float(size.bound.max()) for size in sizes)

    def of_coordinates(self, expression: Any, cells: Cells) -> TaylorModel:
        models = {
            symbol: coordinate(*ends, axis, len(cells))
            for axis, (symbol, ends) in enumerate(zip(self.statement.coordinates, cells, strict=True))
        }
        return model_of(expression, models)

    def lines(self, mismatches: Mapping[str, float], inside: float, bound: float) -> list[str]:
        """Return the lines of the proof."""
        counts = " × ".join(str(len(low)) for low, _ in self.cells)
        operator = self.operator
        result = [f"|u − prescribed values| ≤ {_up(size)} for {title}" for title, size in mismatches.items()]
        result.append(f"|residual| ≤ {_up(inside)} on {counts} cells, by Taylor models")
        result.append(f"a residual of at most 1 causes an error of at most {_up(operator.stability())}, by {THEOREM}")
        if operator.growth:
            result.append(f"both are amplified by at most {_up(operator.amplification())}, because of the term in u")
        result.append(f"|u − u*| ≤ {_up(bound)}, with a barrier that follows the residual from cell to cell")
        return result


def rounding_lines(model: Model, rounding: float, total: float) -> list[str]:
    """Return the last lines of the proof, about the values that the solution returns."""
    dtype = str(model.network.first.coefficients.dtype).removeprefix("torch.")
    return [f"values of u are computed in {dtype} with an error of at most {_up(rounding)}", f"in total ≤ {_up(total)}"]


def _up(value: float) -> str:
    """Return a number with three digits, rounded up."""
    if value == 0:
        return "0"
    text = f"{value:.2e}"
    return text if float(text) >= value else f"{value + 10.0 ** (math.floor(math.log10(value)) - 2):.2e}"
