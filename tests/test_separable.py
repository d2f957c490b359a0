"""Large tensor products on boxes: conditions built into the axes, and an iteration that knots do not slow down."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import sympy as sp
import torch
from march_problems import Warmth
from scipy.sparse import csr_matrix

from kanpde import KAN, Box, Condition, Dirichlet, Integral, Neumann, Periodic, Problem, Robin, solve
from kanpde.marching import iteration
from kanpde.marching.axes import LegendreAxis, SplineAxis
from kanpde.marching.separable.along_axis import AlongAxis
from kanpde.marching.separable.iterated import Rows, Scales, Spline, correction, measure, preconditioner
from kanpde.marching.separable.modes import Modes
from kanpde.marching.separable.restricted_axis import RestrictedAxis
from kanpde.marching.separable.solver import Combination, Operator, Space, by_orders
from kanpde.marching.separable.structure import structure_of
from kanpde.marching.separable.trial import converges
from kanpde.marching.task import MarchTask
from kanpde.optim.cgls import conjugate_gradients

HERE = torch.device("cpu")
SQUARE = Box(x=(0, 1), y=(0, 2))
WAVE = {"x": 3, "y": 2}


class Mixed(Problem):
    """Three kinds of conditions with data, and the solution sin(3x + 2y)."""

    domain = SQUARE

    def residual(self, u, x, y):
        return u.xx + u.yy - 3 * u + 16 * torch.sin(3 * x + 2 * y)

    def conditions(self):
        left, right = Dirichlet("exact", on="x-"), Neumann("exact", on="x+")
        return {"left": left, "right": right, "others": Robin(1.0, 0.5, "exact", on="y")}

    def exact(self, x, y):
        return sp.sin(3 * x + 2 * y)


class Variable(Mixed):
    """Coefficients that vary, and a term of another power."""

    def residual(self, u, x, y):
        wave = torch.sin(3 * x + 2 * y)
        k = 1 + 0.3 * torch.sin(x) * y
        return k * (u.xx + u.yy) - u**3 + 13 * k * wave + wave**3


class Ring(Mixed):
    """A periodic axis of splines that are not periodic."""

    def residual(self, u, x, y):
        return u.xx + u.yy - u + (4 * math.pi**2 + 10) * torch.sin(2 * math.pi * x) * torch.cos(3 * y)

    def conditions(self):
        return {"ring": Periodic("x"), "ends": Dirichlet("exact", on="y")}

    def exact(self, x, y):
        return sp.sin(2 * sp.pi * x) * sp.cos(3 * y)


def axes_of(problem, count, degree, grading=0.0):
    """Axes with `count` intervals, graded by the mapping s + grading s (1 - s)."""
    s = np.linspace(0, 1, count + 1)
    s = s + grading * s * (1 - s)
    low, high = problem.domain.low, problem.domain.high
    return [SplineAxis(a + (b - a) * s, degree) for a, b in zip(low, high, strict=True)]


def rows_and_space(problem, axes):
    structure = structure_of(problem.domain, problem.blocks(), 1)
    return Rows(structure, problem.domain, HERE), Space.of(structure, axes, HERE)


def noise(space):
    """A random residual."""
    return torch.from_numpy(np.random.default_rng(0).normal(size=space.roots.shape)) * space.roots


def error_of(problem, axes, coefficients):
    """The largest error on a grid, relative to the largest value."""
    lines = [np.linspace(low, high, 41) for low, high in zip(problem.domain.low, problem.domain.high, strict=True)]
    values = coefficients.numpy()
    for a, (axis, line) in enumerate(zip(axes, lines, strict=True)):
        values = np.moveaxis(np.tensordot(axis.design(line), values, (1, a)), 0, a)
    points = np.stack([each.ravel() for each in np.meshgrid(*lines, indexing="ij")], axis=1)
    exact = problem.reference_values(points)[:, 0]
    return np.abs(values.ravel() - exact).max() / np.abs(exact).max()


# Structure -----------------------------------------------------------------------------------------------------------


def test_conditions_of_one_axis_are_found_with_their_coefficients():
    structure = structure_of(SQUARE, Mixed().blocks(), 1)
    assert [(end.axis, end.side, end.parts) for end in structure.ends] == [
        (0, 0, ((0, 0, 1.0),)),
        (0, 1, ((1, 1, 1.0),)),
        (1, 0, ((0, 0, 1.0), (0, 1, -0.5))),
        (1, 1, ((1, 0, 1.0), (1, 1, 0.5))),
    ]
    assert structure.slopes == {(): -3.0, (0, 0): 1.0, (1, 1): 1.0}
    assert structure.constant and not structure_of(SQUARE, Variable().blocks(), 1).constant


@dataclass(frozen=True)
class Other(Mixed):
    extra: dict = field(default_factory=dict)

    def conditions(self):
        return {**super().conditions(), **self.extra}


@pytest.mark.parametrize(
    "condition",
    [
        Dirichlet(0, on={"x": 0.5}),
        Condition(lambda u, x, y: u.y, on="x-"),
        Condition(lambda u, x, y: (1 + y) * u + u.x, on="x-"),
        Condition(lambda u, x, y: u**2, on="x-"),
        Integral(1.0),
    ],
    ids=["inside", "tangential", "varying", "square", "integral"],
)
def test_other_conditions_have_no_structure(condition):
    assert structure_of(SQUARE, Other({"extra": condition}).blocks(), 1) is None


def test_conditions_that_repeat_each_other_have_no_space():
    problem = Other({"again": Dirichlet(0, on="x-")})
    assert Space.of(structure_of(SQUARE, problem.blocks(), 1), axes_of(problem, 8, 5), HERE) is None


def singular():
    class Free(Mixed):
        def residual(self, u, x, y):
            return u.xx + u.yy

        def conditions(self):
            return {"sides": Neumann(0)}

    return Free()


def skew():
    class Transport(Mixed):
        def residual(self, u, x, y):
            return u.x + 2 * u.y - 1e-4 * (u.xx + u.yy)

    return Transport()


@pytest.mark.parametrize(
    ("problem", "expected"), [(Mixed(), True), (Variable(), True), (singular(), False), (skew(), False)]
)
def test_the_iteration_is_tried_in_a_small_space(problem, expected):
    structure = structure_of(SQUARE, problem.blocks(), 1)
    assert converges(structure, SQUARE, axes_of(problem, 8, 7)) is expected


# Axes and operators --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degree", [3, 6, 9])
def test_a_restricted_axis_satisfies_its_conditions(degree):
    structure = structure_of(SQUARE, Mixed().blocks(), 1)
    for a, axis in enumerate(axes_of(Mixed(), 7, degree, 0.5)):
        restricted = RestrictedAxis.of(axis, structure.of_axis(a), 3, HERE)
        assert np.abs(restricted.conditions @ restricted.kernel.toarray()).max() < 1e-12
        assert restricted.kernel.shape == (axis.size, axis.size - 2)
        assert np.allclose(restricted.conditions @ restricted.lifts, np.eye(2), atol=1e-12)
        assert np.isclose(restricted.weights.sum(), 1)
        polynomial = restricted.points**degree * np.sqrt(restricted.weights)
        fitted = restricted.fit(torch.from_numpy(polynomial[:, None])).numpy()
        assert np.abs(restricted.factors[0] @ fitted - polynomial[:, None]).max() < 1e-11 * np.abs(polynomial).max()


@pytest.mark.parametrize("shape", [(5, 7), (4, 5, 6)])
def test_products_are_those_of_the_dense_matrix(shape):
    random = np.random.default_rng(0)
    matrices = [[random.normal(size=(n + 3, n)) for _ in range(3)] for n in shape]
    slopes = {(2, *(0 for _ in shape[1:])): 1.5, (*(0 for _ in shape[1:]), 2): -0.5, (1,) * len(shape): 2.0}
    combination = Combination([[AlongAxis.of(csr_matrix(each), HERE) for each in along] for along in matrices], slopes)
    whole = 0
    for orders, slope in slopes.items():
        product = np.ones((1, 1))
        for along, order in zip(matrices, orders, strict=True):
            product = np.kron(product, along[order])
        whole = whole + slope * product
    coefficients = random.normal(size=shape)
    values = combination.values(torch.from_numpy(coefficients))
    grid = [len(along[0]) for along in matrices]
    assert values.shape == (grid[-1], *grid[:-1])
    expected = (whole @ coefficients.ravel()).reshape(grid)
    assert np.allclose(values.movedim(0, -1), expected)
    other = torch.from_numpy(random.normal(size=values.shape))
    coefficients = torch.from_numpy(coefficients)
    assert torch.isclose((values * other).sum(), (combination.adjoint(other) * coefficients).sum())
    everywhere = {orders: torch.full(values.shape, s, dtype=torch.float64) for orders, s in slopes.items()}
    varying = Combination(combination._matrices, everywhere)
    assert torch.allclose(varying.values(coefficients), values)
    assert torch.allclose(varying.adjoint(other), combination.adjoint(other))


def test_a_slab_is_inverted_exactly_where_the_space_is():
    problem = Warmth()
    time = LegendreAxis(np.array([0.0, 0.05]), 6)
    rows, space = rows_and_space(problem, [*axes_of(problem, 6, 3)[:2], time])
    slopes = rows.slopes(space.lines, None)
    modes = preconditioner(space, slopes)
    operator = Operator(space, slopes, noise(space))
    found = conjugate_gradients(operator, modes, 20, 1e-13, removable=1e-8)
    assert found.iterations <= 14
    assert float(operator.transposed(operator.residual + found.image).norm()) < 1e-6 * found.start


# Iterations and errors -----------------------------------------------------------------------------------------------


def iterations(problem, count, degree, grading=0.0):
    rows, space = rows_and_space(problem, axes_of(problem, count, degree, grading))
    slopes = rows.slopes(space.lines, None)
    operator = Operator(space, slopes, noise(space))
    found = conjugate_gradients(operator, preconditioner(space, slopes), 60, 1e-14, removable=1e-6)
    left = float((operator.residual + found.image).norm())
    assert found.left * found.start <= 1e-6 * left
    return found.iterations


@pytest.mark.parametrize("degree", [3, 5, 7, 9])
def test_knots_and_degree_do_not_slow_the_iteration(degree):
    counts = [iterations(Mixed(), count, degree) for count in (16, 64)]
    assert max(counts) <= 25
    assert counts[1] <= counts[0] + 3
    assert iterations(Mixed(), 16, degree, 0.9) <= 30  # cells that differ by a factor of 19


@pytest.mark.parametrize("degree", [3, 5])
def test_errors_fall_with_the_order_of_the_splines(degree):
    errors = []
    for count in (12, 24):
        axes = axes_of(Mixed(), count, degree)
        rows, space = rows_and_space(Mixed(), axes)
        found = correction(rows, space, None, None)
        errors.append(error_of(Mixed(), axes, found.coefficients))
    assert math.log2(errors[0] / errors[1]) > degree - 0.2  # least squares of u_xx lose an order for low degrees
    assert errors[1] < 2e-4


@pytest.mark.parametrize("problem", [Mixed(), Ring()], ids=["mixed", "ring"])
def test_high_degrees_reach_round_off(problem):
    axes = axes_of(problem, 20, 9)
    rows, space = rows_and_space(problem, axes)
    found = correction(rows, space, None, None)
    assert found.converged
    assert error_of(problem, axes, found.coefficients) < 1e-10
    function = Spline(tuple(axes), found.coefficients)
    measured = measure(rows, space, function, Scales.of(rows, space, function), 16)
    assert measured.residual < 1e-8
    assert max(value for name, value in measured.relative.items() if name != "residual") < 1e-11


def test_a_nonlinear_equation_is_solved_by_gauss_newton_steps():
    problem = Variable()
    axes = axes_of(problem, 16, 7)
    rows, space = rows_and_space(problem, axes)
    total, sizes = torch.zeros(space.shape, dtype=torch.float64), []
    for _ in range(7):
        found = correction(rows, space, None, Spline(tuple(axes), total) if sizes else None)
        total, size = total + found.coefficients, float(found.coefficients.abs().max())
        sizes.append(size)
    assert error_of(problem, axes, total) < 1e-8
    assert sizes[-1] < 1e-8 * sizes[0]


def test_a_missing_condition_makes_the_modes_irregular():
    problem = singular()
    structure = structure_of(SQUARE, problem.blocks(), 1)
    space = Space.of(structure, axes_of(problem, 8, 5), HERE)
    assert not Modes(space.axes, by_orders(dict(structure.slopes), 2)).regular


# The march -----------------------------------------------------------------------------------------------------------


def answer(problem, points, **settings):
    solution = solve(problem, **settings)
    return solution, solution(**points)


def test_the_march_agrees_with_that_of_a_factor(monkeypatch):
    random = np.random.default_rng(0)
    points = {"x": random.random(200), "y": 2 * random.random(200)}
    direct, expected = answer(Mixed(), points)
    monkeypatch.setattr(iteration, "WORTH", 0.0)
    solution, found = answer(Mixed(), points)
    assert solution.verdict == direct.verdict == "solved"
    assert np.abs(found - expected).max() < 1e-10
    assert solution.errors()["relative_l2"] < 1e-11
    assert solution.error_estimate < 1e-10


def test_slabs_are_joined(monkeypatch):
    monkeypatch.setattr(iteration, "WORTH", 0.0)
    solution = solve(Warmth(), KAN(degree=7), training={"target": 1e-7})
    assert solution.verdict == "solved"
    assert solution.errors()["relative_l2"] < 1e-6


def test_a_space_too_large_for_a_factor_is_solved_by_itself():
    class Fine(Problem):
        domain = Box(x=(0, 1), y=(0, 1))

        def residual(self, u, x, y):
            return u.xx + u.yy + 2 * (30 * math.pi) ** 2 * torch.sin(30 * math.pi * x) * torch.sin(30 * math.pi * y)

        def conditions(self):
            return {"sides": Dirichlet(0)}

        def exact(self, x, y):
            return sp.sin(30 * sp.pi * x) * sp.sin(30 * sp.pi * y)

    solution = solve(Fine(), KAN(degree=7, intervals=150), training={"target": 1e-3})
    assert solution.history["parameters"] == [157**2]
    assert solution.verdict == "solved"
    error = solution.errors()["relative_l2"]
    assert error < 1e-6
    assert error / 5 < solution.error_estimate < 5 * error


def test_other_problems_have_no_structure_and_small_ones_are_not_tried():
    task = MarchTask(Mixed(), 9, None, affine=True, most=8000, device=torch.device("cpu"), most_iterated=10**6)
    assert not iteration.iterated(task, task.first_axes)
    assert "structure" not in vars(task)
    large = axes_of(Mixed(), 300, 9)
    assert iteration.iterated(task, large) and task.largest == 10**6 and task.factored == 8000
    hard = MarchTask(
        Other({"again": Integral(1.0)}),
        9,
        None,
        affine=True,
        most=8000,
        device=torch.device("cpu"),
        most_iterated=10**6,
    )
    assert not iteration.iterated(hard, large) and hard.largest == 4000
