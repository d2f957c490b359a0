"""Barriers on shapes with insulated sides: positive, and as steep as they must be."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from kanpde import Box, Dirichlet, Disk, Neumann, Polygon, Problem, Robin, solve
from kanpde.marching.audit.bound import error_bound
from kanpde.marching.audit.covering import stretches
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.marching.audit.shape_barrier import ShapeBarrier
from kanpde.marching.audit.shape_bound import ShapeProof


class Plate(Problem):
    """−Δu = −4, with u, du/dn or u + du/dn of the solution prescribed on the sides of a quadrangle."""

    domain = Polygon([(0, 0), (1, 0), (1.2, 0.8), (0.3, 1)])

    def residual(self, u, x, y):
        return -u.xx - u.yy + 4

    def conditions(self):
        return {
            "given": Dirichlet("exact", on=["side2"]),
            "sloped": Neumann("exact", on=["side1", "side4"]),
            "mixed": Robin(1.0, 2.0, "exact", on="side3"),
        }

    def exact(self, x, y):
        return x**2 + y**2


class Pierced(Plate):
    domain = Box(x=(-1, 1), y=(-1, 1)) - Disk((0.1, 0), 0.4, name="hole")

    def conditions(self):
        return {"given": Dirichlet("exact", on=["x", "y"]), "sloped": Neumann("exact", on="hole")}


class Wrong(Plate):
    def conditions(self):
        return {**super().conditions(), "mixed": Robin(-1.0, 2.0, "exact", on="side3")}


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof is not given up on a busy machine."""
    monkeypatch.setattr("kanpde.marching.audit.bound.SECONDS", 1000.0)
    monkeypatch.setattr("kanpde.marching.audit.bound.FAR", math.inf)  # one companion is enough here


@pytest.mark.parametrize("problem", [Plate(), Pierced()])
def test_a_barrier_is_at_least_as_large_as_known_solutions(problem: Plate) -> None:
    solution = solve(problem, device="cpu")
    enclosed = Enclosed(problem, solution.model)
    faces = ["side1", "side3", "side4"] if "side1" in problem.domain.pieces else ["hole"]
    curves = [(c, stretches(c, enclosed.cells)) for face in faces for c in problem.domain.pieces[face]]
    barrier = ShapeBarrier(enclosed, curves)
    assert 0 < barrier.of_residual < 3 and 0 < barrier.of_slopes < 5
    if problem.domain.faces.get("hole"):
        # The logarithm about the hole is one, and vanishes on the disk of radius 0.9 in the square.
        assert barrier.of_slopes >= 0.4 * math.log(0.9 / 0.4)
    bound, steps = error_bound(problem, solution.model)
    assert bound is not None, steps
    assert solution.errors()["max_error"] <= bound <= 1e-6
    if "side3" in faces:
        bound, steps = error_bound(Wrong(), solution.model)
        assert bound is None and "two signs" in steps[0]


class Strip(Plate):
    """−Δu = −4 on a square that is insulated but for one side."""

    domain = Polygon([(0, 0), (1, 0), (1, 1), (0, 1)])

    def conditions(self):
        return {"given": Dirichlet("exact", on="side2"), "sloped": Neumann("exact", on=["side1", "side3", "side4"])}


def test_a_residual_in_a_strip_costs_little_but_no_less_than_the_error_it_causes() -> None:
    problem, width = Strip(), 0.05
    enclosed = Enclosed(problem, solve(problem, device="cpu").model)
    curves = [(c, stretches(c, enclosed.cells)) for s in ("side1", "side3", "side4") for c in problem.domain.pieces[s]]
    barrier = ShapeBarrier(enclosed, curves)
    # −e'' = 1 for x below the width, e'(0) = 0 and e(1) = 0: the largest error is e(0).
    caused = width**2 / 2 + width * (1 - width)
    source = np.zeros((20, 20))
    source[0] = 1.0
    cells = SimpleNamespace(widths=[np.full(20, width), np.full(20, 0.05)])
    found = min(ShapeProof._by_source(cells, source, barrier.of_residual, barrier.of_slopes))  # type: ignore[arg-type]
    assert caused <= found <= barrier.of_residual / 2
    even = min(ShapeProof._by_source(cells, np.ones((20, 20)), 0.5, 2.0))  # type: ignore[arg-type]
    assert even == pytest.approx(0.5, rel=1e-9)
