"""Singular functions enclosed along the boundary: their exact values and slopes lie in the models."""

from __future__ import annotations

import math
from collections.abc import Sequence

import mpmath
import numpy as np
import pytest

from kanpde import Annulus, Box, Disk, Polygon
from kanpde.calculus.corner_functions import Corner, CornerFunction
from kanpde.calculus.taylor_models import NotEnclosed
from kanpde.geometry.corners import corners_of
from kanpde.geometry.curves import Curve, Segment
from kanpde.geometry.shape import Shape
from kanpde.marching.audit.boundary_series import pieces_of
from kanpde.marching.audit.singular_sum import SingularSum

L = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])
RING = Annulus((0.1, 0), 0.5, 1)
SECTOR = Disk((0, 0), 1) - Box(x=(0, 2), y=(-2, 0))


def of_corners(shape: Shape) -> list[CornerFunction]:
    found = []
    for meeting in corners_of(shape):
        corner = meeting.corner
        if corner.opening > 4:
            found += [CornerFunction(corner, a, even=e) for a, e in ((2 / 3, False), (4 / 3, False), (2 / 3, True))]
        else:
            found += [CornerFunction(corner, 2.0, log=True), CornerFunction(corner, 4.0, even=True, log=True)]
    return found


def of_holes(shape: Shape) -> list[CornerFunction]:
    corner = Corner((0.12, -0.03), 0.0, 2 * math.pi, 0.5)
    powers = [CornerFunction(corner, float(-n), even=e) for n in (1, 7) for e in (True, False)]
    return [CornerFunction(corner, 0.0, even=True, log=True), *powers]


def exact(functions: Sequence[CornerFunction], amounts: np.ndarray, z: mpmath.mpc) -> tuple:
    """S and F' at a point; powers are whole thirds, and angles jump in the middle of the outside."""
    value, slope = mpmath.mpf(0), mpmath.mpc(0)
    for function, c in zip(functions, amounts, strict=True):
        corner = function.corner
        a = mpmath.mpf(round(function.power * 3)) / 3
        first = mpmath.nint(corner.first / (math.pi / 2)) * mpmath.pi / 2
        away = (z - mpmath.mpc(*corner.at)) * mpmath.expj(-first) / mpmath.mpf(corner.radius)
        angle = mpmath.arg(away)
        high = corner.opening / 2 + math.pi
        angle += 2 * mpmath.pi * (mpmath.ceil((high - angle) / (2 * mpmath.pi)) - 1)
        log = mpmath.log(abs(away)) + 1j * angle
        power = mpmath.exp(a * log)
        whole = power * log if function.log else power
        derivative = power / away * (a * log + 1 if function.log else a)
        factor = (1 if function.even else -1j) * mpmath.mpf(float(c))
        value += (factor * whole).real
        slope += factor * derivative * mpmath.expj(-first) / mpmath.mpf(corner.radius)
    return value, slope


@pytest.mark.parametrize("shape", [L, SECTOR, RING], ids=["polygon", "sector", "ring"])
def test_values_and_slopes_are_in_the_models(shape: Shape) -> None:
    random = np.random.default_rng(0)
    functions = of_holes(shape) if shape is RING else of_corners(shape)
    amounts = random.normal(size=(len(functions), 1))
    whole = SingularSum(shape, functions, amounts)
    for curve in (c for pieces in shape.pieces.values() for c in pieces if isinstance(c, Curve)):
        edges = whole.edges(curve, np.linspace(curve.start, curve.end, 40))
        assert edges[0] <= curve.start and edges[-1] >= curve.end
        parts = pieces_of(curve, edges)
        values = whole.values(parts)
        straight = isinstance(curve, Segment)
        try:
            slopes = whole.slopes(parts)
        except NotEnclosed:  # Re z^a and Im z^a are not both flat on a side
            slopes = None
        for number in random.integers(len(parts.places), size=8):
            s = float(random.uniform(-1, 1))
            with mpmath.workdps(40):
                t = mpmath.mpf(float(parts.places[number])) + mpmath.mpf(float(parts.half[number])) * s
                if straight:
                    first, second = (mpmath.mpc(*p) for p in (curve.first, curve.second))
                    z, normal = first + t * (second - first), -1j * (second - first) / abs(second - first)
                else:
                    z, normal = mpmath.mpc(*curve.center) + curve.radii[0] * mpmath.expj(t), mpmath.expj(t)
                value, slope = exact(functions, amounts[:, 0], z)
                for model, truth in ((values, value), (slopes, curve.sign * (slope * normal).real)):
                    if model is None:
                        continue
                    found = mpmath.polyval(list(map(mpmath.mpf, model.coefficients[number][::-1].tolist())), s)
                    assert abs(found - truth) <= model.error[number]
                    away = parts.half[number] > 1e-4
                    assert model.error[number] <= (1e-9 if away else 1e-5) * max(1, abs(truth))


def test_a_function_of_a_corner_vanishes_exactly_on_its_sides() -> None:
    (corner,) = (meeting.corner for meeting in corners_of(L) if meeting.corner.at == (0, 0))
    first, last = (L.pieces[name][0] for name in ("side1", "side6"))
    for even in (False, True):
        function = CornerFunction(corner, 2 / 3, even=even)
        whole = SingularSum(L, [function], np.ones((1, 1)))
        for curve in (first, last):
            parts = pieces_of(curve, whole.edges(curve, np.linspace(0, 1, 20)))
            assert (whole.slopes if even else whole.values)(parts).close_bound.max() < 1e-250


def test_functions_that_are_not_enclosed_are_refused() -> None:
    (corner,) = (meeting.corner for meeting in corners_of(L) if meeting.corner.at == (0, 0))
    one, hole = np.ones((1, 1)), Corner((0.1, 0.0), 0.0, 2 * math.pi)
    for function in (CornerFunction(corner, 2 / 3, conjugate=1), CornerFunction(corner, -2 / 3)):
        with pytest.raises(NotEnclosed):
            SingularSum(L, [function], one)
    with pytest.raises(NotEnclosed, match="single-valued"):
        SingularSum(RING, [CornerFunction(hole, -1.0, log=True)], one)
    steep = SingularSum(L, [CornerFunction(corner, 2 / 3)], one)
    side = L.pieces["side1"][0]
    with pytest.raises(NotEnclosed, match="not bounded"):
        steep.slopes(pieces_of(side, steep.edges(side, np.linspace(0, 1, 20))))


def test_a_jump_across_the_shape_is_noticed() -> None:
    (corner,) = (meeting.corner for meeting in corners_of(L) if meeting.corner.at == (0, 0))
    around = Polygon([(0, 0), (1, 0), (1, -2), (2, -2), (2, 1), (-1, 1), (-1, -1), (0, -1)])
    whole = SingularSum(around, [CornerFunction(corner, 2 / 3)], np.ones((1, 1)))
    with pytest.raises(NotEnclosed, match="jumps"):
        for pieces in around.pieces.values():
            for curve in pieces:
                whole.values(pieces_of(curve, whole.edges(curve, np.linspace(0, 1, 20))))


def test_the_distance_to_the_stored_functions_is_bounded() -> None:
    functions = of_corners(L)
    amounts = np.ones((len(functions), 1))
    whole = SingularSum(L, functions, amounts)
    assert 1e-15 < whole.rounding(2.0**-52) < 1e-10
    moved = [CornerFunction(f.corner, f.power * (1 + 1e-10), even=f.even, log=f.log) for f in functions]
    assert SingularSum(L, moved, amounts).rounding(2.0**-52) > 1e-10
