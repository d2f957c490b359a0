"""The rows of all blocks and their Jacobian, against automatic differentiation; their scales, against calculus."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde.collocation.sampling import sample
from kanpde.geometry.box import Box
from kanpde.network import residuals
from kanpde.network.kan import KAN
from kanpde.network.residuals import LEAST_SIZE, Residuals
from kanpde.network.trial_function import Model
from kanpde.problem.conditions import Condition, Data, Dirichlet, Initial, Neumann, Periodic, Robin
from kanpde.problem.lift import Ansatz
from kanpde.problem.problem import Problem

F64 = torch.float64
X, Y, T = sp.symbols("x y t", real=True)
STRIP, LINE, CUBE = Box(x=(-1, 1), t=(0, 2)), Box(x=(0.5, 2)), Box(x=(0, 1), y=(-1, 1), t=(0, 0.5))


def problem_of(box, residual, conditions=None, **more):
    members = {"domain": box, "residual": staticmethod(residual), "conditions": lambda self: conditions or {}, **more}
    return type("Trial", (Problem,), members)()


def measured(box, fields=1, count=9):
    generator = np.random.default_rng(7)
    points = box.interior(generator.random((count, box.dimension)))
    values = generator.normal(size=(count, fields))
    return points, values[:, 0] if fields == 1 else values


def pulled(u, x, t, strength):
    return u.x + strength**2 * torch.sin(u) - torch.exp(strength) * u.t + t


PROBLEMS = {
    "linear": problem_of(
        STRIP,
        lambda u, x, t: u.t - (1 + x**2) * u.xx + torch.sin(t),
        {"start": Initial(sp.sin(X)), "ends": Dirichlet(lambda t: t**2, on="x", weight=3.0)},
    ),
    "nonlinear": problem_of(
        STRIP,
        lambda u: u.t + u * u.x - 0.05 * u.xx,
        {"start": Initial(-sp.sin(sp.pi * X)), "flux": Neumann(0.3, on="x+"), "mixed": Robin(2, 0.5, 1, on="x-")},
    ),
    "third order": problem_of(STRIP, lambda u: u.t + 6 * u * u.x + u.xxx + u.xt**2),
    "waves": problem_of(
        STRIP, lambda u: u.tt - torch.exp(-(u**2)) * u.xx, {"start": Initial(0), "go": Initial(1, order=1)}
    ),
    "boundary values": problem_of(LINE, lambda u, x: x * u.xx + u.x * u, {"ends": Dirichlet(sp.log(X))}),
    "three coordinates": problem_of(
        CUBE, lambda u, y: u.t - u.xx - u.yy * u + y * u.xy, {"rim": Neumann(0), "start": Initial(X * Y)}
    ),
    "system": problem_of(
        STRIP,
        lambda u, v: (u.t - v * u.x, v.t + u * v.xx - u**2),
        {"u": Initial(sp.cos(X), field="u"), "v": Dirichlet(1, on="x", field="v"), "both": Periodic("x", order=2)},
        fields=("u", "v"),
    ),
    "named system": problem_of(
        Box(t=(0, 3)),
        lambda u, v: {"first": u.t - v, "second": v.t + u**3},
        {"u": Initial(1, field="u"), "v": Initial(0, field="v")},
        fields=("u", "v"),
    ),
    "inverse": problem_of(
        STRIP,
        lambda u, x, speed, loss: u.t + speed**3 * u.x + torch.exp(loss) * u,
        {"data": Data(*measured(STRIP)), "inflow": Condition(lambda u, loss, t: u - loss * t, on="x-")},
        unknowns={"speed": 0.7, "loss": -0.2},
    ),
    "inverse system": problem_of(
        STRIP,
        lambda u, v, rate: (u.t - rate * v, v.x + u * rate.square()),
        {"data": Data(*measured(STRIP, 2)), "of v": Data(*measured(STRIP), field="v")},
        fields=("u", "v"),
        unknowns={"rate": 1.3},
    ),
    "periodic": problem_of(STRIP, lambda u: u.t + u * u.x, {"ring": Periodic("x", order=2), "start": Initial(0)}),
    "free condition": problem_of(
        STRIP, lambda u: u.xx, {"rim": Condition(lambda u, x, t: (u * u.x - x, u.t + torch.cos(u)), on=["x", "t-"])}
    ),
    "hard": problem_of(
        STRIP,
        lambda u: u.t - u.xx + u**2,
        {
            "start": Initial(sp.sin(sp.pi * X), hard=True),
            "ends": Dirichlet(lambda t: 0 * t, on="x", hard=True),
            "more": Data(*measured(STRIP)),
        },
    ),
    "hard ring": problem_of(
        STRIP,
        lambda u: u.t + u * u.xx,
        {"ring": Periodic("x", hard=True), "start": Initial(sp.cos(sp.pi * X), hard=True), "end": Dirichlet(0, "t+")},
    ),
}
WIDTHS = {"sums": [3], "products": [(0, 2)], "deep": [(1, 1), (2, 0)]}

any_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
any_width = pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)


def residuals_of(problem, width=((1, 1),), count=12, scaled=True, seed=0):
    """The rows of a problem for a small random network, on a few points; with `scaled` every scale is a number."""
    generator = np.random.default_rng(seed)
    ansatz = Ansatz.of(problem)
    network = KAN(width=list(width), degree=5, intervals=3).build(
        problem.domain.low,
        problem.domain.high,
        len(problem.fields),
        periodic=None if ansatz is None else ansatz.periodic,
        seed=seed,
    )
    model = Model(network, ansatz, problem.unknowns)
    residuals = Residuals(model, problem.blocks(), problem.domain.names)
    for number, part in enumerate(residuals.parts):
        drawn = sample(part.block, problem.domain, count, "sobol", generator)
        index = None if drawn.index is None else torch.as_tensor(drawn.index)
        residuals.place(number, torch.as_tensor(drawn.points), index)
        if scaled:
            residuals.parts[number].scale = torch.as_tensor(generator.uniform(0.5, 2, len(part.block.components)))
    return residuals


def jacobian_of(linear, size):
    """The columns one by one."""
    return torch.stack([linear.product_and_pullback(column)[0] for column in torch.eye(size, dtype=F64)], dim=1)


def jacobian_by_autograd(residuals):
    """The rows one by one."""
    parameters = residuals.model.ordered()
    rows = residuals.rows()
    found = []
    for row in rows:
        slopes = torch.autograd.grad(row, parameters, retain_graph=True, allow_unused=True)
        pairs = zip(parameters, slopes, strict=True)
        found.append(torch.cat([(torch.zeros_like(p) if s is None else s).reshape(-1) for p, s in pairs]))
    return torch.stack(found), rows.detach()


def assert_close(found, expected, tolerance=1e-12):
    """Relative to the largest number."""
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()


# Rows and their Jacobian ---------------------------------------------------------------------------------------------


@any_width
@any_problem
def test_the_jacobian_is_autograds(problem, width):
    residuals = residuals_of(problem, width)
    vector = residuals.model.vector
    linear = residuals.linearise(vector)
    expected, rows = jacobian_by_autograd(residuals)
    assert_close(jacobian_of(linear, len(vector)), expected)
    assert_close(linear.residual, rows)
    assert_close(linear.factor.T @ linear.factor, expected.T @ expected)
    assert_close(linear.factor.T @ linear.rest, expected.T @ rows)


@any_problem
def test_the_residual_and_the_gradient_are_those_of_the_linearisation(problem):
    residuals = residuals_of(problem)
    vector = residuals.model.vector + 0.01
    linear = residuals.linearise(vector)
    assert_close(residuals.residual(vector), linear.residual, 1e-14)
    loss_there, gradient = residuals.gradient(vector)
    assert loss_there == pytest.approx(linear.loss, rel=1e-14)
    assert_close(gradient, 2 * linear.transposed(linear.residual))
    assert torch.equal(residuals.model.vector, vector)


@pytest.mark.parametrize("name", ["linear", "inverse system", "hard ring"])
def test_the_linearisation_predicts_small_steps(name):
    """‖r(θ + h p) − r(θ) − h J p‖ falls like h²."""
    residuals = residuals_of(PROBLEMS[name])
    vector = residuals.model.vector
    step = torch.randn(len(vector), generator=torch.Generator().manual_seed(0), dtype=F64)
    linear = residuals.linearise(vector)
    along, here = linear.product_and_pullback(step)[0], linear.residual
    errors = [float((residuals.residual(vector + h * step) - here - h * along).norm()) for h in (1e-2, 1e-3)]
    assert errors[1] == pytest.approx(errors[0] / 100, rel=0.2)


def test_rows_are_the_equation_weighted_and_scaled():
    """Written out with nested automatic differentiation of the network itself."""
    problem = PROBLEMS["linear"]
    residuals = residuals_of(problem)
    network, parts = residuals.model.network, residuals.parts
    expected = []
    for part in parts:
        points = part.points.clone().requires_grad_()
        x, t = points.unbind(1)
        u = network(points)[:, 0]
        if part.block.name == "residual":
            (slope,) = torch.autograd.grad(u.sum(), points, create_graph=True)
            (second,) = torch.autograd.grad(slope[:, 0].sum(), points)
            row = slope[:, 1] - (1 + x**2) * second[:, 0] + torch.sin(t)
        else:
            row = u - (torch.sin(x) if part.block.name == "start" else t**2)
        weight = 3.0 if part.block.name == "ends" else 1.0
        expected.append(row.detach() * math.sqrt(weight / len(points)) / part.scale)
    assert_close(residuals.residual(residuals.model.vector), torch.cat(expected))


@pytest.mark.parametrize("name", ["nonlinear", "system", "inverse"])
def test_the_loss_is_a_mean_over_points(name):
    """Taking every point twice changes nothing."""
    residuals = residuals_of(PROBLEMS[name])
    vector = residuals.model.vector
    once = residuals.residual(vector).square().sum()
    for number, part in enumerate(residuals.parts):
        index = None if part.index is None else torch.cat([part.index, part.index])
        residuals.place(number, torch.cat([part.points, part.points]), index)
    assert float(residuals.residual(vector).square().sum()) == pytest.approx(float(once), rel=1e-13)


@pytest.mark.parametrize("name", ["linear", "inverse system", "periodic", "hard"])
@pytest.mark.parametrize("streamed", [False, True])
def test_chunks_make_no_difference(name, streamed, monkeypatch):
    """More points than pass through the network together, and the same points all at once."""
    problem = PROBLEMS[name]
    count = 2 * residuals.CHUNK + 3
    pieces = residuals_of(problem, count=count)
    assert len(pieces.parts[0].chunks) == 3
    if streamed:
        monkeypatch.setattr("kanpde.network.residuals.LARGEST", 0)
    vector = pieces.model.vector
    linear = pieces.linearise(vector)
    step = torch.randn(len(vector), generator=torch.Generator().manual_seed(0), dtype=F64)
    weights = torch.randn(len(linear.residual), generator=torch.Generator().manual_seed(1), dtype=F64)
    found = linear.product_and_pullback(step)[0], linear.transposed(weights), pieces.gradient(vector)[1]
    monkeypatch.undo()
    monkeypatch.setattr("kanpde.network.residuals.CHUNK", 10 * count)
    whole = residuals_of(problem, count=count)
    assert all(len(part.chunks) == 1 for part in whole.parts)
    expected = whole.linearise(vector)
    # Rows come chunk by chunk and, in each, component by component: the order may differ, what they say does not.
    assert_close(linear.factor.T @ linear.factor, expected.factor.T @ expected.factor)
    assert_close(found[2], 2 * expected.transposed(expected.residual), 1e-11)
    assert linear.loss == pytest.approx(expected.loss, rel=1e-12)
    assert linear.predicted(linear.factor @ step) == pytest.approx(
        expected.predicted(expected.factor @ step), rel=1e-10
    )
    if all(len(part.block.components) == 1 for part in whole.parts):
        assert_close(linear.residual, expected.residual)
        assert_close(found[0], expected.product_and_pullback(step)[0])
        assert_close(found[1], expected.transposed(weights), 1e-11)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_linearisation_stays_where_it_was_made(streamed, monkeypatch):
    """Rows are evaluated elsewhere between its products, as in every trial of a step."""
    if streamed:
        monkeypatch.setattr("kanpde.network.residuals.LARGEST", 0)
    residuals = residuals_of(PROBLEMS["nonlinear"])
    vector = residuals.model.vector
    linear, (expected, _) = residuals.linearise(vector), jacobian_by_autograd(residuals)
    residuals.residual(vector + 1)
    step = torch.randn(len(vector), generator=torch.Generator().manual_seed(0), dtype=F64)
    weights = torch.randn(len(linear.residual), generator=torch.Generator().manual_seed(1), dtype=F64)
    assert_close(linear.product_and_pullback(step)[0], expected @ step, 1e-11)
    residuals.residual(vector - 1)
    assert_close(linear.transposed(weights), expected.T @ weights, 1e-11)


def test_rms_is_that_of_the_blocks_own_rows():
    residuals = residuals_of(PROBLEMS["system"])
    with torch.no_grad():
        rows = {part.block.name: residuals.values(part.chunks) for part in residuals.parts}
    assert {name: len(row) for name, row in rows.items()} == {"residual": 2, "u": 1, "v": 1, "both": 6}
    assert residuals.rms() == {name: pytest.approx(float(row.square().mean().sqrt())) for name, row in rows.items()}


def test_kept_rows_are_those_of_the_present_parameters_and_points():
    residuals = residuals_of(PROBLEMS["nonlinear"])
    vector, part = residuals.model.vector, residuals.parts[0]
    for change in (0.1, 0.0, -0.1):
        residuals.residual(vector + change)
    residuals.model.assign(vector)
    kept, rms = residuals.squares(part), residuals.rms()
    residuals.forget()
    assert_close(kept, residuals.squares(part))
    assert rms == pytest.approx(residuals.rms(), rel=1e-14)
    residuals.place(0, part.points[::2], None)
    assert len(residuals.squares(residuals.parts[0])) == len(part.points[::2])


def test_a_kept_linearisation_is_that_of_the_present_parameters():
    residuals = residuals_of(PROBLEMS["nonlinear"])
    residuals.rescale(balanced=True)
    for change in (0.0, 0.3):
        residuals.balance()  # keeps the linearisation at the equation's points
        vector = residuals.model.vector + change
        found = residuals.linearise(vector).factor.clone()
        residuals.forget()
        assert_close(found, residuals.linearise(vector).factor)


# Scales --------------------------------------------------------------------------------------------------------------


def derivatives(residuals, points, *partials):
    """(field, partial) by nested automatic differentiation of the network, each (n,)."""
    inputs = points.clone().requires_grad_()
    found = []
    for column, partial in partials:
        value = residuals.model.network(inputs)[:, column]
        for axis in partial:
            (gradient,) = torch.autograd.grad(value.sum(), inputs, create_graph=True)
            value = gradient[:, axis]
        found.append(value.detach())
    return found


def root_mean_square(values):
    return float(values.square().mean().sqrt())


def sizes(residuals, name):
    part = next(part for part in residuals.parts if part.block.name == name)
    return residuals.sizes_of_terms(part).tolist()


def test_the_size_of_a_linear_equation_is_that_of_its_terms():
    """rms(|u_t| + (1 + x²)|u_xx|); what does not depend on u is the other side of the equation and no term."""
    residuals = residuals_of(PROBLEMS["linear"])
    points = residuals.parts[0].points
    ut, uxx = derivatives(residuals, points, (0, (1,)), (0, (0, 0)))
    expected = root_mean_square(ut.abs() + (1 + points[:, 0] ** 2) * uxx.abs())
    assert sizes(residuals, "residual") == [pytest.approx(expected, rel=1e-10)]


def test_the_size_of_a_product_counts_both_factors():
    """u u_x is |u_x| |u| seen from u and |u| |u_x| seen from u_x."""
    residuals = residuals_of(PROBLEMS["nonlinear"])
    u, ux, ut, uxx = derivatives(residuals, residuals.parts[0].points, (0, ()), (0, (0,)), (0, (1,)), (0, (0, 0)))
    expected = root_mean_square(ut.abs() + 2 * (u * ux).abs() + 0.05 * uxx.abs())
    assert sizes(residuals, "residual") == [pytest.approx(expected, rel=1e-10)]


def test_every_component_of_a_system_has_its_own_size():
    residuals = residuals_of(PROBLEMS["named system"])
    u, v, ut, vt = derivatives(residuals, residuals.parts[0].points, (0, ()), (1, ()), (0, (0,)), (1, (0,)))
    first, second = root_mean_square(ut.abs() + v.abs()), root_mean_square(vt.abs() + 3 * (u**3).abs())
    assert sizes(residuals, "residual") == pytest.approx([first, second], rel=1e-10)


def test_the_size_of_a_condition_is_that_of_the_solution_inside():
    residuals = residuals_of(PROBLEMS["nonlinear"])
    interior = residuals.parts[0].points
    u, ux = map(root_mean_square, derivatives(residuals, interior, (0, ()), (0, (0,))))
    assert sizes(residuals, "start") == [pytest.approx(u, rel=1e-10)]
    assert sizes(residuals, "flux") == [pytest.approx(ux, rel=1e-10)]
    assert sizes(residuals, "mixed") == [pytest.approx(2 * u + 0.5 * ux, rel=1e-10)]


def test_periodic_conditions_are_measured_by_the_derivatives_that_agree():
    residuals = residuals_of(PROBLEMS["periodic"])
    found = derivatives(residuals, residuals.parts[0].points, (0, ()), (0, (0,)), (0, (0, 0)))
    assert sizes(residuals, "ring") == pytest.approx([root_mean_square(each) for each in found], rel=1e-10)


@dataclass(frozen=True)
class Multiplied(Problem):
    """An equation and conditions written in another unit."""

    factor: float = 1.0

    domain = STRIP
    fields = ("u", "v")

    def residual(self, u, v, x):
        return self.factor * (u.t + v * u.x - x), self.factor * (v.xx - u)

    def conditions(self):
        def rim(u, v, t):
            return self.factor * (u * v.x - t)

        return {
            "mixed": Robin(self.factor, 2 * self.factor, 3 * self.factor, on="x", field="u"),
            "rim": Condition(rim, on="x-"),
        }


@pytest.mark.parametrize("factor", [1e3, 1e-6])
def test_scaled_rows_do_not_know_the_equations_unit(factor):
    found = []
    for problem in (Multiplied(), Multiplied(factor)):
        residuals = residuals_of(problem, scaled=False)
        for part in residuals.parts:
            part.scale = residuals.sizes_of_terms(part)
        found.append(residuals.residual(residuals.model.vector))
    assert_close(found[1], found[0])


def test_balanced_points_weigh_less_where_the_terms_are_large():
    residuals = residuals_of(problem_of(Box(x=(0, 1)), lambda u, x: x * u - 1), count=50)
    residuals.balance()
    part = residuals.parts[0]
    x = part.points[:, 0]
    with torch.no_grad():
        u = residuals.model(part.points)[:, 0]
    size = (x * u).abs()
    assert_close(part.weights, 1 / (size / size.mean() + LEAST_SIZE))


def test_weights_follow_the_points():
    residuals = residuals_of(problem_of(Box(x=(0, 1)), lambda u, x: x * u - 1), count=50)
    residuals.balance()
    part, order = residuals.parts[0], torch.arange(49, -1, -1)
    shares = torch.linspace(0.5, 1, 50, dtype=torch.float64)
    moved = residuals.placed(part, part.points[order], None, shares=shares)
    assert_close(moved.weights, shares * part.weights[order])
    assert_close(residuals.squares(moved), shares * residuals.squares(part)[order])


def test_the_loss_is_the_mean_of_the_weighted_squares():
    residuals = residuals_of(problem_of(Box(x=(0, 1)), lambda u, x: u.x + u**2 - x), count=3000)
    residuals.balance()
    part = residuals.parts[0]
    rows = residuals.residual(residuals.model.vector)
    assert_close(rows.square().sum(), residuals.squares(part).mean())
