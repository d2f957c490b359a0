"""Barriers on a plane shape with normal derivatives prescribed on a part N of its boundary, and values on the rest.

Let e be of finite energy with |−Δe + c e| ≤ ρ, c ≥ 0, |∂_n e + a e| ≤ γ on N, a ≥ 0, and |e| ≤ m on the rest. If Φ ≥ 0
has −ΔΦ ≥ ρ and ∂_n Φ ≥ γ on N, then |e| ≤ m + Φ: for w = m + Φ ∓ e and all v ≥ 0 that vanish where values are given,
∫ ∇w·∇v + c w v + ∫_N a w v ≥ 0, and v = max(−w, 0) shows that v is constant, so that it vanishes (the weak maximum
principle, Gilbarg and Trudinger, 2001, section 8.1, for mixed conditions: Troianiello, "Elliptic Differential Equations
and Obstacle Problems", 1987, chapter 2). Corners, re-entrant ones too, are single points, and are of no account there.

The residual of splines is largest in the outermost cells. Therefore Φ may have a part h(x) with −h'' = ρ(x), which is
what a constant leaves of the residual: with h' = ±∫ρ/2 at its ends it rises by at most l ∫ρ/2 along the length l, and
lacks a slope of ∫ρ/2 on N, which a multiple of the barrier for slopes adds.

Φ is a polynomial plus logarithms about the centres of round holes, found by linear programming, and then enclosed.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as sp
from scipy.optimize import linprog

from kanpde.calculus.arrays import Array
from kanpde.calculus.taylor_series import model_of
from kanpde.geometry.curves import Arc, Curve
from kanpde.geometry.piece import normals_at
from kanpde.geometry.shape import Shape
from kanpde.marching.audit.covering import Stretch, exact
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.symbolic.proof.maximum_principle import UPWARD, NoTheorem

DEGREE = 4  # of the polynomial
PLACES = 12  # points of the shape along each axis, and of every curve, at which a barrier is looked for
MARGIN = 0.05  # by which it exceeds what it must there
LARGEST = 1e6  # of its coefficients


class ShapeBarrier:
    """Two barriers on an enclosed solution's shape, N being `curves` in pieces."""

    def __init__(self, enclosed: Enclosed, curves: Sequence[tuple[Curve, Stretch]]) -> None:
        domain = enclosed.problem.domain
        assert isinstance(domain, Shape)
        self.enclosed, self.curves, self.domain = enclosed, curves, domain
        self.x, self.y = enclosed.statement.coordinates

    @functools.cached_property
    def of_residual(self) -> float:
        """The range of Φ for −ΔΦ ≥ 1 and ∂_n Φ ≥ 0."""
        polynomial, logarithms = self._found(1 + MARGIN, MARGIN)
        bend, slope = self._bend(polynomial), self._slope(polynomial, logarithms)
        if not (bend > 0 and slope >= 0):
            raise NoTheorem("no barrier was found on the shape")
        return UPWARD * self._range(polynomial, logarithms) / bend

    @functools.cached_property
    def of_slopes(self) -> float:
        """The range of Φ for −ΔΦ ≥ 0 and ∂_n Φ ≥ 1."""
        polynomial, logarithms = self._found(MARGIN, 1 + MARGIN)
        bend, slope = self._bend(polynomial), self._slope(polynomial, logarithms)
        if not (bend >= 0 and slope > 0):
            raise NoTheorem("no barrier was found on the shape")
        return UPWARD * self._range(polynomial, logarithms) / slope

    @functools.cached_property
    def _holes(self) -> list[tuple[float, float]]:
        """The centres of round holes whose rims belong to N."""
        arcs = [
            c for c, _ in self.curves if isinstance(c, Arc) and c.sign < 0 and c.closed and c.radii[0] == c.radii[1]
        ]
        return [arc.center for arc in arcs if not self.domain.contains(np.array([arc.center]))[0]]

    @functools.cached_property
    def _basis(self) -> list[Any]:
        middle, size = (self.domain.low + self.domain.high) / 2, float((self.domain.high - self.domain.low).max()) / 2
        x, y = ((s - c) / sp.Rational(size) for s, c in zip((self.x, self.y), exact(middle.tolist()), strict=True))
        powers = [(i, n - i) for n in range(1, DEGREE + 1) for i in range(n + 1)]
        return [sp.expand(x**i * y**j) for i, j in powers]

    def _logarithm(self, hole: tuple[float, float]) -> Any:
        a, b = exact(hole)
        return sp.log((self.x - a) ** 2 + (self.y - b) ** 2) / 2

    def _found(self, bend: float, slope: float) -> tuple[Any, Array]:
        """Return a polynomial and the coefficients of logarithms with the least range, by points."""
        functions = [*self._basis, *map(self._logarithm, self._holes)]
        inside, _ = self.domain.interior_points(PLACES)
        on_curves = [c.at(np.linspace(c.start, c.end, 4 * PLACES)) for c, _ in self.curves]
        edge = [c.quadrature(PLACES)[0] for ps in self.domain.pieces.values() for c in ps]
        points = np.concatenate([inside, *edge, *on_curves])
        # Minimise high − low for low ≤ Φ ≤ high, −ΔΦ ≥ bend, ∂_n Φ ≥ slope, with the unknowns (Φ's, low, high).
        values = self._at(functions, points)
        ones, zeros = np.ones((len(points), 1)), np.zeros((len(points), 1))
        laplacians = [sp.diff(f, self.x, 2) + sp.diff(f, self.y, 2) for f in self._basis]
        bends = np.pad(self._at(laplacians, points), ((0, 0), (0, len(functions) - len(laplacians) + 2)))
        slopes = np.concatenate(
            [self._slopes_at(functions, c, p) for (c, _), p in zip(self.curves, on_curves, strict=True)]
        )
        rows = [
            np.hstack([values, zeros, -ones]),
            np.hstack([-values, ones, zeros]),
            bends,
            np.pad(-slopes, ((0, 0), (0, 2))),
        ]
        limits = np.repeat([0.0, 0.0, -bend, -slope], [len(each) for each in rows])
        costs = np.append(np.zeros(len(functions)), [-1.0, 1.0])
        found = linprog(costs, np.vstack(rows), limits, bounds=(-LARGEST, LARGEST), method="highs")
        if not found.success:
            raise NoTheorem("no barrier was found on the shape")
        count = len(self._basis)
        numbers = [sp.Rational(float(c)) for c in found.x[:count]]
        polynomial = sp.expand(sp.Add(*(c * f for c, f in zip(numbers, self._basis, strict=True))))
        return polynomial, found.x[count:-2]

    def _at(self, functions: Sequence[Any], points: Array) -> Array:
        made = sp.lambdify((self.x, self.y), list(functions), "numpy")
        return np.stack([np.broadcast_to(f, len(points)) for f in made(*points.T)], axis=1)

    def _slopes_at(self, functions: Sequence[Any], curve: Curve, points: Array) -> Array:
        normals = normals_at(curve, points)
        parts = [self._at([sp.diff(f, s) for f in functions], points) for s in (self.x, self.y)]
        return normals[:, :1] * parts[0] + normals[:, 1:] * parts[1]

    # What is proved ---------------------------------------------------------------------------------------------------

    def _bend(self, polynomial: Any) -> float:
        """Return a lower bound of −ΔΦ on the shape."""
        bend = -sp.diff(polynomial, self.x, 2) - sp.diff(polynomial, self.y, 2)
        low, _ = self._interval(bend)
        return float(low.min())

    def _interval(self, expression: Any) -> tuple[Array, Array]:
        """Return bounds of a polynomial on the parts of the cells that meet the shape."""
        enclosed = self.enclosed
        model = enclosed.of_coordinates(expression, enclosed.cells).divided(enclosed.parts)
        return tuple(np.broadcast_to(end, enclosed.meeting.shape)[enclosed.meeting] for end in model.interval)  # type: ignore[return-value]

    def _slope(self, polynomial: Any, logarithms: Array) -> float:
        """Return a lower bound of ∂_n Φ on N."""
        terms = [sp.Rational(float(c)) * self._logarithm(h) for c, h in zip(logarithms, self._holes, strict=True)]
        total = sp.Add(polynomial, *terms)
        lowest = np.inf
        for curve, stretch in self.curves:
            normal = stretch.normal(curve)
            symbols = {self.x: stretch.x, self.y: stretch.y}
            slope = model_of(sp.diff(total, self.x), symbols) * normal[0]
            slope = slope + model_of(sp.diff(total, self.y), symbols) * normal[1]
            lowest = min(lowest, float(slope.interval[0].min()))
        return lowest

    def _range(self, polynomial: Any, logarithms: Array) -> float:
        """Return an upper bound of max Φ − min Φ on the shape."""
        low, high = self._interval(polynomial)
        ends = self.enclosed.divided(self.enclosed.parts)
        for size, hole in zip(logarithms, self._holes, strict=True):
            gaps = [np.maximum(np.maximum(a - c, c - b), 0.0) for (a, b), c in zip(ends, hole, strict=True)]
            far = [np.maximum(np.abs(a - c), np.abs(b - c)) for (a, b), c in zip(ends, hole, strict=True)]
            near_, far_ = (np.hypot(u[:, None], v[None, :])[self.enclosed.meeting] for u, v in (gaps, far))
            if not (near_ > 0).all():
                raise NoTheorem("no barrier was found on the shape")
            logs = (
                np.log(near_) - 1e-12 * (1 + np.abs(np.log(near_))),
                np.log(far_) + 1e-12 * (1 + np.abs(np.log(far_))),
            )
            products = size * logs[0], size * logs[1]
            slack = 1e-14 * np.abs(products).max(axis=0)
            low, high = low + np.minimum(*products) - slack, high + np.maximum(*products) + slack
        return UPWARD * float(high.max() - low.min() + 1e-15 * (abs(high.max()) + abs(low.min())))
