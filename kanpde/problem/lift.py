"""Satisfy hard conditions by construction: u = lift + factor N, where N is the network's output.

Let P_a interpolate along axis a between the data on its faces, with polynomials of lowest degree in
s = (x_a - low) / (high - low). The lift is the Boolean sum of these interpolations, by inclusion and exclusion

    lift = f - Π_a (1 - P_a) f = Σ_{∅ ≠ A} (-1)^{|A|+1} (Π_{a∈A} P_a) f,

which depends on the prescribed data of f only, and interpolates all of them if they agree at edges and corners (Gordon,
"Blending-function methods of bivariate and multivariate interpolation", SIAM J. Numer. Anal. 8 (1971) 158). The factor,
a product of polynomials s^p (1-s)^q, vanishes on these faces (Lagaris, Likas and Fotiadis, IEEE Trans. Neural Netw. 9
(1998) 987). Every term is a product over different coordinates, so its partials are products too.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.polynomial import polynomial
from torch import Tensor

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.jets import JetPlan
from kanpde.calculus.singular import SingularFunction, functions_from_json, functions_to_json, jets_of
from kanpde.errors import ProblemError
from kanpde.geometry.box import Box, as_box
from kanpde.geometry.shape import Shape
from kanpde.problem.evolving_part import EvolvingPart
from kanpde.problem.hard_conditions import Derivatives, Prescribed, periodic_axes, prescriptions
from kanpde.problem.problem import Problem
from kanpde.problem.regression import Regression
from kanpde.problem.shape_lift import ShapeAnsatz

# The coefficients of a polynomial in s, the lowest power first.
Coefficients = tuple[float, ...]


@dataclass(frozen=True)
class Term:
    """Π_a p_a(s_a) · data: polynomials by axis, and data at points moved along these axes to the faces in `fixed`."""

    polynomials: Mapping[int, Coefficients]
    data: Derivatives
    fixed: Mapping[int, float]


@dataclass(frozen=True)
class Ansatz:
    """u = lift + factor N on a box; N must be periodic along the axes where ``periodic`` is True.

    ``lifts`` are the terms of each field's lift; ``factors`` are the polynomials by axis whose product is its factor.
    """

    domain: Box
    periodic: tuple[bool, ...]
    lifts: tuple[tuple[Term, ...], ...]
    factors: tuple[Mapping[int, Coefficients], ...]

    @classmethod
    def of(cls, problem: Problem) -> Lift | None:
        """Return the ansatz that satisfies the problem's hard conditions; None if it has no hard conditions.

        Fields with a known mean and deviation have the ansatz `Standard`, and shapes `ShapeAnsatz`.

        Raises ProblemError if the conditions are incompatible or can't be built: see `prescriptions` and
        `periodic_axes`.
        """
        if isinstance(problem, Regression):
            return Standard(*problem.standard, (False,) * problem.domain.dimension)
        if not problem.hard_conditions():
            return None
        problem.blocks()  # checks that every condition fits the problem
        box = as_box(problem.domain)
        if box is None and isinstance(problem.domain, Shape):
            return ShapeAnsatz.of(problem, problem.domain)
        if box is None:
            raise ProblemError(
                f"hard conditions can be built on a Box or a shape, got {problem.domain} in {problem.name}; leave out "
                "hard=True"
            )
        given = prescriptions(problem, box)
        lifts = tuple(tuple(lift_terms(ones, box)) for ones in given)
        factors = tuple(
            {axis: vanishing_polynomial(ones) for axis, ones in group_by_axis(ones).items()} for ones in given
        )
        return cls(box, periodic_axes(problem, box, given), lifts, factors)

    @torch.no_grad()
    def jets(self, points: Tensor, plan: JetPlan) -> tuple[Tensor, Tensor]:
        """Return the jets of lift and factor at points (n, d): (n, S, fields) each, in the points' device and dtype."""
        polynomial_at = polynomials_at(points, self.domain)
        lift = points.new_zeros(points.shape[0], len(plan), len(self.factors))  # no len: it can be traced
        factor = torch.zeros_like(lift)
        for field, (terms, bump) in enumerate(zip(self.lifts, self.factors, strict=True)):
            for alpha, partial in enumerate(plan.partials):
                if set(partial) <= set(bump):
                    factor[:, alpha, field] = polynomial_at(bump, partial)
            for term in terms:
                trace = trace_at(points, term)
                for alpha, partial in enumerate(plan.partials):
                    if vanishes(term.polynomials, partial):
                        continue
                    rest = tuple(axis for axis in partial if axis not in term.polynomials)
                    lift[:, alpha, field] += polynomial_at(term.polynomials, partial) * trace(rest)
        return lift, factor


@dataclass(frozen=True)
class Standard:
    """u = mean + deviation N for every field, (fields,) each."""

    mean: Array
    deviation: Array
    periodic: tuple[bool, ...]

    def jets(self, points: Tensor, plan: JetPlan) -> tuple[Tensor, Tensor]:
        """Return the jets of mean and deviation at points (n, d): (n, S, fields) each."""
        lift = points.new_zeros(points.shape[0], len(plan), len(self.mean))  # len() would fix the number of points
        factor = torch.zeros_like(lift)
        lift[:, plan.index[()]] = torch.as_tensor(self.mean).to(points)
        factor[:, plan.index[()]] = torch.as_tensor(self.deviation).to(points)
        return lift, factor


