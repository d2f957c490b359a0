"""Tests of the closed forms of singular functions: autograd, Laplace's equation, the conditions on their sides."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from kanpde import Disk, Polygon
from kanpde.calculus.corner_functions import Corner, CornerFunction
from kanpde.calculus.jets import JetPlan
from kanpde.geometry.corners import corners_of

L = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])
PLAN = JetPlan(2, [(0, 0, 1), (0, 1, 1, 1)])
CORNER = Corner((0.2, -0.1), 0.3, 1.6 * math.pi, 1.7)
POINTS = torch.tensor([[0.5, 0.3], [-0.5, 0.2], [0.1, -0.6], [0.9, 0.1]], dtype=torch.float64)


@pytest.mark.parametrize("corner", [CORNER, replace(CORNER, pole=(0.5, -0.4))], ids=["ray", "pole"])
@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize(
    ("power", "conjugate", "log"), [(2 / 3, 0, False), (2, 0, True), (5 / 3, 2, False), (3, 1, True)]
)
def test_partials_agree_with_autograd(power: float, conjugate: int, log: bool, even: bool, corner: Corner) -> None:
    function = CornerFunction(corner, power, conjugate, even, log)
    points = POINTS.clone().requires_grad_()
    jets = function.jets(points, PLAN)
    for partial in PLAN.partials:
        value = function.jets(points, JetPlan(2, [()]))[:, 0]
        for axis in partial:
            value = torch.autograd.grad(value.sum(), points, create_graph=True)[0][:, axis]
        torch.testing.assert_close(jets[:, PLAN.index[partial]], value, rtol=1e-10, atol=1e-10)


def test_powers_of_z_are_harmonic_and_vanish_on_the_sides() -> None:
    corner = Corner((0.0, 0.0), 0.0, 1.5 * math.pi)
    for log in (False, True):
        jets = CornerFunction(corner, 2 if log else 2 / 3, log=log).jets(POINTS, PLAN)
        laplacian = jets[:, PLAN.index[0, 0]] + jets[:, PLAN.index[1, 1]]
        assert laplacian.abs().max() < 1e-13
    sides = torch.tensor([[0.5, 0.0], [0.0, -0.5]], dtype=torch.float64)
    assert CornerFunction(corner, 2 / 3).jets(sides, PLAN)[:, 0].abs().max() < 1e-15
    across = CornerFunction(corner, 2 / 3, even=True).jets(sides, PLAN)
    assert abs(float(across[0, PLAN.index[1,]])) + abs(float(across[1, PLAN.index[0,]])) < 1e-14


def test_a_function_is_finite_at_its_corner() -> None:
    at = torch.tensor([CORNER.at], dtype=torch.float64)
    assert torch.isfinite(CornerFunction(CORNER, 2, log=True).jets(at, PLAN)[:, PLAN.index[()]]).all()


def test_corners_of_a_polygon_in_either_direction() -> None:
    clockwise = Polygon(L.vertices[::-1])
    for shape in (L, clockwise):
        found = {meeting.corner.at: meeting.corner for meeting in corners_of(shape)}
        assert found[0, 0].opening == pytest.approx(1.5 * math.pi)
        assert found[0, 0].first == pytest.approx(0)
        assert [round(c.opening / math.pi, 9) for c in found.values()].count(0.5) == 5


def test_corners_of_a_sector_and_of_a_divided_side() -> None:
    sector = Disk((0, 0), 1) & Polygon([(0, 0), (0, -3), (3, -3), (3, 3), (-3, 3), (-3, 0)], name="side")
    found = corners_of(sector)
    assert [m.curved for m in found if m.corner.at == (0, 0)] == [False]
    assert sorted(round(m.corner.opening / math.pi, 9) for m in found) == [0.5, 0.5, 1.5]
    divided = corners_of(Polygon([(-1, 0), (0, 0), (1, 0), (1, 1), (-1, 1)]))
    (flat,) = (m for m in divided if m.corner.at == (0, 0))
    assert flat.corner.opening == pytest.approx(math.pi)
    assert flat.faces == ("side2", "side1")


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize(("power", "conjugate", "log"), [(-3, 0, False), (0, 0, True), (-4, 2, False), (2, 2, True)])
def test_partials_about_a_slit_agree_with_autograd(power: int, conjugate: int, log: bool, even: bool) -> None:
    corner = Corner((0.2, -0.1), 0.0, 2 * math.pi, 0.7, slit=(1.0, 0.2, -0.3, 0.6, 0.25))
    test_partials_agree_with_autograd(power, conjugate, log, even, corner)


def test_sizes_are_constant_on_ellipses_about_a_slit() -> None:
    corner = Corner((0.0, 0.0), 0.0, 2 * math.pi, slit=(1.0, 0.0, 0.0, 1.0, 0.8))
    angle = torch.linspace(0, 2 * math.pi, 40, dtype=torch.float64)
    ellipse = torch.stack([torch.cos(angle), 0.6 * torch.sin(angle)], dim=1)
    values = CornerFunction(corner, 0.0, even=True, log=True).jets(ellipse, JetPlan(2, [()]))
    torch.testing.assert_close(values, torch.full_like(values, math.log(0.8)))
