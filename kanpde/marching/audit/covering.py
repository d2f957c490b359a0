"""Plane shapes covered by cells: those that may meet the shape, and its boundary in short pieces as Taylor models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sympy as sp

from kanpde.calculus.arrays import Array
from kanpde.calculus.precision import unit_of, working
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.calculus.taylor_series import coordinate, model_of
from kanpde.geometry.curves import Arc, Curve, Segment
from kanpde.geometry.shape import Shape
from kanpde.network.enclosure import Cells

PIECES = 4096  # of a curve, whose boxes tell which cells it meets
SLACK = 1e-12  # by which boxes and ends of curves are enlarged, relative to the shape, far more than rounding errors
PER_CELL = 4.0  # pieces of a curve in the width of a cell, so that few terms describe it
MOST_PIECES = 4000
PARAMETER = sp.Symbol("s", real=True)  # of a curve

Mask = npt.NDArray[np.bool_]


def curves_of(shape: Shape, face: str) -> list[Curve] | None:
    """Return the pieces of a face of a plane shape, None if one of them is neither a segment nor an arc."""
    pieces = shape.pieces[face]
    curves: list[Curve] = [piece for piece in pieces if isinstance(piece, (Segment, Arc))]
    return curves if len(curves) == len(pieces) else None


def meeting(shape: Shape, cells: Cells) -> Mask:
    """Return which cells of a grid may meet a plane shape that is bounded by segments and arcs, (n, m).

    A cell that no curve meets lies inside or outside as its centre does.
    """
    ends = [np.append(low, high[-1:]) for low, high in cells]
    centres = np.meshgrid(*((each[1:] + each[:-1]) / 2 for each in ends), indexing="ij")
    found = shape.contains(np.stack([c.ravel() for c in centres], axis=1)).reshape(centres[0].shape)
    slack = SLACK * float(np.abs([shape.low, shape.high]).max())
    for curve in (curve for face in shape.pieces for curve in curves_of(shape, face) or []):
        s = np.linspace(curve.start, curve.end, PIECES + 1)
        reach = (1 + 1e-9) * fastest(curve) * (curve.end - curve.start) / PIECES + slack
        points = curve.at((s[1:] + s[:-1]) / 2)
        first, last = (
            [
                np.clip(np.searchsorted(e, x + sign * reach) - 1, 0, len(e) - 2)
                for e, x in zip(ends, points.T, strict=True)
            ]
            for sign in (-1, 1)
        )
        for i, j, k, m in zip(*first, *last, strict=True):
            found[i : k + 1, j : m + 1] = True
    return np.asarray(found)


def fastest(curve: Curve) -> float:
    """Return the largest speed of a segment's or an arc's parametrisation."""
    return max(curve.radii) if isinstance(curve, Arc) else float(curve.speed(np.zeros(1))[0])


@dataclass(frozen=True)
class Stretch:
    """A curve in short pieces: models x and y of its points on pairs of a `piece` and a `cell` that it may meet.

    `t` has the models of its parameter.
    """

    x: TaylorModel
    y: TaylorModel
    t: TaylorModel
    piece: npt.NDArray[np.int64]
    cell: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]

    def repeated(self, model: TaylorModel) -> TaylorModel:
        """Return a model on the pieces as one on the pairs."""
        return TaylorModel(model.coefficients[self.piece], model.error[self.piece])

    def normal(self, curve: Curve) -> tuple[TaylorModel, TaylorModel]:
        """Return the models of the outward unit normal of the segment or the arc."""
        if isinstance(curve, Segment):
            x, y = (b - a for a, b in zip(*map(exact, (curve.first, curve.second)), strict=True))
            size = sp.sqrt(x**2 + y**2)
            return self._of(curve.sign * y / size), self._of(-curve.sign * x / size)
        assert isinstance(curve, Arc)
        a, b = exact(curve.radii)
        slope = (sp.cos(PARAMETER) / a, sp.sin(PARAMETER) / b)
        size = 1 / a if a == b else sp.sqrt(sum(each**2 for each in slope))
        return self._of(curve.sign * slope[0] / size), self._of(curve.sign * slope[1] / size)

    def _of(self, expression: sp.Expr) -> TaylorModel:
        return spread(model_of(expression, {PARAMETER: self.t}), len(self.piece))

    def of(self, model: TaylorModel, cells: Cells) -> TaylorModel:
        """Return the model of a function of the plane on the curve, by its polynomials on the cells."""
        s, t = (self._local(own, axis, cells) for axis, own in enumerate((self.x, self.y)))
        i, j = (each if count > 1 else 0 * each for each, count in zip(self.cell, model.error.shape, strict=True))
        chosen, error = model.coefficients[i, j], model.error[i, j]
        powers = [self._number(np.ones(len(i)))]
        for _ in range(1, model.degrees[1]):
            powers.append(powers[-1] * t)
        total = self._number(np.zeros(len(i)))
        for row in chosen.transpose(1, 2, 0)[::-1]:
            total = total * s
            for number, power in zip(row, powers, strict=True):
                total = total + self._number(number) * power
        return total.widened(error)

    def _local(self, own: TaylorModel, axis: int, cells: Cells) -> TaylorModel:
        """Return the local coordinate in the cells."""
        low, high = (end[self.cell[axis]] for end in cells[axis])
        first, last = map(working().exact, (low, high))
        shifted = own + self._number(-(first + last) / 2)
        scaled = shifted * self._number(2 / (last - first))
        return scaled.widened(16 * unit_of(first) * (np.abs(low) + np.abs(high)) / (high - low))

    @staticmethod
    def _number(values: Array) -> TaylorModel:
        return TaylorModel(values[:, None], np.zeros(len(values)))


def edges_of(curve: Curve, cells: Cells) -> Array:
    """Return the parameters between short pieces of a segment or an arc, beyond its ends by a little."""
    width = min(float((high - low).min()) for low, high in cells)
    count = min(MOST_PIECES, max(8, math.ceil(PER_CELL * curve.measure / width)))
    slack = SLACK * (curve.end - curve.start)
    return np.linspace(curve.start - slack, curve.end + slack, count + 1)


def stretches(curve: Curve, cells: Cells, edges: Array | None = None) -> Stretch:
    """Return a segment or an arc in pieces between parameters, in short ones if these are not given."""
    s = edges_of(curve, cells) if edges is None else edges
    t, count = coordinate(s[:-1], s[1:], 0, 1), len(s) - 1
    x, y = (spread(model_of(each, {PARAMETER: t}), count) for each in formulas(curve, PARAMETER))
    pairs = np.array(list(pairs_of(x, y, cells)))
    piece, i, j = pairs.T
    x, y, t = (TaylorModel(each.coefficients[piece], each.error[piece]) for each in (x, y, t))
    return Stretch(x, y, t, piece, (i, j))


def spread(model: TaylorModel, count: int) -> TaylorModel:
    """Return a model that may have one cell for all with as many cells as there are."""
    shape = (count, *model.coefficients.shape[1:])
    return TaylorModel(np.broadcast_to(model.coefficients, shape), np.broadcast_to(model.error, (count,)))


def exact(point: Sequence[float]) -> list[sp.Rational]:
    """Return the exact values of floating-point numbers."""
    return [sp.Rational(float(c)) for c in point]


def formulas(curve: Curve, s: sp.Symbol) -> list[sp.Expr]:
    """Return x and y of a segment or an arc, whose numbers are those in floating point."""
    if isinstance(curve, Segment):
        return [a + s * (b - a) for a, b in zip(exact(curve.first), exact(curve.second), strict=True)]
    assert isinstance(curve, Arc)
    (x, y), (a, b) = exact(curve.center), exact(curve.radii)
    return [x + a * sp.cos(s), y + b * sp.sin(s)]


def pairs_of(x: TaylorModel, y: TaylorModel, cells: Cells) -> Iterator[tuple[int, int, int]]:
    """Yield the numbers of pieces, and of the cells that each may meet."""
    ranges = []
    for model, (low, high) in zip((x, y), cells, strict=True):
        ends = np.append(low, high[-1:])
        ranges.append([np.clip(np.searchsorted(ends, end) - 1, 0, len(low) - 1) for end in model.interval])
    for piece, (i, k, j, m) in enumerate(zip(*ranges[0], *ranges[1], strict=True)):
        yield from ((piece, a, b) for a in range(i, k + 1) for b in range(j, m + 1))
