"""Closed forms on shapes: harmonics, Bessel functions, logarithms, corner functions, planted, found and proved."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from planted import Planted, problem_of
from sampled_fields import x, y

from kanpde import Annulus, Box, Dirichlet, Disk, Implicit, Polygon
from kanpde.symbolic.structure.polar import Pole, polar, poles
from kanpde.symbolic.symbolification import symbolify

SQUARE = x**2 + y**2
RADIUS = sp.sqrt(SQUARE)
DISK, RING = Disk((0, 0), 1), Annulus((0, 0), 0.5, 1)
L_SHAPE = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])
SECTOR = DISK - Box(x=(0, 2), y=(-2, 0))
PLATE = Box(x=(-1, 1), y=(-1, 1)) - Disk((-0.5, 0), 0.2, name="a") - Disk((0.5, 0), 0.2, name="b")
OVAL = Implicit(lambda x, y: x**4 + y**4 - 0.5, Box(x=(-1, 1), y=(-1, 1)))
ANGLE = sp.atan2(-x - y, y - x) + 3 * sp.pi / 4  # from the side y = 0 of an L and of three quarters of a disk


def laplace(u):
    return u.xx + u.yy


def waves(square):
    return lambda u: u.xx + u.yy + square * u


@pytest.mark.parametrize(
    ("domain", "residual", "value", "truth"),
    [
        (DISK, laplace, sp.cos(3 * sp.atan2(y, x)), x**3 - 3 * x * y**2),
        (DISK, waves(9), sp.cos(2 * sp.atan2(y, x)), (x**2 - y**2) / SQUARE * sp.besselj(2, 3 * RADIUS)),
        (RING, lambda u: laplace(u) - 4, SQUARE + sp.log(RADIUS), SQUARE + sp.log(RADIUS)),
        (RING, laplace, (SQUARE - 1 / SQUARE) * sp.sin(2 * sp.atan2(y, x)), 2 * x * y * (1 - 1 / SQUARE**2)),
        (L_SHAPE, laplace, None, RADIUS ** sp.Rational(2, 3) * sp.sin(2 * ANGLE / 3)),
        (SECTOR, laplace, None, RADIUS ** sp.Rational(1, 3) * sp.sin(ANGLE / 3)),
        (PLATE, laplace, None, sp.log((x + sp.S.Half) ** 2 + y**2) - sp.log((x - sp.S.Half) ** 2 + y**2)),
        (OVAL, waves(4), None, sp.besselj(0, 2 * RADIUS)),
    ],
)
def test_closed_forms_on_shapes_are_proved(domain, residual, value, truth):
    truth = truth / sp.besselj(2, 3) if value is not None and truth.has(sp.besselj) else truth
    conditions = {"all": Dirichlet(truth if value is None else value)}
    problem = problem_of(domain, residual, truth, conditions=lambda self: conditions)
    formula = symbolify(Planted(problem, 1e-10), budget_seconds=600)  # it ends by itself
    assert formula.proved, formula.reason
    points = domain.sample_interior(50)
    wanted = sp.lambdify((x, y), truth, ["scipy", "numpy"])(*points.T)
    assert np.abs(formula.evaluate(points)[:, 0] - wanted).max() < 1e-12


def test_a_field_near_a_closed_form_is_not_proved():
    """The harmonic extension of cos 3θ + 10⁻⁶ exp(exp(cos θ)) is not among the forms."""
    rim = sp.cos(3 * sp.atan2(y, x)) + sp.exp(sp.exp(x)) / 10**6
    problem = problem_of(DISK, laplace, x**3 - 3 * x * y**2, conditions=lambda self: {"rim": Dirichlet(rim)})
    assert symbolify(Planted(problem, 1e-5), budget_seconds=600).status == "none"


def test_poles_are_corners_holes_centres():
    (corner, *others) = poles(L_SHAPE)
    assert corner.centre == (0, 0) and corner.opening == pytest.approx(1.5 * math.pi) and not corner.around
    assert corner.radii[1] == pytest.approx(1, abs=0.05)
    assert [pole.centre for pole in poles(PLATE)][:2] in ([(-0.5, 0), (0.5, 0)], [(0.5, 0), (-0.5, 0)])
    (ring,) = poles(RING * Box(t=(0, 1)))
    assert ring.centre == (0, 0) and ring.around and ring.radii == pytest.approx((0.5, 1), abs=0.02)
    assert poles(Box(x=(0, 1), y=(0, 1))) == [] and poles(Box(x=(0, 1))) == []


def test_derivatives_by_radius_and_angle():
    """u = r² cos θ e^{-t}: the partials are multiples of it, and u_θθ = -u."""
    t = sp.Symbol("t", real=True)
    problem = problem_of(RING * Box(t=(0, 1)), lambda u: u.t, x * RADIUS * sp.exp(-t))
    field = polar(Planted(problem, 0.0), 0, Pole((0.0, 0.0), -math.pi, 2 * math.pi, (0.5, 1.0)))
    r, angle, time = field.coordinates
    u = r**2 * np.cos(angle) * np.exp(-time)
    for found, wanted in zip(
        (field.values, *field.first, *field.second),
        (u, 2 * u / r, -u * np.tan(angle), -u, 2 * u / r**2, -u, u),
        strict=True,
    ):
        assert np.abs(found - wanted).max() < 1e-12
