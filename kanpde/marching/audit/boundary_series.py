"""Power series of a holomorphic function about the middles of short pieces of a boundary, as Taylor models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kanpde.calculus.arrays import Array
from kanpde.calculus.precision import TINY, UNIT, UPWARD
from kanpde.calculus.taylor_models import NotEnclosed, TaylorModel
from kanpde.geometry.curves import Arc, Curve, Segment
from kanpde.marching.audit.corner_frames import along

TERMS = 30  # of a series about the middle of a piece
CIRCLE = 12  # terms of (e^{ihs} − 1) / (ih)

Complex = npt.NDArray[np.complexfloating[Any, Any]]


@dataclass(frozen=True)
class Pieces:
    """Parts of a curve, z = `middle` + `step` η with |η| ≤ `reach` up to a distance `error`, (n,) each.

    On a segment η = s ∈ [−1, 1]. On a circle η = (e^{ihs} − 1) / (ih) with its half angle h. `places` are the
    parameters of the middles.
    """

    curve: Curve
    places: Array
    half: Array
    middle: Complex
    step: Complex
    error: Array
    reach: float


def pieces_of(curve: Curve, edges: Array) -> Pieces:
    """Return the parts of a segment or a circle between consecutive parameters; raise NotEnclosed for others."""
    places, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    size = np.abs(edges).max() + 1
    if isinstance(curve, Segment):
        first, way = complex(*curve.first), complex(*map(float, along(curve)))
        middle, step = first + places * way, half * way
        error = 8 * UNIT * (abs(first) + size * abs(way)) + np.zeros(len(places))
        return Pieces(curve, places, half, middle, step, error, 1 + 1e-9)
    if not isinstance(curve, Arc) or curve.radii[0] != curve.radii[1]:
        raise NotEnclosed("singular functions are enclosed along segments and circles")
    radius, centre = curve.radii[0], complex(*curve.center)
    turned = np.exp(1j * places)
    error = 100 * UNIT * (abs(centre) + radius * size) + np.zeros(len(places))
    return Pieces(curve, places, half, centre + radius * turned, 1j * radius * turned * half, error, 1.1)


@dataclass(frozen=True)
class Series:
    """Coefficients f_m (n, TERMS) and bounds of the errors of their real and imaginary parts (n, TERMS + 1).

    The last column bounds the coefficient m = TERMS; each one after it is at most `ratio` (n,) of the one before.
    """

    found: Complex
    real: Array
    imaginary: Array
    ratio: Array

    def __add__(self, other: Series) -> Series:
        errors = self.real + other.real, self.imaginary + other.imaginary
        return Series(self.found + other.found, *errors, np.maximum(self.ratio, other.ratio))


def tail(last: Array, ratio: Array, reach: float, order: int = 0) -> Array:
    """Return Σ_{m ≥ TERMS} m^order |f_m| reach^m, (n,), from a bound of the first term and of their ratio."""
    rate = ratio * reach * ((TERMS + 1) / TERMS) ** order
    if not (rate < 0.9).all():
        raise NotEnclosed("a series of a singular function does not converge on a piece of the boundary")
    return np.asarray(UPWARD * last * TERMS**order * reach**TERMS / (1 - rate))


def real_model(found: Array, errors: Array, ratio: Array, parts: Pieces) -> TaylorModel:
    """Return the model of Σ f_m η^m on pieces of a segment."""
    powers = parts.reach ** np.arange(TERMS)
    error = errors[:, :TERMS] @ powers + tail(errors[:, TERMS], ratio, parts.reach)
    slope = (np.abs(found) * np.arange(TERMS)) @ powers + errors[:, :TERMS] @ (np.arange(TERMS) * powers)
    slope = slope + tail(errors[:, TERMS], ratio, parts.reach, 1)
    position = parts.error / np.abs(parts.step) * slope
    return TaylorModel(found, UPWARD * (error + position) + TINY).trimmed()


def derived(found: Array, errors: Array, ratio: Array, parts: Pieces) -> TaylorModel:
    """Return the model of Σ m f_m η^{m−1} on pieces of a segment, for `found` m f_m."""
    order = np.arange(1, TERMS)
    powers = parts.reach ** (order - 1)
    error = (errors[:, 1:TERMS] * order) @ powers + tail(errors[:, TERMS], ratio, parts.reach, 1)
    error = error + 2 * UNIT * (np.abs(found) @ powers)
    slope = (np.abs(found) * (order - 1)) @ powers + (errors[:, 1:TERMS] * order * (order - 1)) @ powers
    slope = slope + tail(errors[:, TERMS], ratio, parts.reach, 2)
    position = parts.error / np.abs(parts.step) * slope
    return TaylorModel(found, UPWARD * (error + position) + TINY).trimmed()


def times(model: TaylorModel, factor: Array) -> TaylorModel:
    """Return a model times numbers (n,), which have a few roundings."""
    error = UPWARD * np.abs(factor) * model.error + 20 * UNIT * np.abs(factor) * model.norm
    return TaylorModel(model.coefficients * factor[:, None], UPWARD * error + TINY)


def circle_series(half: Array) -> tuple[TaylorModel, TaylorModel]:
    """Return models of the real and imaginary part of η = (e^{ihs} − 1) / (ih) on [−1, 1]."""
    terms = np.array([(1j) ** (j - 1) / math.factorial(j) for j in range(1, CIRCLE + 1)])
    found = np.concatenate([np.zeros((len(half), 1)), half[:, None] ** np.arange(CIRCLE) * terms], axis=1)
    left = half**CIRCLE / math.factorial(CIRCLE + 1) * 1.2 + 100 * UNIT * half
    return TaylorModel(found.real.copy(), left), TaylorModel(found.imag.copy(), left)


Pair = tuple[TaylorModel, TaylorModel]


def on_circle(series: Series, parts: Pieces) -> tuple[Pair, Pair]:
    """Return models of F and of its derivative by η, real and imaginary parts, on pieces of a circle."""
    if (parts.half > 0.1).any():
        raise NotEnclosed("a circle is divided into too few pieces")
    eta, order = circle_series(parts.half), np.arange(TERMS)
    powers = parts.reach**order
    errors = series.real + series.imaginary
    sizes = np.abs(series.found) + errors[:, :TERMS]
    step = parts.error / np.abs(parts.step) * UPWARD
    last = errors[:, TERMS]
    # Bounds of F and of its derivatives.
    factors = (np.ones(TERMS), order, order * (order - 1))
    bends = [(sizes * f) @ powers + tail(last, series.ratio, parts.reach, n) for n, f in enumerate(factors)]
    error = errors[:, :TERMS] @ powers + tail(last, series.ratio, parts.reach) + step * bends[1]
    first = (errors[:, :TERMS] * order) @ powers + tail(last, series.ratio, parts.reach, 1) + step * bends[2]
    value = horner(series.found, eta)
    slope = horner(series.found[:, 1:] * order[1:], eta)
    first = first + 4 * UNIT * bends[1]
    return (value[0].widened(error), value[1].widened(error)), (slope[0].widened(first), slope[1].widened(first))


def horner(found: Complex, eta: Pair) -> Pair:
    """Return the real and the imaginary part of Σ f_m η^m."""
    real, imaginary = (TaylorModel(part[:, -1:].copy(), np.zeros(len(found))) for part in (found.real, found.imag))
    for column in reversed(found.T[:-1]):
        real, imaginary = real * eta[0] - imaginary * eta[1], real * eta[1] + imaginary * eta[0]
        real = real + TaylorModel(column.real[:, None].copy(), np.zeros(len(column)))
        imaginary = imaginary + TaylorModel(column.imag[:, None].copy(), np.zeros(len(column)))
    return real, imaginary
