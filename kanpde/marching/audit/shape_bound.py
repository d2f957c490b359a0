"""The bound of the error of a solution on a plane shape: the maximum principle, with barriers.

With values on all faces a barrier with L w ≥ |r| and w ≥ 0 on the bounding box is one on the shape. With normal
derivatives on some of them it is that of `shape_barrier`. What the solution leaves of the equation is enclosed on the
cells that may meet the shape, and what it leaves of the conditions along the curves that bound it. Singular functions
of corners and holes satisfy Laplace's equation exactly, so that they are enclosed along the curves only.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.calculus.taylor_series import model_of
from kanpde.geometry.curves import Curve, Segment
from kanpde.geometry.shape import Shape
from kanpde.marching.audit.boundary_series import Pieces, pieces_of
from kanpde.marching.audit.continuation import up
from kanpde.marching.audit.covering import PARAMETER, Stretch, curves_of, edges_of, formulas, stretches
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.marching.audit.maximum_bound import MaximumProof
from kanpde.marching.audit.shape_barrier import ShapeBarrier
from kanpde.marching.audit.singular_sum import SingularSum
from kanpde.problem.conditions import Dirichlet, Neumann, Robin
from kanpde.problem.equation import Equation
from kanpde.symbolic.constants.recognition import exact_number
from kanpde.symbolic.proof.maximum_principle import THEOREM, UPWARD, NoTheorem, Operator, operator_on_shape

LEVELS = (1.0, 0.999, 0.99, 0.98, 0.95, 0.9, 0.8)  # quantiles of the residual that are tried as the constant


@dataclass(frozen=True, eq=False)
class OnCurve:
    """The singular functions of a solution on the pieces of a curve."""

    whole: SingularSum
    parts: Pieces

    @functools.cached_property
    def values(self) -> TaylorModel:
        return self.whole.values(self.parts)

    @functools.cached_property
    def slopes(self) -> TaylorModel:
        return self.whole.slopes(self.parts)


@dataclass(frozen=True, eq=False)
class Along:
    """A curve in pieces on which everything is enclosed."""

    curve: Curve
    stretch: Stretch
    singular: OnCurve | None = None


class ShapeProof(MaximumProof):
    """The proof for a linear equation with prescribed values, or normal derivatives on some faces."""

    place = "the cells that meet the shape"
    barrier = "a barrier on the bounding box"

    def __init__(self, enclosed: Enclosed) -> None:
        self.enclosed = enclosed
        domain = enclosed.problem.domain
        if not isinstance(domain, Shape) or domain.dimension != 2 or domain.time is not None:
            raise NoTheorem("the domain is no box; bounds on other shapes are proved for steady states in the plane")
        if any(curves_of(domain, face) is None for face in domain.pieces):
            raise NoTheorem("a piece of the boundary is neither a segment nor an arc, so that it has no formula")
        self.domain: Shape = domain
        given = [e for e in enclosed.statement.equations if e.face is not None]
        self.sloped: list[Equation] = [e for e in given if self._weights(e)[1] != 0]
        self.operator: Operator = operator_on_shape(enclosed.statement, [e.name for e in self.sloped])
        self._check_operator()

    def _check_operator(self) -> None:
        """Raise NoTheorem for operators other than Laplace's where they are not enough."""
        found = {p: c for p, c in self.operator.coefficients.items() if c != 0}
        isotropic = set(found) <= {(), (0, 0), (1, 1)} and found[0, 0] == found[1, 1]
        if self.enclosed.singular is not None and not (isotropic and () not in found):
            raise NoTheorem("singular functions of corners or holes are enclosed for Laplace's operator alone")
        if not self.sloped:
            return
        if not isotropic or self.operator.growth:
            raise NoTheorem("with normal derivatives on a shape bounds are proved for −k Δu + c u = f with c ≥ 0")
        if any(a * b < 0 for a, b in map(self._weights, self.sloped)):
            raise NoTheorem("a condition on the normal derivative has coefficients of two signs")
        if len({e.face for e in self.sloped}) == len(self.domain.pieces):
            raise NoTheorem("values are prescribed on no face of the shape, which a maximum principle needs")

    def _weights(self, equation: Equation) -> tuple[float, float]:
        """Return a and b of a condition a u + b du/dn = value; raise NoTheorem for others."""
        condition = self.enclosed.problem.conditions()[equation.name]
        if not isinstance(condition, Dirichlet | Neumann | Robin) or equation.around is None:
            raise NoTheorem(
                f"the condition {equation.name!r} is not one on values or normal derivatives on the boundary"
            )
        a, b = condition.coefficients()
        return float(a), float(b)

    @property
    def widths(self) -> Sequence[Array]:
        """The widths of the parts of the cells along every axis."""
        return [high - low for low, high in self.enclosed.divided(self.enclosed.parts)]

    def bound(self) -> tuple[float, list[str]]:
        """Return a bound of the error of the exact network, and the lines of the proof."""
        if not self.sloped:
            return super().bound()
        enclosed, barrier = self.enclosed, self._shape_barrier()
        given = [e for e in enclosed.statement.equations if e.face is not None and e not in self.sloped]
        values = {e.title: self.mismatch(e) for e in given}
        slopes = {e.title: UPWARD * self.mismatch(e) / abs(self._weights(e)[1]) for e in self.sloped}
        residual = enclosed.inside(self.residual())
        inside = float(residual.max())
        rises = barrier.of_residual, barrier.of_slopes
        least = min(self.operator.diffusion.values())
        source = min(self._by_source(UPWARD * residual / least, *rises))
        found = UPWARD * (max(values.values()) + source + rises[1] * max(slopes.values()))
        return found, [
            *(f"|u − prescribed values| ≤ {up(size)} for {title}" for title, size in values.items()),
            *(f"|slope − prescribed slope| ≤ {up(size)} for {title}" for title, size in slopes.items()),
            f"|residual| ≤ {up(inside)} on {self.place}, by Taylor models",
            f"a residual of at most 1 causes an error of at most {up(UPWARD * rises[0] / least)}, and a slope of at "
            f"most 1 one of at most {up(rises[1])}, by {THEOREM} in its weak form",
            f"|u − u*| ≤ {up(found)}, with computed barriers",
        ]

    def _by_source(self, source: Array, of_residual: float, of_slopes: float) -> Iterator[float]:
        """Yield bounds of the error that |Δe| ≤ `source` on the parts of the cells causes: see `shape_barrier`."""
        for level in LEVELS:
            even = float(np.quantile(source, level))
            rest = UPWARD * np.maximum(source - even, 0.0)
            for axis, widths in enumerate(self.widths):
                integral = UPWARD * float(rest.max(axis=1 - axis) @ widths)
                rise = (UPWARD * float(widths.sum()) + of_slopes) / 2
                yield UPWARD * (even * of_residual + integral * rise)

    def _shape_barrier(self) -> ShapeBarrier:
        if ShapeBarrier not in self.enclosed.memory:
            cells, faces = self.enclosed.cells, [e.face for e in self.sloped if e.face is not None]
            curves = [c for face in faces for c in curves_of(self.domain, face) or []]
            self.enclosed.memory[ShapeBarrier] = ShapeBarrier(self.enclosed, [(c, stretches(c, cells)) for c in curves])
        found: ShapeBarrier = self.enclosed.memory[ShapeBarrier]
        return found

    def _along(self, face: str) -> list[Along]:
        """Return the curves of a face in pieces on which everything is enclosed."""
        memory = self.enclosed.memory
        if face not in memory:
            memory[face] = [self._in_pieces(curve) for curve in curves_of(self.domain, face) or []]
        found: list[Along] = memory[face]
        return found

    def _in_pieces(self, curve: Curve) -> Along:
        cells, singular = self.enclosed.cells, self.enclosed.singular
        edges = edges_of(curve, cells)
        if singular is None:
            return Along(curve, stretches(curve, cells, edges))
        edges = singular.edges(curve, edges)
        return Along(curve, stretches(curve, cells, edges), OnCurve(singular, pieces_of(curve, edges)))

    def mismatch(self, equation: Equation) -> float:
        """Return a bound of what the solution leaves of a condition on a face."""
        assert equation.face is not None
        return max(float(self._rest(equation, along).close_bound.max()) for along in self._along(equation.face))

    def _rest(self, equation: Equation, along: Along) -> TaylorModel:
        """Return the model of what the solution leaves of a condition along a curve."""
        cells, stretch, (a, b) = self.enclosed.cells, along.stretch, self._weights(equation)
        total = self._given(equation, along.curve, stretch)
        if a:
            value = stretch.of(self._jet[()], cells)
            if along.singular is not None:
                value = value + stretch.repeated(along.singular.values)
            total = total + value * model_of(exact_number(a), {PARAMETER: stretch.t})
        if b:
            normal = stretch.normal(along.curve)
            slope = stretch.of(self._jet[0,], cells) * normal[0] + stretch.of(self._jet[1,], cells) * normal[1]
            if along.singular is not None:
                slope = slope + stretch.repeated(along.singular.slopes)
            total = total + slope * model_of(exact_number(b), {PARAMETER: stretch.t})
        return total

    @functools.cached_property
    def _jet(self) -> dict[Any, TaylorModel]:
        return self.enclosed.full_jet(self.enclosed.cells, [(0,), (1,)] if self.sloped else [()])

    def _given(self, equation: Equation, curve: Curve, stretch: Stretch) -> TaylorModel:
        """Return the model of minus the prescribed value along a curve."""
        assert equation.around is not None
        coordinates = self.enclosed.statement.coordinates
        given = sp.sympify(equation.around((sp.S.Zero,)), strict=True)
        normal = {s: n for s in given.free_symbols for n in self._normals(s, curve, stretch)}
        symbols = {**dict(zip(coordinates, (stretch.x, stretch.y), strict=True)), PARAMETER: stretch.t, **normal}
        if isinstance(curve, Segment):
            given = self._on_ray(given, curve, coordinates)
        return model_of(given, symbols)

    def _normals(self, symbol: Any, curve: Curve, stretch: Stretch) -> Iterator[TaylorModel]:
        """Yield the model of a component of the normal if the symbol is one."""
        for name, model in zip(self.domain.names, stretch.normal(curve), strict=True):
            if symbol.name == f"n_{name}" and symbol not in self.enclosed.statement.coordinates:
                yield model

    def _on_ray(self, given: Any, curve: Segment, coordinates: Sequence[Any]) -> Any:
        """Return an expression on a segment from its first or second point, where angles about this are constant."""
        if not given.has(sp.atan2):
            return given
        along = sp.Dummy("along", positive=True)
        for start, end, value in ((0.0, 1.0, PARAMETER), (1.0, 0.0, 1 - PARAMETER)):
            if start not in (curve.start, curve.end):
                continue
            ends = Segment(*((curve.first, curve.second) if start < end else (curve.second, curve.first)))
            ray = given.subs(dict(zip(coordinates, formulas(ends, along), strict=True)))
            if not ray.has(sp.atan2, sp.atan):
                return ray.subs(along, value)
        return given