@dataclass(frozen=True)
class SingularPart:
    """u = Σ_k c_k s_k + N: singular functions beside a network, with the coefficients `amounts` (K, fields)."""

    functions: tuple[SingularFunction, ...]
    amounts: Array

    @property
    def periodic(self) -> tuple[bool, ...]:
        """False for every coordinate."""
        return (False,) * len(self.functions[0].corner.at)

    def jets(self, points: Tensor, plan: JetPlan) -> tuple[Tensor, Tensor]:
        """Return the jets of the singular functions' sum and of 1 at points (n, d): (n, S, fields) each."""
        lift = jets_of(self.functions, points, plan) @ torch.as_tensor(self.amounts).to(points)
        factor = torch.zeros_like(lift)
        factor[:, plan.index[()]] = 1.0
        return lift, factor

    def to_json(self) -> dict[str, Any]:
        """Return the functions and their coefficients as JSON, for `from_json`."""
        return {"functions": functions_to_json(self.functions), "amounts": self.amounts.tolist()}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> SingularPart:
        """Return the part that `to_json` wrote."""
        return cls(functions_from_json(saved["functions"]), np.array(saved["amounts"]))


Lift = Ansatz | Standard | SingularPart | EvolvingPart | ShapeAnsatz


def singular_part(saved: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> SingularPart | EvolvingPart:
    """Return singular functions that were written as JSON and, if their amounts evolve, tensors."""
    return EvolvingPart.of_saved(saved, tensors) if EvolvingPart.is_in(tensors) else SingularPart.from_json(saved)


def group_by_axis(given: Sequence[Prescribed]) -> dict[int, list[Prescribed]]:
    """Return the prescriptions of each axis."""
    return {axis: list(ones) for axis, ones in itertools.groupby(given, lambda one: one.face.axis)}


def lift_terms(given: Sequence[Prescribed], domain: Box) -> Iterator[Term]:
    """Yield the terms of the Boolean sum: one for every nonempty choice of at most one prescription along each axis."""
    axes = group_by_axis(given)
    spans = domain.high - domain.low
    blending = {axis: dict(zip(ones, cardinals(ones, spans[axis]), strict=True)) for axis, ones in axes.items()}
    for choice in itertools.product(*([None, *ones] for ones in axes.values())):
        chosen = [one for one in choice if one is not None]
        if not chosen:
            continue
        polynomials = {one.face.axis: blending[one.face.axis][one] for one in chosen}
        if len(chosen) % 2 == 0:
            first = chosen[0].face.axis
            polynomials[first] = tuple(-c for c in polynomials[first])
        fixed = {one.face.axis: float((domain.low, domain.high)[one.face.side > 0][one.face.axis]) for one in chosen}
        # Data agree where faces meet, so any data are correct; those of a velocity need no derivative in time.
        data = max(chosen, key=lambda one: one.order).data
        yield Term(polynomials, data, fixed)


def cardinals(given: Sequence[Prescribed], span: float) -> list[Coefficients]:
    """Return for each prescription along an axis the polynomial whose value is 1 for it and 0 for the others."""
    powers = range(len(given))
    # The value of s^j at s = 0, its slope there, or its value at s = 1.
    functionals = [[float(j == one.order) if one.face.side < 0 else 1.0 for j in powers] for one in given]
    columns = np.linalg.inv(np.array(functionals)).T
    # Slopes are prescribed in x, not in s.
    return [tuple((column * span**one.order).tolist()) for column, one in zip(columns, given, strict=True)]


def vanishing_polynomial(given: Sequence[Prescribed]) -> Coefficients:
    """Return s^p (1-s)^q, divided by its maximum, for p prescriptions on the low face and q on the high face."""
    p, q = (sum(one.face.side == side for one in given) for side in (-1, +1))
    largest = p**p * q**q / (p + q) ** (p + q)
    product = polynomial.polymul(polynomial.polypow([0, 1], p), polynomial.polypow([1, -1], q))
    return tuple((product / largest).tolist())


def vanishes(polynomials: Mapping[int, Coefficients], partial: MultiIndex) -> bool:
    """Return whether a partial differentiates one of the polynomials to zero."""
    return any(partial.count(axis) >= len(coefficients) for axis, coefficients in polynomials.items())


def polynomials_at(points: Tensor, domain: Box) -> Callable[[Mapping[int, Coefficients], MultiIndex], Tensor]:
    """Return a function that computes partials of products of polynomials at points, and each factor only once."""
    low, high = points.new_tensor(domain.low.tolist()), points.new_tensor(domain.high.tolist())
    # The span has the points' dtype, so that s is exactly 0 and 1 on the faces.
    s = (points - low) / (high - low)
    spans = (domain.high - domain.low).tolist()

    @functools.cache
    def one(axis: int, coefficients: Coefficients, order: int) -> Tensor:
        derivative = polynomial.polyder(coefficients, order, scl=1 / spans[axis]).tolist()
        result = torch.full_like(s[:, axis], derivative[-1])
        for coefficient in reversed(derivative[:-1]):
            result = result * s[:, axis] + coefficient
        return result

    def product(polynomials: Mapping[int, Coefficients], partial: MultiIndex) -> Tensor:
        result = torch.ones_like(s[:, 0])
        for axis, coefficients in polynomials.items():
            result = result * one(axis, coefficients, partial.count(axis))
        return result

    return product


def trace_at(points: Tensor, term: Term) -> Callable[[MultiIndex], Tensor]:
    """Return a function that computes partials of a term's data at points moved onto its faces, each only once."""
    moved = points.clone()
    for axis, bound in term.fixed.items():
        moved[:, axis] = bound
    return functools.cache(lambda partial: term.data(partial)(moved))
