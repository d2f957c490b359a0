"""Poles, cuts and kinks in a closed domain are found, and none where there are none."""

import pytest
import sympy as sp
from boxes_of_symbols import BOX, t, x

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
