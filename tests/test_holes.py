"""Tests of domains with several holes: where they are, the functions that they add, and the digits that these give."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from kanpde import Box, Dirichlet, Disk, Ellipse, Neumann, Polygon, Problem, Solution, solve
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
    assert found[1.0, 1.0].radii == pytest.approx((0.2, 0.25))
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


@pytest.mark.parametrize("problem", [Harmonic(), Screened()], ids=lambda problem: type(problem).__name__)
def test_several_holes_have_many_digits(problem, tmp_path):
    solution = solve(problem, device="cpu", training={"max_parameters": 700})
    assert solution.verdict == "solved"
    assert solution.errors()["relative_l2"] < 1e-8
    solution.save(tmp_path / "holes.kan")
    again = Solution.load(tmp_path / "holes.kan", problem=problem)
    assert again(x=0.8, y=0.7) == solution(x=0.8, y=0.7)
