"""Tests of singular functions in the march: which ones a problem gets, and the digits that they give."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from kanpde import (
    Box,
    Condition,
    Dirichlet,
    Disk,
    Integral,
    Neumann,
    Polygon,
    Problem,
    Robin,
    Solution,
    load_problem,
    solve,
)
from kanpde.errors import ConfigurationError
from kanpde.export.torch_programs import PlainModel
from kanpde.marching.singular_functions import singular_functions

L = Polygon([(0, 0), (1, 0), (1, 1), (-1, 1), (-1, -1), (0, -1)])
HALVES = Polygon([(-1, 0), (0, 0), (1, 0), (1, 1), (-1, 1)])
FEW = {"max_parameters": 450}


class Elliptic(Problem):
    """Δu = given terms, with conditions by the names of sides."""

    def __init__(self, conditions, domain=L, residual=lambda u: u.xx + u.yy + 1):
        self.domain, self.given, self.left = domain, conditions, residual

    def residual(self, u, x, y):
        return self.left(u)

    def conditions(self):
        return self.given


def exponents(problem, at=(0.0, 0.0)):
    return [f.exponent for f in singular_functions(problem) if f.corner.at == at]


def test_exponents_follow_from_the_angle_and_the_kinds_of_conditions():
    ends = {"other": Dirichlet(0, on=["side2", "side3", "side4", "side5"])}
    same = exponents(Elliptic({"all": Dirichlet(0)}))
    assert same[:4] == pytest.approx([2 / 3, 4 / 3, 2, 8 / 3])
    mixed = exponents(Elliptic({**ends, "one": Neumann(0, on="side1"), "two": Dirichlet(0, on="side6")}))
    assert mixed[:3] == pytest.approx([1 / 3, 1, 5 / 3])
    assert exponents(Elliptic({**ends, "two": Dirichlet(0, on="side6")})) == []  # side1 has no condition
    free = Elliptic({"all": Condition(lambda u: u.x + u.y)})
    assert exponents(free) == []  # an oblique derivative


def test_a_logarithm_stands_where_the_exponent_is_whole():
    functions = [f for f in singular_functions(Elliptic({"all": Dirichlet(0)})) if f.corner.at == (1, 1)]
    assert [(f.exponent, f.log) for f in functions] == [(2, True), (4, True), (6, True), (8, True), (10, True)]


def test_a_vertex_on_a_straight_side_matters_where_the_condition_changes():
    assert exponents(Elliptic({"all": Dirichlet(0)}, HALVES)) == []
    sides = {"cold": Dirichlet(0, on="side1"), "rest": Neumann(0, on=["side2", "side4", "side5"])}
    assert exponents(Elliptic({**sides, "hot": Dirichlet(1, on="side3")}, HALVES))[:3] == pytest.approx([0.5, 1.5, 2.5])


def test_terms_beside_the_laplacian_add_functions():
    plain, reaction, drift = (
        exponents(Elliptic({"all": Dirichlet(0)}, residual=left))
        for left in (lambda u: u.xx + u.yy, lambda u: u.xx + u.yy - u, lambda u: u.xx + u.yy + u.x)
    )
    assert set(plain) < set(reaction)
    assert 5 / 3 not in np.round(plain, 9)
    assert np.isclose(drift, 5 / 3).sum() == 4
    robin = Elliptic({"all": Robin(1, 1, 0)}, residual=lambda u: u.xx + u.yy)
    assert np.isclose(exponents(robin), 5 / 3).sum() == 2


@pytest.mark.parametrize("left", [lambda u: u.xx + 2 * u.yy, lambda u: u.xx + u.yy + u.xy, lambda u: u.x + u.y])
def test_other_principal_parts_get_none(left):
    assert singular_functions(Elliptic({"all": Dirichlet(0)}, residual=left)) == ()


def test_boxes_and_smooth_shapes_get_none():
    for domain in (Box(x=(0, 1), y=(0, 1)), Disk((0, 0), 1)):
        assert singular_functions(Elliptic({"all": Dirichlet(0)}, domain)) == ()


def test_the_l_shape_to_round_off_saved_and_exported(tmp_path):
    solution = solve(load_problem("l_shape"), training=FEW)
    errors = solution.errors()
    assert errors["relative_l2"] < 1e-12
    assert errors["max_error"] < 1e-11
    assert solution.verdict == "solved"
    assert solution.error_estimate < 1e-11
    solution.save(tmp_path / "l.kan")
    loaded = Solution.load(tmp_path / "l.kan")
    place = {"x": np.array([0.3, -0.2, 0.0]), "y": np.array([0.2, -0.7, 0.0])}
    assert np.array_equal(loaded(**place), solution(**place))
    assert np.array_equal(loaded.derivative("xy", x=-0.3, y=0.1), solution.derivative("xy", x=-0.3, y=0.1))
    for ending in ("py", "onnx"):
        with pytest.raises(ConfigurationError, match=f"singular functions of corners or holes for .{ending}"):
            solution.export(tmp_path / f"l.{ending}")
    points = torch.tensor([[0.3, 0.2], [-0.2, -0.7]], dtype=torch.float64)
    program = PlainModel(solution.model)  # which .pt2 holds
    assert np.allclose(program(points)[:, 0].detach(), solution(points.numpy()), rtol=1e-12, atol=1e-13)


def test_poisson_s_equation_is_symmetric_in_an_l():
    solution = solve(Elliptic({"all": Dirichlet(0)}), training=FEW)
    assert float(solution(x=0.3, y=0.6)) == pytest.approx(0.112905260813, abs=1e-10)
    assert float(solution(x=-0.6, y=-0.3)) == pytest.approx(float(solution(x=0.3, y=0.6)), abs=1e-10)


def test_motz_and_its_leading_coefficients():
    solution = solve(load_problem("motz"), training={"max_parameters": 800})
    assert solution.errors()["relative_l2"] < 1e-10
    part = solution.model.ansatz
    found = {
        f.power: float(c) / f.corner.radius**f.power
        for f, (c,) in zip(part.functions, part.amounts, strict=True)
        if f.corner.at == (0, 0)
    }
    assert found[0.5] == pytest.approx(401.162453745234, rel=1e-10)  # Li, Mathon and Sermer (1987)
    assert found[1.5] == pytest.approx(87.655920195088, rel=1e-8)


class Drum(Problem):
    """The first eigenvalue of an L: 9.6397238440219 (Betcke and Trefethen, SIAM Rev. 47 (2005) 469)."""

    domain = L
    unknowns = {"square": 9.0}

    def residual(self, u, square):
        return u.xx + u.yy + square * u

    def conditions(self):
        return {"clamped": Dirichlet(0), "size": Integral(1, lambda u: u**2)}


def test_the_eigenvalue_of_an_l():
    solution = solve(Drum(), training=FEW)
    assert solution.unknowns["square"] == pytest.approx(9.6397238440219, abs=1e-7)


def test_a_sector_with_an_arc():
    sector = Disk((0, 0), 1) & Polygon([(0, 0), (0, -3), (3, -3), (3, 3), (-3, 3), (-3, 0)], name="side")

    def rim(x, y):
        angle = torch.remainder(torch.atan2(y, x) + math.pi / 2, 2 * math.pi)
        return torch.sin(2 / 3 * angle)

    problem = Elliptic(
        {"rim": Dirichlet(rim, on="rim"), "sides": Dirichlet(0, on="side")}, sector, lambda u: u.xx + u.yy
    )
    x, y = np.array([0.2, -0.1, -0.3]), np.array([0.3, 0.5, 0.1])
    r, angle = np.hypot(x, y), np.arctan2(y, x) + math.pi / 2
    assert np.allclose(solve(problem, training=FEW)(x=x, y=y), r ** (2 / 3) * np.sin(2 / 3 * angle), atol=1e-9)
