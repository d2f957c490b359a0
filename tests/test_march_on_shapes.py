"""Tests of the march on domains that are not boxes."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch
from march_problems import march_of

from kanpde import KAN, Box, Dirichlet, Disk, Implicit, Initial, Integral, Neumann, Polygon, Problem, Solution, solve
from kanpde.marching import march
from kanpde.marching.axes import SplineAxis
from kanpde.marching.piece import CutGrid
from kanpde.marching.quadrature import quadrature
from kanpde.marching.slab_system import rows_of_part, sizes_inside
from kanpde.optim.band import Storage
from kanpde.optim.cgls import conjugate_gradients
from kanpde.optim.orthogonal import OrthogonalFactor

X, Y = sp.symbols("x y")
PLANE_WAVE = sp.exp((3 * X + 4 * Y) / 5)
SMALL = {"max_parameters": 700}


def star(x, y):
    return torch.sqrt(x**2 + y**2) - 1 - 0.3 * torch.cos(5 * torch.atan2(y, x))


class Screened(Problem):
    """Δu = u."""

    def __init__(self, domain, conditions=None):
        self.domain, self.given = domain, conditions or {"all": Dirichlet("exact")}

    def residual(self, u):
        return u.xx + u.yy - u

    def conditions(self):
        return self.given

    def exact(self, x, y):
        return sp.exp((3 * x + 4 * y) / 5)


HOLE = Box(x=(0, 2), y=(0, 1)) - Disk((0.5, 0.5), 0.2, name="hole")
CASES = {
    "disk": (Disk((0, 0), 1), None, 1e-11),
    "pentagon": (Polygon([(0, 0), (2, 0), (2.5, 1), (1, 2), (-0.5, 1)]), None, 1e-11),
    "hole": (HOLE, {"box": Dirichlet("exact", on=["x", "y"]), "hole": Neumann("exact", on="hole")}, 1e-11),
    "star": (Implicit(star, Box(x=(-1.5, 1.5), y=(-1.5, 1.5))), None, 1e-9),
    "far from the origin": (Disk((5, -3), 1e-3), None, 1e-11),
}


@pytest.mark.parametrize("name", CASES)
def test_smooth_problems_have_many_digits(name):
    domain, conditions, bound = CASES[name]
    solution = solve(Screened(domain, conditions), device="cpu", training=SMALL)
    assert solution.errors()["relative_l2"] < bound
    assert solution.verdict == "solved" and solution.error_estimate < 100 * bound


class Rod(Problem):
    """u_t = 0.1 Δu on a disk."""

    domain = Disk((0, 0), 1) * Box(t=(0, 0.02))

    def residual(self, u):
        return u.t - 0.1 * (u.xx + u.yy)

    def conditions(self):
        return {"start": Initial("exact"), "rim": Dirichlet("exact", on="rim")}

    def exact(self, x, y, t):
        return sp.exp(-0.5 * t) * sp.sin(x + 2 * y)


def test_an_evolution_on_a_disk_is_solved_slab_by_slab(tmp_path):
    solution = solve(Rod(), network=KAN(degree=6), device="cpu", training={"target": 1e-3})
    assert solution.errors()["relative_l2"] < 1e-3
    solution.save(tmp_path / "rod.kan")
    again = Solution.load(tmp_path / "rod.kan", problem=Rod())
    assert again(x=0.3, y=0.2, t=0.01) == solution(x=0.3, y=0.2, t=0.01)


class Cooling(Rod):
    """A triangle that cools to a thousandth."""

    domain = Polygon([(0, 0), (1, 0), (1, 1)]) * Box(t=(0, 0.14))

    def residual(self, u):
        return u.t - u.xx - u.yy

    def conditions(self):
        return {"start": Initial("exact"), "rim": Dirichlet(0)}

    def exact(self, x, y, t):
        one, two = (sp.sin(k * sp.pi * x) * sp.sin((3 - k) * sp.pi * y) for k in (2, 1))
        return sp.exp(-5 * sp.pi**2 * t) * (one - two)


@pytest.fixture(scope="module")
def cooled():
    """The march after its first passes; splines of the degree 8 on one interval resolve 1e-4."""
    here = march_of(Cooling(), degree=8, intervals=1, most=810)
    while here.state.done is None:
        here.step()
    return here


def test_all_slabs_of_a_decaying_solution_are_solved_equally_well(cooled):
    """What the points of one slab leave open is not carried on to the next, where the solution is smaller."""
    slabs = cooled.state.best.slabs
    assert len(slabs) > 3 and max(each.residual for each in slabs[1:]) < 2 * slabs[1].residual
    spans = [each.high - each.low for each in slabs]
    assert max(spans) < 1.001 * min(spans)  # and so have one factor


def test_the_last_coefficients_in_time_are_those_inside(cooled):
    """A spline that vanishes inside the triangle changes nothing that is measured there."""
    task, slab = cooled.task, cooled.state.best.slabs[0]
    system = rows_of_part(task, slab.space, slab.low, slab.high, None)
    corner = np.zeros_like(slab.coefficients)
    corner[0, -1] = 1e6  # at (0, 1), the box's corner outside
    before, after = (
        sizes_inside(system, each, slab.amounts) for each in (slab.coefficients, slab.coefficients + corner)
    )
    near = np.abs(sizes_inside(system, corner, slab.amounts)).max()
    assert np.abs(after - before).max() <= near < 1e-3 * np.abs(corner).max()
    exact = sizes_inside(system, np.ones_like(slab.coefficients), slab.amounts)
    assert exact == pytest.approx(np.ones(len(exact)), abs=1e-9)  # the splines sum to 1


def test_initial_values_on_a_shape_have_as_many_points_as_the_equation_at_one_time(cooled):
    task, slab = cooled.task, cooled.state.best.slabs[0]
    system = rows_of_part(task, slab.space, slab.low, slab.high, None)
    points = {piece.placed.block.name: len(piece.weights) for piece in system.pieces}
    assert points["start"] * slab.axes[-1].nodes == points["residual"]


class Open(Problem):
    """Δu = x with only the normal derivative given."""

    domain = Disk((0, 0), 1)

    def residual(self, u, x):
        return u.xx + u.yy - x

    def conditions(self):
        return {"rim": Neumann(0)}


def test_a_constant_left_open_on_a_disk_is_named():
    solution = solve(Open(), device="cpu", training={"max_parameters": 300})
    assert solution.verdict != "solved"
    assert any("u + c solves the problem too" in reason for reason in solution.reasons)


def test_points_of_a_shape_integrate_over_it_and_its_faces():
    axes = [SplineAxis(np.linspace(low, high, 13), 7) for low, high in zip(HOLE.low, HOLE.high, strict=True)]
    problem = Screened(HOLE, CASES["hole"][1])
    interior, box, hole = (quadrature(block, HOLE, axes) for block in problem.blocks())
    assert HOLE.contains(interior.points).all() and isinstance(interior.shapes, CutGrid)
    grid = torch.cartesian_prod(*interior.shapes.lines)
    assert torch.equal(grid[interior.shapes.inside], torch.as_tensor(interior.points))
    assert HOLE.contains(grid.numpy()).sum() == len(interior.points)
    centre = interior.weights @ interior.points
    removed = np.pi * 0.2**2
    assert centre == pytest.approx(np.array([(2 - 0.5 * removed) / (2 - removed), 0.5]), abs=5e-3)
    assert np.linalg.norm(hole.points - 0.5, axis=1) == pytest.approx(0.2)
    assert hole.weights @ hole.points == pytest.approx([0.5, 0.5])
    assert box.weights @ box.points == pytest.approx([1.0, 0.5])


class Dense:
    """r and J as a matrix."""

    def __init__(self, matrix, residual):
        self.storage, self.matrix = Storage(torch.arange(matrix.shape[1]), orthogonal=True), matrix
        self.residual, self.parts = residual, [(matrix, torch.arange(matrix.shape[1]))]

    def product(self, step):
        return self.matrix @ step

    def transposed(self, weights):
        return self.matrix.T @ weights


def test_the_orthogonal_factor_solves_with_nearly_dependent_columns():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(60, 20, generator=generator, dtype=torch.float64)
    nearly = torch.cat([rows, rows[:, :5] + 1e-9 * torch.randn(60, 5, generator=generator, dtype=torch.float64)], 1)
    wanted = rows.sum(1)
    linear = Dense(nearly, -wanted)
    found = conjugate_gradients(linear, OrthogonalFactor(linear, 1e-15))
    assert (found.image - wanted).norm() < 1e-10 * wanted.norm()


class Triangle(Problem):
    """Δu + λu = 0 on an equilateral triangle of side 1: λ = 16π²/3 (Lamé)."""

    domain = Polygon([(0, 0), (1, 0), (0.5, 3**0.5 / 2)])
    unknowns = {"square": 50.0}

    def residual(self, u, square):
        return u.xx + u.yy + square * u

    def conditions(self):
        return {"rim": Dirichlet(0), "size": Integral(1, integrand=lambda u: u**2)}


def test_an_eigenvalue_with_singular_functions_has_many_digits():
    solution = solve(Triangle(), device="cpu", training={"max_parameters": 330})
    assert abs(solution.unknowns["square"] / (16 * np.pi**2 / 3) - 1) < 1e-6
    assert solution.verdict == "solved"


class Rotating(Problem):
    """u + (−y, x)·∇u = Δu / 100 on a disk, with the source of a bell."""

    domain = Disk((0, 0), 1)
    source = "exact"

    def residual(self, u, x, y):
        return u - y * u.x + x * u.y - (u.xx + u.yy) / 100

    def conditions(self):
        return {"rim": Dirichlet("exact")}

    def exact(self, x, y):
        return sp.exp(-8 * ((x - sp.Rational(2, 5)) ** 2 + y**2))


def test_splines_that_are_wild_outside_do_not_lower_the_residual(monkeypatch):
    scales = []
    original = march.measure_slab

    def measured(task, attempt, system, vector):
        scales.append(float(system.pieces[0].scale))
        return original(task, attempt, system, vector)

    monkeypatch.setattr(march, "measure_slab", measured)
    solve(Rotating(), device="cpu", training={"max_parameters": 450})
    assert len(scales) > 1 and max(scales) < 1.1 * min(scales)
