"""Unknown functions of some coordinates: splines whose coefficients are unknown constants of the problem.

k(x) = Σ_j c_j B_j(x) with B-splines, or their tensor products in several coordinates. For all that solves a problem its
coefficients are constants like others, named k[0], k[1], …; the problem's blocks turn them into a field again. A prior
on the second derivatives, with a weight that the measurements' noise determines, keeps the function smooth.
"""

from __future__ import annotations

import itertools
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanpde.calculus.arrays import Array, Constant, MultiIndex
from kanpde.calculus.splines import clamped_knots, derivative_powers, local_coordinates, polynomial_pieces
from kanpde.errors import ProblemError, finite, short
from kanpde.geometry.domain import Domain
from kanpde.problem.block import Block, Side
from kanpde.problem.field import Field

DEGREES = (5, 3, 3)  # default degree of the splines, by the number of coordinates
INTERVALS = (20, 8, 4)  # default number of their intervals along each coordinate
LIMITS = {"intervals": (1, 1000), "degree": (2, 9)}
MOST = 1000  # largest number of coefficients of a function: each is a full column of the Jacobian
PER_INTERVAL = 2  # points of the prior in each interval along each axis


class Function:
    """An unknown function of coordinates, ``unknowns = {"k": Function("x", start=1.0)}``.

    It is a spline that starts as the constant `start`, with `intervals` along each of its coordinates and of this
    `degree`: by default 20 intervals of degree 5 in one coordinate, 8 of degree 3 in two. The residual receives it by
    name like a field, with derivatives such as ``k.x``. Raises ProblemError for other than words and numbers.
    """

    def __init__(
        self, *coordinates: str, start: float = 1.0, intervals: int | None = None, degree: int | None = None
    ) -> None:
        if not coordinates or not all(isinstance(name, str) for name in coordinates):
            raise ProblemError(f"Function expects names of coordinates such as Function('x'), got {short(coordinates)}")
        if len(set(coordinates)) < len(coordinates) or len(coordinates) > len(DEGREES):
            raise ProblemError(
                f"Function expects one to {len(DEGREES)} different coordinates, got {', '.join(coordinates)}"
            )
        if not isinstance(start, numbers.Real) or isinstance(start, bool) or not finite(start):
            raise ProblemError(f"Function expects a finite number to start from, got start={short(start)}")
        for word, value in (("intervals", intervals), ("degree", degree)):
            low, high = LIMITS[word]
            whole = isinstance(value, int) and not isinstance(value, bool)
            if value is not None and not (whole and low <= value <= high):
                raise ProblemError(f"Function expects a whole number of {low} to {high}, got {word}={short(value)}")
        self.coordinates: tuple[str, ...] = coordinates
        self.start: float = float(start)
        self.intervals: int = INTERVALS[len(coordinates) - 1] if intervals is None else intervals
        self.degree: int = DEGREES[len(coordinates) - 1] if degree is None else degree
        if self.size > MOST:
            raise ProblemError(
                f"Function expects at most {MOST} coefficients, got {self.size}; choose fewer intervals than "
                f"{self.intervals}"
            )

    @property
    def size(self) -> int:
        """The number of coefficients."""
        return math.prod([self.intervals + self.degree] * len(self.coordinates))

    def to_json(self) -> dict[str, Any]:
        """Return the function as JSON for `from_json`."""
        found = {"start": self.start, "intervals": self.intervals, "degree": self.degree}
        return {"coordinates": list(self.coordinates), **found}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Function:
        """Return the function that `to_json` wrote."""
        return cls(*saved["coordinates"], **{name: saved[name] for name in ("start", "intervals", "degree")})

    def __repr__(self) -> str:
        names = ", ".join(map(repr, self.coordinates))
        return f"Function({names}, start={self.start:g}, intervals={self.intervals}, degree={self.degree})"


def coefficient_names(name: str, function: Function) -> tuple[str, ...]:
    """Return the names of a function's coefficients; no user's constant has such a name."""
    return tuple(f"{name}[{j}]" for j in range(function.size))


def by_unknown(constants: Mapping[str, float]) -> dict[str, float]:
    """Return the values of unknown constants, and of unknown functions the means of their coefficients."""
    found: dict[str, list[float]] = {}
    for name, value in constants.items():
        found.setdefault(name.partition("[")[0], []).append(value)
    return {name: sum(values) / len(values) for name, values in found.items()}


