"""Bounds on plane shapes: never below the true error, and close to it."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Dirichlet, Disk, Neumann, Polygon, Problem, load_problem, solve
from kanpde.calculus.expressions import numpy_function
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.geometry.curves import Arc
from kanpde.geometry.shape import Shape
from kanpde.marching.audit.bound import error_bound
from kanpde.marching.audit.covering import meeting, stretches
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.network.trial_function import Model
from kanpde.problem.lift import SingularPart


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof is not given up on a busy machine."""
    monkeypatch.setattr("kanpde.marching.audit.bound.SECONDS", 1000.0)


class Made(Problem):
    """−(2 + x) u_xx − u_yy + u_x + u = f, solved by a chosen function; no Laplacian, so no singular functions."""

    domain: Shape = Disk((0.2, 0.1), 0.7)
    source = "exact"

    def residual(self, u, x, y):
        return -(2 + x) * u.xx - u.yy + u.x + u

    def conditions(self):
        return {"edge": Dirichlet("exact")}

    def exact(self, x, y):
        return sp.sin(2 * x + y) * sp.exp(y / 2)


class Sheet(Made):
    domain = Polygon([(0, 0), (1, 0), (1.2, 0.8), (0.3, 1)])


class Pierced(Made):
    domain = Box(x=(-1, 1), y=(-1, 1)) - Disk((0.1, 0), 0.4, name="hole")


def true_error(problem: Problem, model: Model) -> float:
    """The largest error on the shape and on its boundary."""
    shape = problem.domain
    points, _ = shape.interior_points(60)
    edge = [piece.quadrature(2000)[0] for pieces in shape.pieces.values() for piece in pieces]
    points = np.concatenate([points, *edge])
    values = model(torch.as_tensor(points)).detach().numpy()[:, 0]
    return float(np.abs(values - numpy_function(problem.exact_functions()[0], shape.names)(*points.T)).max())


@pytest.mark.parametrize("problem", [Made(), Sheet(), Pierced(), load_problem("poisson_disk")])
def test_the_bound_on_a_shape_holds_for_a_solution_and_for_spoiled_ones(problem: Problem) -> None:
    model, random = solve(problem, device="cpu").model, np.random.default_rng(0)
    bound, steps = error_bound(problem, model)
    assert bound is not None, steps
    assert true_error(problem, model) <= bound <= 1e-8
    for size in (1e-10, 1e-5, 1e-1):
        spoiled = copy.deepcopy(model)
        with torch.no_grad():
            flat = spoiled.network.first.coefficients.view(-1)
            flat[random.choice(flat.nonzero().flatten().numpy())] += size
        bound, steps = error_bound(problem, spoiled)
        assert bound is not None, steps
        assert true_error(problem, spoiled) <= bound


def test_halved_cells_cover_the_same_shape_more_closely() -> None:
    problem = Made()
    coarse = Enclosed(problem, solve(problem, device="cpu").model)
    fine = coarse.finer()
    assert fine is not None and len(fine.cells[0][0]) == 2 * len(coarse.cells[0][0])
    sizes = [each.inside(each.full_jet(each.cells, [()])[()]) for each in (coarse, fine)]
    assert sizes[0].max() >= (1 - 1e-12) * sizes[1].max() > 0
    assert [each.shape for each in sizes] == [tuple(len(low) for low, _ in e.divided(e.parts)) for e in (coarse, fine)]


def test_no_cell_with_a_point_of_the_shape_is_left_out() -> None:
    shape = Pierced.domain - Polygon([(-1, -1), (0, -1), (-1, 0)])
    ends = np.linspace(-1, 1, 24)
    cells = [(ends[:-1], ends[1:])] * 2
    met = meeting(shape, cells)
    points = np.concatenate(
        [shape.sample_interior(20000), *(p.quadrature(500)[0] for ps in shape.pieces.values() for p in ps)]
    )
    i, j = (np.clip(np.searchsorted(ends, x, side="right") - 1, 0, 22) for x in points.T)
    assert met[i, j].all()
    assert not met.all()


