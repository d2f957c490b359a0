"""Decide whether a formula is smooth on a closed domain: without poles, branch cuts and kinks.

At a corner between straight sides a formula may be singular, as r^{2/3} sin(2θ/3) is. Near it the domain is a sector,
so what is homogeneous about the corner has the signs there that it has farther away.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.functions import JUMP, KINK, smoothness_demands
from kanpde.geometry.corners import corners_of
from kanpde.geometry.curves import Curve, Segment
from kanpde.geometry.shape import Shape
from kanpde.symbolic.clock import Clock, TimeLimit, time_limit
from kanpde.symbolic.constants.recognition import exact_number
from kanpde.symbolic.proof.even_functions import without_roots
from kanpde.symbolic.proof.intervals import sign, vanish_together
from kanpde.symbolic.proof.vanishing import show

Bounds = Mapping[Any, tuple[Any, Any]]
# The share of the distance from a corner to other parts of the boundary within which the domain is a sector.
NEAR = 0.25


@dataclass(frozen=True)
class Inside:
    """A closed domain without disks (centre, radius) around some of its corners."""

    shape: Shape
    disks: tuple[tuple[Array, float], ...] = ()

    def meets(self, low: Array, high: Array) -> npt.NDArray[np.bool_]:
        middle, reach = (low + high) / 2, np.linalg.norm(high - low, axis=1) / 2
        outside = np.zeros(len(low), dtype=bool)
        if self.shape.steady:
            outside |= self.shape.inside(middle) > reach + 1e-9 * self.shape.size
        for centre, radius in self.disks:
            farthest = np.maximum(np.abs(low - centre), np.abs(high - centre))
            outside |= np.linalg.norm(farthest, axis=1) < radius
        return ~outside

    def contains(self, points: Array) -> npt.NDArray[np.bool_]:
        return self.shape.contains(points)


def irregularities(expression: Any, bounds: Bounds, clock: Clock, shape: Shape | None = None) -> list[str]:
    """Return the obstacles to the expression's smoothness on the closed box, in words; [] if it is smooth.

    All symbols of the expression must have bounds. A `shape` within the box, whose coordinates are the symbols in their
    order, restricts the question to it. The argument of a root may be zero on the boundary, and a formula may be
    singular at a corner of a plane shape.
    """
    boxes = {symbol: (float(a), float(b)) for symbol, (a, b) in bounds.items()}
    found = []
    rest, inside = without_roots(expression)
    demands = [demand for part in (rest, *inside) for demand in smoothness_demands(part)]
    for demand, allowed, why in dict.fromkeys(demands):
        if not demand.free_symbols or (why != KINK and _assumed(demand, allowed)):
            wrong = not demand.free_symbols and not _right(demand, allowed)
            found += [f"{why} {demand}"] if wrong else []
            continue
        try:
            with time_limit(max(0.01, min(5.0, clock.left))):
                complaint = _complaint(demand, allowed, why, boxes, shape, clock)
        except TimeLimit:
            complaint = "whose sign is not known"
        found += [f"{why} {demand}, {complaint}"] if complaint else []
    return found


def _complaint(
    demand: Any, allowed: tuple[str, ...], why: str, boxes: Mapping[Any, tuple[float, float]], shape: Shape | None,
    clock: Clock,
) -> str:  # fmt: skip
    """Return what is wrong with the sign of a demand on the domain, or with its zeros; empty if nothing is."""
    symbols = [*boxes]
    within = None
    if shape is not None:
        sectors = _sectors(shape) if why in (KINK, JUMP) else ()  # a pole at a corner is one
        near = tuple(disk for disk in sectors if _homogeneous(demand, symbols, disk[0], clock))
        within = Inside(shape, near) if near or not shape.is_box else None
    got = "nonnegative" if _assumed(demand, allowed) else sign(demand, boxes, within)
    if got not in allowed:
        is_ = {"changes": "which has zeros in the domain", "unknown": "whose sign is not known"}
        return is_.get(got, f"which is {got}")
    # A function that is not negative has slope 0 where it is 0 inside; its root has a kink there.
    if why == KINK and got == "nonnegative" and shape is not None:
        slopes = [sp.diff(demand, symbol) for symbol in symbols if demand.has(symbol)]
        if vanish_together([demand, *slopes], boxes, within):
            return "which may vanish inside the domain"
    return ""


@functools.lru_cache(maxsize=16)
def _sectors(shape: Shape) -> tuple[tuple[Array, float], ...]:
    """Return (corner, radius) of every corner between straight sides within whose radius the shape is a sector."""
    curves = [piece for pieces in shape.pieces.values() for piece in pieces if isinstance(piece, Curve)]
    found = []
    for meeting in () if shape.dimension != 2 else corners_of(shape):
        at = np.array(meeting.corner.at)
        if not meeting.curved:
            found.append((at, NEAR * min(_free(curve, at, 1e-9 * shape.size) for curve in curves)))
    return tuple(found)


def _free(curve: Curve, at: Array, same: float) -> float:
    """Return how far from a corner a curve begins, or ends if it begins at the corner."""
    points = curve.at(np.linspace(curve.start, curve.end, 257))
    away = np.linalg.norm(points - at, axis=1)
    if isinstance(curve, Segment) and min(away[0], away[-1]) <= same:
        return float(max(away[0], away[-1]))
    return float(away.min())


def _homogeneous(demand: Any, symbols: Sequence[Any], at: Array, clock: Clock) -> bool:
    """Return whether a demand is multiplied by a power of s if the distance from a point is multiplied by s."""
    s = sp.Symbol("stretch", positive=True)
    centre = [exact_number(float(c)) for c in at]
    if demand.subs(dict(zip(symbols, centre, strict=True))) != 0:
        return False
    moved = {x: c + x for x, c in zip(symbols, centre, strict=True)}
    plain = _with_factored_roots(demand.subs(moved, simultaneous=True))
    stretched = _with_factored_roots(plain.subs({x: s * x for x in symbols}, simultaneous=True))
    boxes = {**dict.fromkeys(symbols, (sp.Rational(1, 7), sp.S.One)), s: (sp.S.One, sp.Integer(2))}
    return any(show("", stretched - s**power * plain, boxes, clock, 0.5).holds for power in (1, 2))


def _with_factored_roots(expression: Any) -> Any:
    """Return the expression with factors taken out of roots: sqrt(s² x² + s² y²) is s sqrt(x² + y²)."""
    roots = [p for p in expression.atoms(sp.Pow) if p.exp.is_Rational and not p.exp.is_Integer]
    return expression.xreplace({p: sp.powdenest(sp.factor(p.base) ** p.exp) for p in roots})


def _assumed(demand: Any, allowed: tuple[str, ...]) -> bool:
    """Return whether the symbols' assumed signs imply an allowed sign."""
    known = {"positive": demand.is_positive, "negative": demand.is_negative, "nonnegative": demand.is_nonnegative}
    return any(known.get(name) for name in allowed)


def _right(number: Any, allowed: tuple[str, ...]) -> bool:
    value = complex(number)
    if abs(value.imag) > 1e-14 * abs(value):
        return False
    name = "positive" if value.real > 0 else "negative" if value.real < 0 else "nonnegative"
    return name in allowed or (name == "nonnegative" and "nonpositive" in allowed)
