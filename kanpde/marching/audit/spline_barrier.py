"""A barrier that is computed: a positive spline Φ on a rectangle with L Φ > 0 on all cells, which is proved afterwards.

Any Φ will do, so that it is found in floating-point numbers: least squares for L Φ = 1 with a small positive value on
the boundary, which has a small weight, because at corners a constant value may contradict the equation. Its products of
splines of one coordinate each are then enclosed on the cells of the solution, whose knots are its own. A negative
coefficient of the value, which spoils barriers in closed form, only makes it larger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline

from kanpde.calculus.arrays import Array, MultiIndex
from kanpde.calculus.exact_splines import spline_pieces
from kanpde.calculus.jets import closure
from kanpde.calculus.precision import floats, half_widths
from kanpde.calculus.splines import clamped_knots
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.network.enclosure import Cells, Jet, derivative
from kanpde.network.separable import Stacked, product_sum
from kanpde.symbolic.proof.maximum_principle import UPWARD

DEGREE = 8  # of the splines
SHAPES = ((8, 1.0), (12, 10.0))  # the most intervals along an axis, and the weight of the values on faces
POINTS = 64  # about as many, at which L Φ = 1 is asked for along an axis
RIM = 0.1  # the value on faces, in largest values inside
RANK = 1e-8  # smallest singular value that is kept, relative to the largest


@dataclass(frozen=True)
class SplineBarrier:
    """Φ as models of its partials on the cells."""

    jet: Jet

    @property
    def highest(self) -> float:
        return float(self.jet[()].interval[1].max())

    @property
    def lowest(self) -> float:
        return float(self.jet[()].interval[0].min())

    def image(self, coefficients: Mapping[MultiIndex, TaylorModel]) -> TaylorModel:
        """Return the model of L Φ."""
        terms = [coefficient * self.jet[partial] for partial, coefficient in coefficients.items()]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total


def stability(barrier: SplineBarrier, coefficients: Mapping[MultiIndex, TaylorModel], vague: Array) -> float:
    """Return max Φ / min L Φ, where the coefficient of the value is known up to `vague`; infinite if either is ≤ 0."""
    least = barrier.image(coefficients).interval[0] - UPWARD * np.abs(vague) * barrier.highest
    if not (barrier.lowest >= 0 and (least > 0).all()):
        return float("inf")
    return UPWARD * barrier.highest / float(least.min())


def spline_barrier(coefficients: Mapping[MultiIndex, TaylorModel], cells: Cells) -> SplineBarrier | None:
    """Return Φ > 0 with L Φ > 0 for L = Σ coefficients ∂^α on a rectangle of cells; None if none is found."""
    for intervals, faces in SHAPES:
        found = _candidate(coefficients, cells, intervals, faces)
        if found is not None and found.lowest > 0 and (found.image(coefficients).interval[0] > 0).all():
            return found
    return None


def _candidate(
    coefficients: Mapping[MultiIndex, TaylorModel], cells: Cells, intervals: int, weight: float
) -> SplineBarrier | None:
    """Return a candidate; None if it is not positive at points."""
    knots = [_knots(low, high, intervals) for low, high in cells]
    places = [Places.on(low, high) for low, high in cells]
    partials = closure([*coefficients, ()])
    tables = [[_table(k, place.x, order) for order in range(3)] for k, place in zip(knots, places, strict=True)]

    def rows(partial: MultiIndex) -> Array:
        first, second = (tables[axis][partial.count(axis)] for axis in (0, 1))
        return np.asarray(np.einsum("ia,jb->ijab", first, second))

    values = {partial: _values(model, places) for partial, model in coefficients.items()}
    inside = np.sum([values[partial][:, :, None, None] * rows(partial) for partial in values], axis=0)
    sizes = [k.size - DEGREE - 1 for k in knots]
    weight = weight * max(float(np.abs(v).max()) for p, v in values.items() if len(p) == 2)
    faces = np.concatenate([_face(tables, sizes, axis, end) for axis in (0, 1) for end in (0, -1)])
    matrix = np.concatenate([inside.reshape(-1, sizes[0] * sizes[1]), weight * faces])
    right = np.zeros((len(matrix), 2))
    right[: -len(faces), 0], right[-len(faces) :, 1] = 1.0, weight
    found = np.linalg.lstsq(matrix, right, rcond=None)[0]
    heights = rows(()).reshape(-1, sizes[0] * sizes[1]) @ found
    chosen = found @ np.array([1.0, RIM * heights[:, 0].max()])
    if not (rows(()).reshape(-1, chosen.size) @ chosen > 0).all():
        return None
    chosen = chosen.reshape(sizes)
    left, singular, right_ = np.linalg.svd(chosen)
    rank = int((singular > RANK * singular[0]).sum())
    factors = left[:, :rank] * singular[:rank], right_[:rank].T
    return SplineBarrier(_jet(knots, factors, cells, partials))


def _knots(low: Array, high: Array, intervals: int) -> Array:
    """Return knots through some ends of cells."""
    ends = np.concatenate([low, high[-1:]])
    chosen = np.unique(np.linspace(0, len(low), min(intervals, len(low)) + 1).round().astype(int))
    return np.asarray(clamped_knots(ends[chosen], DEGREE)[0])


@dataclass(frozen=True)
class Places:
    """Points (n,) along an axis, which are the same `local` ones of some of its cells."""

    x: Array
    local: Array
    cells: npt.NDArray[np.int_]

    @classmethod
    def on(cls, low: Array, high: Array) -> Places:
        """Return places on cells."""
        cells = np.unique(np.linspace(0, len(low) - 1, min(POINTS, len(low))).round().astype(int))
        count = max(1, round(POINTS / len(cells)))
        local = -np.cos(np.pi * (np.arange(count) + 0.5) / count)
        x = ((low + high) / 2)[cells, None] + ((high - low) / 2)[cells, None] * local
        return cls(x.ravel(), local, cells)


def _table(knots: Array, x: Array, order: int) -> Array:
    """Return a derivative of all splines at points, (points, splines)."""
    spline = BSpline(knots, np.eye(knots.size - DEGREE - 1), DEGREE)
    return np.asarray((spline.derivative(order) if order else spline)(x))


def _values(model: TaylorModel, places: Sequence[Places]) -> Array:
    """Return the polynomials of a model at all places, (points, points)."""
    coefficients, _ = floats(model.coefficients)
    for axis, place in enumerate(places):
        powers = place.local ** np.arange(model.degrees[axis])[:, None]
        if coefficients.shape[axis] > 1:
            coefficients = np.take(coefficients, place.cells, axis)
        else:
            coefficients = np.repeat(coefficients, len(place.cells), axis)
        coefficients = np.moveaxis(np.tensordot(coefficients, powers, (2 + axis, 0)), -1, 2 + axis)
    return np.asarray(coefficients.transpose(0, 2, 1, 3).reshape([len(place.x) for place in places]))


def _face(tables: Sequence[Sequence[Array]], sizes: Sequence[int], axis: int, end: int) -> Array:
    """Return the rows of the values on a face."""
    own, other = np.zeros(sizes[axis]), tables[1 - axis][0]
    own[end] = 1.0
    pair = (own[None], other) if axis == 0 else (other, own[None])
    return np.asarray(np.einsum("ia,jb->ijab", *pair).reshape(-1, sizes[0] * sizes[1]))


def _jet(knots: Sequence[Array], factors: Sequence[Array], cells: Cells, partials: Sequence[MultiIndex]) -> Jet:
    """Return models of Σ_k f_k(x) g_k(y), for spline coefficients (n, k) of f and g."""
    jets = [_factor_jets(*each, axis) for axis, each in enumerate(zip(knots, factors, cells, strict=True))]
    ones = np.ones(factors[0].shape[1])
    result: Jet = {}
    for partial in partials:
        first, second = (Stacked.of(jets[axis], (axis,) * partial.count(axis), axis) for axis in (0, 1))
        result[partial] = product_sum(first, second, ones)
    return result


def _factor_jets(knots: Array, coefficients: Array, ends: tuple[Array, Array], axis: int) -> list[Jet]:
    low, high = ends
    inner = knots[DEGREE + 1 : -DEGREE - 1]
    interval = np.searchsorted(inner, (low + high) / 2, side="right")
    found, error = spline_pieces(knots, DEGREE, coefficients, interval, low, high)
    half = half_widths(low, high)
    return [
        {(axis,) * order: derivative(found[:, :, k], error[:, :, k], half, order, axis, 2) for order in range(3)}
        for k in range(coefficients.shape[1])
    ]
