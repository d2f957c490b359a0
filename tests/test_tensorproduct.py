"""Tensor products: their algebra against dense references, their knots, and the networks they are compressed to."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import sympy as sp
import torch
from numpy.polynomial import legendre as numpy_legendre

from kanpde import Box, Data, Dirichlet, Initial, Neumann, Periodic, Problem
from kanpde.calculus.jets import JetPlan
from kanpde.calculus.legendre import legendre
from kanpde.marching import knot_placement
from kanpde.marching.axes import (
    LegendreAxis,
    SplineAxis,
    design,
    gauss_points,
    gauss_weights,
    points_of,
    transfer_matrix,
)
from kanpde.marching.low_rank import compress
from kanpde.marching.slabs import Pass, Slab
from kanpde.marching.system import System
from kanpde.marching.tensor_product import OnGrid, TensorProduct, lines_of
from kanpde.optim.band import Factor, Storage
from kanpde.optim.cgls import conjugate_gradients
from kanpde.optim.lagged_gauss_newton import LaggedGaussNewton
from kanpde.problem.lift import Ansatz

F64 = torch.float64


def uniform(low, high, intervals, degree=7, periodic=False):
    return SplineAxis(np.linspace(low, high, intervals + 1), degree, periodic)


# Bases ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degree", [0, 1, 2, 11])
def test_legendre_polynomials_and_their_derivatives(degree):
    x = torch.linspace(-0.5, 2.0, 9, dtype=F64)
    s = (2 * x.numpy() - 1.5) / 2.5
    found = legendre(x, -0.5, 2.0, degree, 4).numpy()
    for j, m in itertools.product(range(degree + 1), range(4)):
        series = numpy_legendre.legder(np.eye(degree + 1)[j], m) if m else np.eye(degree + 1)[j]
        expected = np.sqrt(2 * j + 1) * (2 / 2.5) ** m * numpy_legendre.legval(s, series)
        assert np.abs(found[:, m, j] - expected).max() <= 1e-12 * max(1.0, np.abs(expected).max())


def test_legendre_polynomials_are_orthonormal():
    axis = LegendreAxis(np.array([1.0, 4.0]), 8)
    matrix = np.sqrt(gauss_weights(axis))[:, None] * design(axis, points_of(axis))
    assert np.abs(matrix.T @ matrix - np.eye(9)).max() < 1e-13


@pytest.mark.parametrize(
    "axis", [uniform(0, 2, 5), uniform(0, 2, 9, periodic=True), LegendreAxis(np.array([0.0, 2]), 6)]
)
def test_gauss_points_integrate_and_outnumber_the_functions(axis):
    x, w = points_of(axis), gauss_weights(axis)
    assert len(x) > axis.size and abs(w.sum() - 1) < 1e-14
    assert abs(w @ x**4 - 2**4 / 5) < 1e-12 and 0 < gauss_points(axis).min() < gauss_points(axis).max() < 1


def test_a_finer_axis_holds_the_functions_of_a_coarser_one():
    old, new = uniform(-1, 1, 4), uniform(-1, 1, 8)
    coefficients = np.random.default_rng(0).normal(size=(old.size, 2))
    x = np.linspace(-1, 1, 33)
    assert np.allclose(
        design(new, x) @ (transfer_matrix(old, new) @ coefficients), design(old, x) @ coefficients, atol=1e-11
    )


def test_a_tensor_product_differentiates_polynomials_exactly():
    space = TensorProduct([uniform(-1, 1, 3), LegendreAxis(np.array([0.0, 2.0]), 5), uniform(0, 1, 2, 5)])
    points = torch.as_tensor(np.random.default_rng(1).random((40, 3)) * [2, 2, 1] - [1, 0, 0])
    plan = JetPlan(3, [(0, 0, 1), (1, 2), (2, 2)])
    grid = np.meshgrid(*(points_of(axis) for axis in space.axes), indexing="ij")
    values = (grid[0] ** 3 * grid[1] ** 2 + grid[2] ** 4 * grid[1])[..., None]
    for a, axis in enumerate(space.axes):
        inverse = np.linalg.pinv(design(axis, points_of(axis)))
        values = np.moveaxis(np.tensordot(inverse, values, (1, a)), 0, a)
    jets = space.local(points, plan).jets(torch.as_tensor(values).flatten(0, -2))[..., 0]
    x, y, z = points.T
    expected = {(0, 0, 1): 12 * x * y, (1, 2): 4 * z**3, (2, 2): 12 * z**2 * y, (): x**3 * y**2 + z**4 * y}
    for partial, value in expected.items():
        assert torch.allclose(jets[:, plan.index[partial]], value, atol=1e-9)


@pytest.mark.parametrize("periodic", [False, True])
def test_on_a_grid_jets_and_their_transpose_are_those_of_its_points(periodic):
    space = TensorProduct([uniform(-1, 1, 4, 5, periodic), LegendreAxis(np.array([0.0, 2.0]), 4), uniform(0, 1, 1, 3)])
    lines = [torch.linspace(-1, 0.9, 7, dtype=F64), torch.tensor([0.3, 1.9], dtype=F64), torch.tensor([0.0], dtype=F64)]
    points = torch.stack(torch.meshgrid(*lines, indexing="ij"), dim=-1).reshape(-1, 3)
    assert all(torch.equal(*pair) for pair in zip(lines, lines_of(points, (7, 2, 1)), strict=True))
    assert lines_of(points.flip(0).roll(1, 0), (7, 2, 1)) is None
    plan = JetPlan(3, [(0, 0, 1), (1, 2)])
    grid, local = space.on_grid(lines, plan), space.local(points, plan)
    generator = torch.Generator().manual_seed(0)
    coefficients = torch.randn(space.size, 2, dtype=F64, generator=generator)
    adjoint = torch.randn(14, len(plan), 2, dtype=F64, generator=generator)
    assert isinstance(grid, OnGrid) and torch.allclose(grid.jets(coefficients), local.jets(coefficients), atol=1e-10)
    assert torch.allclose(grid.adjoint(adjoint), local.adjoint(adjoint), atol=1e-10)
    assert abs(float((grid.jets(coefficients) * adjoint).sum() - (coefficients * grid.adjoint(adjoint)).sum())) < 1e-9


# Local least squares -------------------------------------------------------------------------------------------------


def local_problem(size, periodic=False):
    """Random rows on four neighbouring unknowns each, and the same as a matrix."""
    random = np.random.default_rng(3)
    start = np.repeat(np.arange(size if periodic else size - 3), 5)
    columns = torch.as_tensor((start[:, None] + np.arange(4)) % size)
    rows = torch.as_tensor(random.normal(size=(2, len(columns), 4)))
    dense = torch.zeros(2 * len(columns), size, dtype=F64)
    dense.scatter_(1, columns.repeat(2, 1), rows.flatten(0, 1))
    return columns, rows, dense, torch.as_tensor(random.normal(size=2 * len(columns)))


class Rows:
    """r and J as the rows of a matrix, which touch few unknowns each."""

    def __init__(self, storage, columns, rows, residual):
        self.storage, self.residual = storage, residual
        self.dense = torch.zeros(rows.shape[0] * len(columns), storage.size, dtype=F64)
        self.dense.scatter_(1, columns.repeat(len(rows), 1), rows.flatten(0, 1))
        total = storage.empty(residual)
        storage.add_rows(total, columns, rows)
        self.gram = storage.matrix(total)

    def product(self, step):
        return self.dense @ step

    def transposed(self, weights):
        return self.dense.T @ weights


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("size", [6, 60])
def test_a_damped_problem_of_local_rows_is_solved(size, periodic):
    columns, rows, dense, residual = local_problem(size, periodic)
    straight = torch.arange(size)
    inwards = torch.minimum(2 * straight, 2 * (size - 1 - straight) + 1)
    storage = Storage.of(inwards if periodic else straight, 6 if periodic else 3, 2)
    linear = Rows(storage, columns, rows, residual)
    squares = dense.square().sum(0)
    assert (storage.bandwidth is not None) == (size == 60)  # a band pays where there are many unknowns
    for damping in (1e-12, 1.0):
        stacked = torch.cat([dense, damping**0.5 * torch.diag(squares.sqrt())])
        expected = torch.linalg.lstsq(stacked, -torch.cat([residual, torch.zeros(size, dtype=F64)])[:, None]).solution
        found = conjugate_gradients(linear, Factor(linear, damping))
        assert torch.allclose(found.step, expected[:, 0], atol=1e-10)
        assert torch.allclose(found.image, dense @ found.step, atol=1e-10)


def test_conjugate_gradients_give_back_the_digits_of_an_ill_conditioned_problem():
    columns, rows, dense, _ = local_problem(40)
    scale = torch.logspace(0, -6, 40, dtype=F64)
    truth = torch.as_tensor(np.random.default_rng(5).normal(size=40))
    linear = Rows(Storage.of(torch.arange(40), 3, 1), columns, rows * scale[columns], -(dense * scale) @ truth)
    assert (conjugate_gradients(linear, Factor(linear, 1e-15)).step - truth).abs().max() < 1e-11


def test_the_factor_of_a_jacobian_nearby_will_do():
    columns, rows, dense, residual = local_problem(40)
    storage = Storage.of(torch.arange(40), 3, 1)
    there = Rows(storage, columns, rows * (1 + 0.1 * torch.sin(columns.double())), residual)
    found = conjugate_gradients(Rows(storage, columns, rows, residual), Factor(there, 1e-15))
    expected = torch.linalg.lstsq(dense, -residual[:, None]).solution[:, 0]
    assert 3 < found.iterations < 30 and found.left < 1e-9 and torch.allclose(found.step, expected, atol=1e-9)


def test_newton_needs_one_step_for_a_linear_problem_and_damping_for_one_that_is_not():
    class Cubic:
        """r = θ³ − 8 for every unknown, from where a full step goes much too far."""

        storage, factors = Storage.of(torch.arange(3), 0, 0), set()

        def residual(self, vector):
            return vector**3 - 8

        def linearise(self, vector):
            return Rows(self.storage, torch.arange(3)[:, None], (3 * vector**2)[None, :, None], vector**3 - 8)

    method, vector, problem = LaggedGaussNewton(), torch.full((3,), 0.05, dtype=F64), Cubic()
    for _ in range(40):
        step = method.step(problem, vector)
        problem.factors.add(method.factor)
        assert step.loss <= step.before
        vector = step.vector
    assert (vector - 2).abs().max() < 1e-12
    assert len(problem.factors) < 40  # a factor is used again


# Systems -------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Decay(Problem):
    """A system of two fields with an unknown constant, nonlinear, and every kind of row."""

    domain = Box(x=(0, 1), t=(0, 1))
    fields = ("u", "v")
    unknowns = {"rate": 0.7}

    def residual(self, u, v, x, t, rate):
        return {"first": u.t - u.xx + rate * v * u, "second": v.t + u.x * v}

    def conditions(self):
        points = np.array([[0.2, 0.1], [0.3, 0.9], [0.8, 0.5]])
        return {
            "start": Initial(sp.Symbol("x"), field="u"),
            "left": Neumann(1, on="x-", field="v"),
            "circle": Periodic("x", field="u"),
            "seen": Data(points, np.array([0.1, 0.2, 0.3]), field="v"),
        }


@dataclasses.dataclass(frozen=True)
class Box3(Problem):
    """Three coordinates, mixed partials, and conditions by construction."""

    domain = Box(x=(0, 1), y=(-1, 1), t=(0, 1))

    def residual(self, u, x):
        return u.t - u.xx - x * u.xy + u**2

    def conditions(self):
        return {"start": Initial(0), "left": Dirichlet(1, on="x-", hard=True), "circle": Periodic("y")}


SYSTEMS = {
    "constants": (Decay(), [uniform(0, 1, 3, 4), uniform(0, 1, 2, 3)]),
    "slab": (Decay(), [uniform(0, 1, 9, 3), LegendreAxis(np.array([0.0, 1.0]), 3)]),
    "hard": (Box3(), [uniform(0, 1, 3, 3), uniform(-1, 1, 5, 3), LegendreAxis(np.array([0.0, 1.0]), 2)]),
    "circle": (Box3(), [uniform(0, 1, 1, 3), uniform(-1, 1, 9, 3, True), LegendreAxis(np.array([0.0, 1.0]), 1)]),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_local_jacobian_is_the_derivative_of_the_rows(name):
    problem, axes = SYSTEMS[name]
    system = System(
        TensorProduct(axes),
        problem.domain,
        problem.blocks(),
        problem.fields,
        ansatz=Ansatz.of(problem),
        unknowns=tuple(problem.unknowns),
    )
    vector = torch.as_tensor(np.random.default_rng(0).normal(size=system.size))
    system.rescale(vector)
    linear = system.linearise(vector)
    assert torch.allclose(linear.residual, system.residual(vector), atol=1e-14)
    step = torch.as_tensor(np.random.default_rng(1).normal(size=system.size))
    h = 1e-6
    numeric = (system.residual(vector + h * step) - system.residual(vector - h * step)) / (2 * h)
    assert torch.allclose(linear.product(step), numeric, rtol=1e-6, atol=1e-6)
    weights = torch.as_tensor(np.random.default_rng(2).normal(size=len(numeric)))
    assert abs(float(weights @ linear.product(step) - step @ linear.transposed(weights))) < 1e-9
    dense = torch.stack([linear.product(unit) for unit in torch.eye(system.size, dtype=F64)], dim=1)
    storage = linear.storage
    order = torch.argsort(storage.numbering)
    expected = (dense.T @ dense)[order][:, order].tril()
    if storage.bandwidth is None:
        found = linear.gram.tril()
    else:
        found = torch.zeros_like(expected)
        for below, diagonal in enumerate(linear.gram):
            found += torch.diag(diagonal[: system.size - below], -below)
    assert torch.allclose(found, expected, atol=1e-11 * float(expected.abs().max()))


# Knots ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize(("intervals", "degree"), [(12, 5), (24, 7)])
def test_estimated_errors_are_near_those_of_the_best_spline(intervals, degree, periodic):
    axis = uniform(0, 2, intervals, degree, periodic)
    x = points_of(axis)
    coefficients = np.linalg.lstsq(design(axis, x), np.sin(2 * np.pi * x)[:, None], rcond=None)[0]
    fine = np.linspace(0, 2, 2001)
    true = np.sqrt(np.mean((design(axis, fine) @ coefficients[:, 0] - np.sin(2 * np.pi * fine)) ** 2))
    estimate = knot_placement.errors(axis, knot_placement.derivative_sizes(axis, coefficients)).max()
    assert true / 4 < estimate < 8 * true


def test_knots_go_where_the_front_is():
    def front(x):
        return np.tanh(12 * (x - 0.3))

    def missed(axis):
        x, fine = points_of(axis), np.linspace(-1, 1, 4001)
        coefficients = np.linalg.lstsq(design(axis, x), front(x), rcond=None)[0]
        return coefficients, np.abs(design(axis, fine) @ coefficients - front(fine)).max()

    axis = uniform(-1, 1, 24)
    for _ in range(6):
        coefficients, _ = missed(axis)
        axis = knot_placement.place_knots(
            axis, knot_placement.derivative_sizes(axis, coefficients[:, None]), 1e-8, (24, 24)
        )
    assert axis.intervals == 24 and missed(axis)[1] < missed(uniform(-1, 1, 24))[1] / 10
    assert np.abs(np.median(axis.breakpoints) - 0.3) < 0.1


def test_neighbouring_densities_change_by_a_bounded_factor():
    found = knot_placement.grade(np.array([1e-6, 1.0, 1e-6, 1e-6, 1e-6]))
    assert (found[1:] / found[:-1]).max() <= knot_placement.MAX_DENSITY_RATIO * (1 + 1e-12) and (
        found[:-1] / found[1:]
    ).max() <= knot_placement.MAX_DENSITY_RATIO * (1 + 1e-12)


# Compression ---------------------------------------------------------------------------------------------------------


class Sheet(Problem):
    domain = Box(x=(0, 1), t=(0, 2))

    def residual(self, u):
        return u.t - u.xx


class Room(Problem):
    domain = Box(x=(0, 1), y=(-1, 1), t=(0, 1))
    fields = ("u", "v")

    def residual(self, u, v):
        return u.t - u.xx, v.t - v.yy


def interpolated(problem, function, intervals=10, degree=9):
    """A pass of one slab that is the function, a tuple of arrays for the fields."""
    bounds = problem.domain.bounds().values()
    space = TensorProduct([uniform(low, high, intervals, degree) for low, high in bounds])
    grid = np.meshgrid(*(points_of(axis) for axis in space.axes), indexing="ij")
    values = np.stack(function(*grid), axis=-1)
    for a, axis in enumerate(space.axes):
        inverse = np.linalg.pinv(design(axis, points_of(axis)))
        values = np.moveaxis(np.tensordot(inverse, values, (1, a)), 0, a)
    return Pass((Slab(0.0, 1.0, space.axes, values, np.zeros(0), 1e-10, 0.0),))


SHEETS = {
    1: lambda x, t: (np.exp(-t) * np.sin(3 * x),),
    2: lambda x, t: (np.sin(x + t),),
    3: lambda x, t: (1 / (3 + x) + np.cos(x + t),),
}


@pytest.mark.parametrize("rank", SHEETS)
def test_a_plane_field_has_as_many_product_nodes_as_it_has_rank(rank):
    network = compress(Sheet(), interpolated(Sheet(), SHEETS[rank]), 9)
    assert network.width == ((0, rank),)
    points = np.random.default_rng(0).random((200, 2)) * [1, 2]
    found = network(torch.as_tensor(points)).detach().numpy()[:, 0]
    assert np.abs(found - SHEETS[rank](*points.T)[0]).max() < 1e-9


def test_a_field_of_three_coordinates_is_in_tuckers_form():
    def fields(x, y, t):
        return np.sin(x) * np.cos(y) * np.exp(-t) + x * y, np.cos(x + y) * np.exp(-t)

    network = compress(Room(), interpolated(Room(), fields, 6), 9)
    points = np.random.default_rng(0).random((200, 3)) * [1, 2, 1] - [0, 1, 0]
    found = network(torch.as_tensor(points)).detach().numpy()
    assert len(network.width) == 2 and np.abs(found - np.stack(fields(*points.T), axis=1)).max() < 1e-9


def test_a_compressed_network_has_exact_derivatives():
    network = compress(Sheet(), interpolated(Sheet(), SHEETS[2]), 9)
    points = torch.as_tensor(np.random.default_rng(0).random((50, 2)))
    plan = JetPlan(2, [(0, 0), (0, 1)])
    jets = network.jets(network.prepare(points, plan), plan)[..., 0]
    assert torch.allclose(jets[:, plan.index[0, 1]], -torch.sin(points.sum(1)), atol=1e-7)