def test_a_polynomial_is_enclosed_along_an_arc() -> None:
    ends = np.linspace(-1, 1, 6)
    cells, random = [(ends[:-1], ends[1:])] * 2, np.random.default_rng(0)
    coefficients = random.normal(size=(1, 1, 3, 4))
    arc = Arc((0.1, -0.2), (0.7, 0.6), 0.3, 2.5)
    curve = stretches(arc, cells)
    model = TaylorModel(np.broadcast_to(coefficients, (5, 5, 3, 4)), np.zeros((5, 5)))
    found = curve.of(model, cells)
    s = np.linspace(arc.start, arc.end, 1000)
    points = arc.at(s)
    i, j = (np.clip(np.searchsorted(ends, c) - 1, 0, 4) for c in points.T)
    local = [(2 * c - ends[k] - ends[k + 1]) / (ends[k + 1] - ends[k]) for c, k in zip(points.T, (i, j), strict=True)]
    values = np.polynomial.polynomial.polyval2d(*local, coefficients[0, 0])
    low, high = found.interval
    for cell in {*zip(i.tolist(), j.tolist(), strict=True)}:
        here, own = (i == cell[0]) & (j == cell[1]), (curve.cell[0] == cell[0]) & (curve.cell[1] == cell[1])
        assert low[own].min() <= values[here].min() and values[here].max() <= high[own].max()


class Insulated(Made):
    def conditions(self):
        return {"edge": Neumann(0)}


class InsulatedLaplace(Insulated):
    def residual(self, u, x, y):
        return u.xx + u.yy


def test_there_is_no_bound_on_a_shape_without_a_theorem() -> None:
    model = solve(Made(), device="cpu").model
    bound, steps = error_bound(Insulated(), model)
    assert bound is None and "for −k Δu + c u = f" in steps[0]
    bound, steps = error_bound(InsulatedLaplace(), model)
    assert bound is None and "on no face" in steps[0]


class Louder(Problem):
    """A problem whose boundary values and solution are multiplied."""

    def __init__(self, problem: Problem, factor: float) -> None:
        self.inner, self.factor, self.domain = problem, factor, problem.domain

    def residual(self, u, x, y):
        return u.xx + u.yy

    def conditions(self):
        return {
            name: dataclasses.replace(each, value="exact") if isinstance(each, Dirichlet) else each
            for name, each in self.inner.conditions().items()
        }

    def exact(self, x, y):
        return self.factor * self.inner.exact(x, y)


@pytest.mark.parametrize("name", ["sector", "cylinder_flow"])
def test_the_bound_with_singular_functions_and_insulated_sides_holds_for_spoiled_solutions(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kanpde.marching.audit.bound.FAR", np.inf)  # one companion is enough for a control
    problem, random = load_problem(name), np.random.default_rng(0)
    model = solve(problem, device="cpu").model
    bound, steps = error_bound(problem, model)
    assert bound is not None, steps
    assert true_error(problem, model) <= bound <= 1e-10
    for size in (1e-6,):
        spoiled = [copy.deepcopy(model) for _ in range(3)]
        with torch.no_grad():
            flat = spoiled[0].network.first.coefficients.view(-1)
            flat[random.choice(flat.nonzero().flatten().numpy())] += size
        part = model.ansatz
        assert isinstance(part, SingularPart)
        number = int(random.integers(len(part.functions)))
        amounts = part.amounts.copy()
        amounts[number] += size
        spoiled[1].ansatz = dataclasses.replace(part, amounts=amounts)
        for each, changed in zip((problem, problem, Louder(problem, 1 + size)), spoiled, strict=True):
            bound, steps = error_bound(each, changed)
            assert bound is None or true_error(each, changed) <= bound, steps
