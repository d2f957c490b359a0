"""Tests of domains with several holes: where they are, the functions that they add, and the digits that these give."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Dirichlet, Disk, Ellipse, Neumann, Polygon, Problem, Solution, solve
from kanpde.calculus.jets import JetPlan
from kanpde.calculus.singular import jets_of
from kanpde.geometry.holes import holes_of
from kanpde.marching.singular_functions import singular_functions

A, B, C = (
    (sp.Rational(2, 5), sp.Rational(1, 2)),
    (sp.Rational(23, 20), sp.Rational(2, 5)),
    (sp.Rational(1), sp.Rational(1)),
)
THREE = (
    Box(x=(0, 1.6), y=(0, 1.4)) - Disk(A, 0.2, name="a") - Disk(B, 0.15, name="b") - Ellipse(C, (0.25, 0.2), name="c")
)


def test_holes_are_loops_of_the_boundary_whatever_they_are_made_of():
    found = {tuple(np.round(hole.at, 6)): hole for hole in holes_of(THREE)}
    assert set(found) == {(0.4, 0.5), (1.15, 0.4), (1.0, 1.0)}
    assert found[0.4, 0.5].radii == pytest.approx((0.2, 0.2))
    assert found[1.0, 1.0].radii == pytest.approx((0.225, 0.225), rel=1e-3)  # |w| about the slit between the foci
    one, two, focus = found[1.0, 1.0].slit
    assert abs(one) == pytest.approx(1) and abs(two) == pytest.approx(1) and focus == pytest.approx(0.15, rel=1e-3)
    assert found[0.4, 0.5].reach == pytest.approx(0.4, abs=1e-4)
    assert found[1.15, 0.4].reach == pytest.approx(0.4, abs=1e-4)
    polygon = Polygon([(0.3, 0.3), (0.6, 0.3), (0.45, 0.7)])
    (hole,) = holes_of(Disk((0.4, 0.4), 1) - polygon)
    assert hole.at == pytest.approx((0.45, 1.3 / 3))
    (merged,) = holes_of(Box(x=(0, 2), y=(0, 1)) - (Disk((0.8, 0.5), 0.2) | Disk((1.1, 0.5), 0.2)))
    assert merged.at == pytest.approx((0.95, 0.5))


def test_a_notch_and_an_outer_boundary_are_no_holes():
    assert holes_of(Box(x=(0, 1), y=(0, 1)) - Disk((0.5, 0.0), 0.2)) == []
    assert holes_of(Polygon([(0, 0), (0, 1), (1, 0)])) == []


class Harmonic(Problem):
    """Laplace's equation with charges at the centres of two holes and beside the centre of the third."""

    domain = THREE

    def residual(self, u):
        return u.xx + u.yy

    def conditions(self):
        return {"given": Dirichlet("exact", on=["x", "y", "a"]), "flux": Neumann("exact", on=["b", "c"])}

    def exact(self, x, y):
        charges = (((x - a) ** 2 + (y - b) ** 2) for a, b in (A, B, (C[0] + sp.Rational(1, 20), C[1])))
        return sp.exp(x) * sp.cos(y) + sum(k * sp.log(each) for k, each in enumerate(charges, 1))


class Screened(Harmonic):
    """Its equation has other terms, and the source makes the same solution exact."""

    source = "exact"

    def residual(self, u, x):
        return u.xx + u.yy - (1 + x) * u

    def conditions(self):
        return {"all": Dirichlet("exact")}


def test_a_hole_adds_a_logarithm_and_multipoles():
    functions = [f for f in singular_functions(Harmonic()) if f.corner.at == pytest.approx((0.4, 0.5))]
    assert sum(f.log and f.power == 0 for f in functions) == 1
    orders = [-f.power for f in functions if not f.log]
    assert sorted(orders) == sorted(2 * list(range(1, 1 + int(max(orders)))))
    assert len(singular_functions(Screened())) > len(singular_functions(Harmonic()))


def test_the_holes_of_a_mapped_plane_are_those_of_a_mapped_shape():
    """A disk of which one coordinate is halved is an ellipse."""
    (mapped,) = holes_of(Disk((0, 0), 1) - Disk((0.1, 0.2), 0.4), np.diag([1.0, 0.5]))
    (plain,) = holes_of(Ellipse((0, 0), (1, 0.5)) - Ellipse((0.1, 0.1), (0.4, 0.2)))
    assert mapped.at == pytest.approx((0.1, 0.2)) and plain.at == pytest.approx((0.1, 0.1))
    assert mapped.radii == pytest.approx(plain.radii, rel=1e-3) and mapped.reach == pytest.approx(plain.reach, rel=1e-3)
    assert mapped.slit[2] == pytest.approx(plain.slit[2], rel=1e-3) == pytest.approx(np.sqrt(0.12), rel=1e-3)


class Grain(Problem):
    """u_xx + u_xy + 2 u_yy = 0 between two ellipses on which u is constant: u is a multiple of log |w|."""

    domain = Disk((0, 0), 1) - Disk((0.1, 0.05), 0.5, name="hole")

    def residual(self, u):
        return u.xx + u.xy + 2 * u.yy

    def conditions(self):
        return {"rim": Dirichlet(0, on="rim"), "hole": Dirichlet(1, on="hole")}


class Slit(Grain):
    """Laplace's equation about a long hole."""

    domain = Disk((0, 0), 1) - Ellipse((0.1, 0), (0.6, 0.15), name="hole")

    def residual(self, u):
        return u.xx + u.yy


def test_functions_of_a_mapped_plane_solve_the_equation():
    points = torch.rand(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.7
    plan = JetPlan(2, [(0, 0), (0, 1), (1, 1)])
    functions = singular_functions(Grain())
    found = jets_of(functions, points, plan)
    xx, xy, yy = (found[:, plan.index[partial]] for partial in ((0, 0), (0, 1), (1, 1)))
    assert len(functions) > 20 and float((xx + xy + 2 * yy).abs().max()) < 1e-11 * float(xx.abs().max())


@pytest.mark.parametrize("problem", [Grain(), Slit()], ids=lambda problem: type(problem).__name__)
def test_holes_of_other_principal_parts_and_long_holes_have_many_digits(problem, tmp_path):
    solution = solve(problem, device="cpu", training={"max_parameters": 700})
    assert solution.verdict == "solved" and solution.error_estimate < 1e-8
    solution.save(tmp_path / "holes.kan")
    assert Solution.load(tmp_path / "holes.kan", problem=problem)(x=0.1, y=0.7) == solution(x=0.1, y=0.7)


@pytest.mark.parametrize("problem", [Harmonic(), Screened()], ids=lambda problem: type(problem).__name__)
def test_several_holes_have_many_digits(problem, tmp_path):
    solution = solve(problem, device="cpu", training={"max_parameters": 700})
    assert solution.verdict == "solved"
    assert solution.errors()["relative_l2"] < 1e-8
    solution.save(tmp_path / "holes.kan")
    again = Solution.load(tmp_path / "holes.kan", problem=problem)
    assert again(x=0.8, y=0.7) == solution(x=0.8, y=0.7)
