"""Poles, cuts and kinks in a closed domain are found, and none where there are none."""

import pytest
import sympy as sp
from boxes_of_symbols import BOX, t, x

from kanpde import Annulus, Disk, Polygon
from kanpde.symbolic.clock import Clock
from kanpde.symbolic.proof.smoothness import irregularities


@pytest.mark.parametrize(
    "smooth",
    [sp.tan(x), 1 / (1 + x**2), sp.sqrt(x + t), sp.log(1 + x), 1 / (1 + sp.exp(x - t)), sp.atan(x / (1 + t)), x**2,
     sp.Abs(x), (1 + t) ** sp.Rational(-3, 2), sp.acos(x / 2) * sp.atanh(x / 2), sp.pi**x, sp.besselj(0, x)],
)  # fmt: skip
def test_what_is_smooth_on_the_closed_domain(smooth):
    assert irregularities(smooth, BOX, Clock(20)) == []


@pytest.mark.parametrize(
    "rough",
    [sp.tan(2 * x), 1 / (x - sp.Rational(1, 3)), 1 / x, sp.log(x), sp.sqrt(x - t), 1 / (x + t), sp.Abs(x - t),
     sp.sign(x - t), sp.Piecewise((x, x < t), (t, True)), sp.atanh(x), sp.floor(3 * x), 1 / (1 - 2 * x * t), sp.I * x,
     1 / (x**2 + t**2 - sp.Rational(1, 10)), sp.sec(2 * x), sp.coth(x), sp.acos(2 * x), (x - t) ** sp.pi,
     sp.sqrt(-1 - x)],
)  # fmt: skip
def test_poles_cuts_and_kinks_are_found(rough):
    assert irregularities(1 + rough, BOX, Clock(20))


DISK, RING = Disk((0, 0), 1), Annulus((0, 0), 0.5, 1)
L_SHAPE = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])
a, b = sp.symbols("x y", real=True)
SQUARE = a**2 + b**2
ANGLE = sp.atan2(-a - b, b - a)  # jumps in the quarter that an L has not


def obstacles(expression, shape):
    bounds = dict(zip((a, b), zip(map(float, shape.low), map(float, shape.high), strict=True), strict=True))
    return irregularities(expression, bounds, Clock(60), shape)


@pytest.mark.parametrize(
    ("shape", "smooth"),
    [
        (RING, sp.log(SQUARE)),
        (RING, sp.bessely(0, sp.sqrt(SQUARE)) / SQUARE),
        (DISK, sp.besselj(2, 3 * sp.sqrt(SQUARE)) * (a**2 - b**2) / SQUARE),
        (DISK, sp.sin(2 * sp.sqrt(SQUARE)) / sp.sqrt(SQUARE) + sp.cosh(sp.sqrt(SQUARE))),
        (DISK, 1 / (a + b - sp.Rational(3, 2))),  # its pole passes the disk, not the box around it
        (L_SHAPE, SQUARE ** sp.Rational(1, 3) * sp.sin(2 * ANGLE / 3)),
    ],
)
def test_what_is_smooth_on_a_shape(shape, smooth):
    assert obstacles(smooth, shape) == []


@pytest.mark.parametrize(
    ("shape", "rough"),
    [
        (DISK, sp.log(SQUARE)),
        (DISK, sp.sqrt(SQUARE)),  # a kink at the centre
        (DISK, sp.besselj(1, sp.sqrt(SQUARE)) / SQUARE),
        (DISK, 1 / (a + b - sp.Rational(7, 5))),
        (RING, ANGLE),  # the jump crosses the ring
        (L_SHAPE, sp.atan2(b, a)),
        (L_SHAPE, 1 / SQUARE),  # unbounded at the corner
    ],
)
def test_what_is_rough_on_a_shape(shape, rough):
    assert obstacles(rough, shape)