@dataclass(frozen=True, eq=False)
class Expansion:
    """The splines of the unknown function `name` on a domain; its coordinates are the domain's `axes`."""

    name: str
    function: Function
    domain: Domain

    @cached_property
    def axes(self) -> tuple[int, ...]:
        """The coordinates' positions in the domain; raise ProblemError if one is unknown."""
        return tuple(self.domain.axis(name) for name in self.function.coordinates)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the coefficients."""
        return coefficient_names(self.name, self.function)

    @cached_property
    def _knots(self) -> tuple[Array, ...]:
        low, high, count = self.domain.low, self.domain.high, self.function.intervals
        return tuple(clamped_knots(np.linspace(low[a], high[a], count + 1), self.function.degree)[0] for a in self.axes)

    @cached_property
    def _pieces(self) -> tuple[tuple[Constant, Constant], ...]:
        """The knots of every axis, and the polynomials of its splines."""
        return tuple(
            (Constant(knots[None]), Constant(polynomial_pieces(knots[None], self.function.degree)[0]))
            for knots in self._knots
        )

    @cached_property
    def _powers(self) -> Constant:
        return Constant(derivative_powers(self.function.degree, self.function.degree + 1))

    def local(self, points: Tensor, partial: MultiIndex = ()) -> tuple[Tensor, Tensor]:
        """Return the numbers (n, m) of the splines that do not vanish at points (n, d), and a partial of them (n, m).

        The domain's other coordinates have no influence, so a partial along one of them is zero.
        """
        degree, size = self.function.degree, self.function.intervals + self.function.degree
        columns = torch.zeros(len(points), 1, dtype=torch.long, device=points.device)
        values = points.new_ones(len(points), 1)
        if not set(partial) <= set(self.axes):
            values = torch.zeros_like(values)
        for axis, (knots, pieces) in zip(self.axes, self._pieces, strict=True):
            order = partial.count(axis)
            x = points[:, axis : axis + 1]
            where, xi, inverse = local_coordinates(x, knots.like(points), degree, uniform=False)
            if order > degree:
                one = points.new_zeros(len(points), degree + 1)
            else:
                powers = xi ** torch.arange(degree + 1, device=points.device) @ self._powers.like(points)[order]
                one = torch.einsum("np,npj->nj", powers, pieces.like(points)[where[:, 0]]) * inverse**order
            here = where + torch.arange(degree + 1, device=points.device)
            columns = (columns[:, :, None] * size + here[:, None, :]).flatten(1)
            values = (values[:, :, None] * one[:, None, :]).flatten(1)
        return columns, values

    def at(self, points: Tensor, coefficients: Tensor, partial: MultiIndex = ()) -> Tensor:
        """Return a partial (n,) at points (n, d) from coefficients (J,), or from one set for each point, (n, J)."""
        flat = points.reshape(-1, points.shape[-1])
        columns, values = self.local(flat, partial)
        if coefficients.dim() == 1:
            found = coefficients[columns]
        else:
            found = coefficients.reshape(-1, coefficients.shape[-1]).gather(1, columns)
        return (values * found).sum(dim=1).view(points.shape[:-1])

    def field(self, points: Tensor, constants: Mapping[str, Tensor]) -> Field:
        """Return the function at points as a field, with the values of its coefficients by name."""
        coefficients = torch.stack([constants[name] for name in self.names], dim=-1)
        return Field(self.name, self.domain.names, partial(self.at, points, coefficients))

    def design(self, points: Array, partial: MultiIndex = ()) -> Array:
        """Return a partial of all splines at points (n, d), (n, J)."""
        columns, values = (each.numpy() for each in self.local(torch.as_tensor(points), partial))
        result = np.zeros((len(points), self.function.size))
        np.put_along_axis(result, columns, values, axis=1)
        return result

    def grid(self, each: int, *, centres: bool = False) -> Array:
        """Return points (n, d), `each` along every coordinate of the function, at the centre of the other coordinates.

        They reach to the ends, or are the centres of as many cells.
        """
        low, high = self.domain.low, self.domain.high
        unit = (np.arange(each) + 0.5) / each if centres else np.linspace(0, 1, each)
        lines = np.meshgrid(*(low[a] + (high[a] - low[a]) * unit for a in self.axes), indexing="ij")
        points = np.tile((low + high) / 2, (lines[0].size, 1))
        points[:, list(self.axes)] = np.stack([line.ravel() for line in lines], axis=1)
        return points

    @cached_property
    def prior(self) -> Block:
        """The block whose rows are the second derivatives, in units of the domain's widths: zero if k is linear."""
        widths = self.domain.high - self.domain.low
        partials = [tuple(sorted(pair)) for pair in itertools.combinations_with_replacement(self.axes, 2)]
        factors = {p: math.prod(widths[list(p)]) * (1.0 if p[0] == p[1] else math.sqrt(2)) for p in partials}

        def evaluate(sides: tuple[Side, ...], index: Tensor | None, constants: Mapping[str, Tensor]) -> Tensor:
            coefficients = torch.stack([constants[name] for name in self.names], dim=-1)
            return torch.stack([factors[p] * self.at(sides[0].points, coefficients, p) for p in partials])

        return Block(
            name=f"smoothness of {self.name}",
            kind="prior",
            components=tuple("".join(self.domain.names[a] for a in p) for p in partials),
            faces=(),
            partials={0: frozenset([()])},
            evaluate=evaluate,
            points=self.grid(PER_INTERVAL * self.function.intervals, centres=True),
            functions=(self.name,),
        )


def with_functions(block: Block, expansions: tuple[Expansion, ...], fields: int) -> Block:
    """Return a block whose sides have the unknown functions as fields after the problem's own."""

    def evaluate(sides: tuple[Side, ...], index: Tensor | None, constants: Mapping[str, Tensor]) -> Tensor:
        clothed = tuple(
            replace(side, fields=(*side.fields, *(each.field(side.points, constants) for each in expansions)))
            for side in sides
        )
        return block.evaluate(clothed, index, constants)

    own = {i: partials for i, partials in block.partials.items() if i < fields}
    used = tuple(each.name for i, each in enumerate(expansions, fields) if block.partials.get(i))
    own = own if any(own.values()) else {0: frozenset([()])}
    return block.with_rows(evaluate, partials=own, functions=used)
