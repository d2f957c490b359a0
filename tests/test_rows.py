"""A block at its points: rows, slopes and scales from jets, whatever function the jets belong to."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import sympy as sp
import torch
from torch.func import jacrev
from torch.testing import assert_close

from kanpde import KAN, Box, Dirichlet, Initial, Neumann, Periodic, Problem, load_problem
from kanpde.bench import autograd
from kanpde.bench.mlp import MLP
from kanpde.bench.task import Task
from kanpde.calculus.expressions import symbols
from kanpde.calculus.jets import JetPlan
from kanpde.collocation import losses
from kanpde.collocation.rows import (
    Placed,
    row_factors,
    scale_of_condition,
    scale_of_equation,
    sizes_of_terms,
    usable_scale,
)
from kanpde.marching.axes import LegendreAxis
from kanpde.marching.piece import TensorFunction
from kanpde.marching.tensor_product import TensorProduct
from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.symbolic.constants.fit import LeastSquares, _Rows

x, t = symbols("xt")


@dataclass(frozen=True)
class Coupled(Problem):
    """A nonlinear system with an unknown constant, a derivative on the boundary, and one field that is periodic."""

    unit: float = 1.0
    domain = Box(x=(0, 1), t=(0, 2))
    fields = ("u", "v")
    unknowns = {"drift": 0.5}

    def residual(self, u, v, drift, x):
        return {
            "first": self.unit * (u.t + drift * u * u.x - v.xx),
            "second": self.unit * (v.t - drift**2 * v * u + x),
        }

    def conditions(self):
        return {
            "start": Initial(sp.sin(sp.pi * x), field="u"),
            "flux": Neumann(1, on="x-", field="u"),
            "loop": Periodic("x", field="v"),
        }


def placed(problem, count=7):
    generator = np.random.default_rng(1)
    residuals = Residuals(Model(network(problem)), problem.blocks(hard=True), problem.domain.names)
    residuals.sample(problem.domain, lambda block: count, generator)
    return [part.chunks[0].placed for part in residuals.parts]


def network(problem):
    return KAN([2], 4, 2).build(problem.domain.low, problem.domain.high, len(problem.fields), seed=3)


def jets_of(block_at_points):
    generator = torch.Generator().manual_seed(0)
    shape = (block_at_points.count, len(block_at_points.plan), 2)
    return [torch.rand(shape, generator=generator, dtype=torch.float64) + 0.5 for _ in block_at_points.images]


DRIFT = {"drift": torch.tensor(0.7, dtype=torch.float64)}


def test_slopes_are_those_of_the_rows_by_jets_and_unknowns():
    for part in placed(Coupled()):
        jets, points = jets_of(part), torch.arange(part.count)
        rows, slopes = part.slopes(jets, DRIFT)
        assert_close(rows, part.rows(jets, DRIFT), rtol=0, atol=0)
        by_jets = jacrev(lambda *given, part=part: part.rows(given, DRIFT), tuple(range(len(jets))))(*jets)
        by_drift = jacrev(lambda drift, part=part, jets=jets: part.rows(jets, {"drift": drift}))(DRIFT["drift"])
        for component, slope in enumerate(slopes):
            for found, whole in zip(slope.by_jets, by_jets, strict=True):
                assert_close(found, whole[component, points, points])
            assert_close(slope.by_unknowns, by_drift[component][:, None])


def test_slopes_are_multiplied_by_the_factors_of_their_rows():
    for part in placed(Coupled()):
        jets = jets_of(part)
        factors = torch.linspace(1, 2, part.count, dtype=torch.float64).expand(len(part.block.components), -1)
        plain, scaled = part.slopes(jets, DRIFT)[1], part.slopes(jets, DRIFT, factors)[1]
        for one, other, factor in zip(plain, scaled, factors, strict=True):
            assert_close(one.by_jets[0] * factor[:, None, None], other.by_jets[0])
            assert_close(one.by_unknowns * factor[:, None], other.by_unknowns)


def test_sizes_are_the_absolute_values_of_the_terms():
    equation = placed(Coupled())[0]
    (jet,) = jets_of(equation)
    slopes = [slope.by_jets[0] for slope in equation.slopes([jet], DRIFT)[1]]
    place = equation.plan.index
    u, v, ux, ut = jet[:, 0, 0], jet[:, 0, 1], jet[:, place[0,], 0], jet[:, place[1,], 0]
    # ∂r/∂u u + ∂r/∂u_x u_x counts the product twice: each factor may be wrong.
    first = ut.abs() + 2 * (0.7 * u * ux).abs() + jet[:, place[0, 0], 1].abs()
    second = jet[:, place[1,], 1].abs() + 2 * (0.49 * v * u).abs()
    assert_close(sizes_of_terms(slopes, jet), torch.stack([first, second]))


def test_the_scale_of_a_condition_is_that_of_the_field_inside():
    start = placed(Coupled())[1]
    slopes = [slope.by_jets[0] for slope in start.slopes(jets_of(start), DRIFT)[1]]
    typical = torch.full((len(start.plan), 2), 3.0, dtype=torch.float64)
    assert_close(scale_of_condition(slopes, typical, torch.ones(start.count)), typical.new_tensor([3.0]))


@pytest.mark.parametrize("unit", [1e-12, 1e9])
def test_scaled_rows_do_not_depend_on_the_unit_of_the_residual(unit):
    def scaled(part):
        (jet,) = jets_of(part)
        rows, slopes = part.slopes([jet], DRIFT)
        weights = torch.full((part.count,), 1 / part.count, dtype=torch.float64)
        scale = scale_of_equation(sizes_of_terms([slope.by_jets[0] for slope in slopes], jet), weights)
        return rows * row_factors(weights, scale)

    assert_close(scaled(placed(Coupled(unit=unit))[0]), scaled(placed(Coupled())[0]))


def test_a_scale_that_is_no_size_is_replaced():
    found = usable_scale(torch.tensor([2.0, 0.0, math.inf, math.nan]), torch.tensor([9.0, 8.0, 7.0, 6.0]))
    assert found.tolist() == [2.0, 8.0, 7.0, 6.0]


def test_a_target_is_subtracted_from_the_rows():
    part = placed(Coupled())[0]
    jets = jets_of(part)
    target = part.rows(jets, DRIFT)
    moved = Placed(part.block, part.names, part.plan, part.images, part.index, target)
    assert not moved.rows(jets, DRIFT).any() and target.any()


def polynomial(points):
    """x (1 − x) + 2t, which every trial space below contains."""
    return (points[:, 0] * (1 - points[:, 0]) + 2 * points[:, 1])[:, None]


@dataclass(frozen=True)
class Warm(Problem):
    domain = Box(x=(0, 1), t=(0, 1))

    def residual(self, u):
        return u.t + u * u.x - u.xx

    def conditions(self):
        return {"walls": Dirichlet(0, on="x"), "start": Initial(x * (1 - x))}


def fitted(evaluate, size):
    """The parameters with which a function that is linear in them is the polynomial."""
    columns = torch.stack([evaluate(unit) for unit in torch.eye(size, dtype=torch.float64)], dim=1)
    return torch.linalg.lstsq(columns, polynomial(POINTS), driver="gelsd").solution


POINTS = torch.rand(80, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def test_all_trial_functions_give_the_same_rows():
    problem = Warm()
    rows = _Rows(LeastSquares(problem), [x * (1 - x) + 2 * t], {})
    formula = rows.at(rows.start)
    space = TensorProduct([LegendreAxis(np.array([0.0, 1.0]), 3) for _ in range(2)])
    image = TensorFunction(space, None, POINTS).prepare(POINTS, JetPlan(2, [()]))
    product = TensorFunction(space, None, fitted(lambda unit: image.jets(unit[:, None])[:, 0, 0], space.size))
    model = Model(KAN([], 4, 2).build(problem.domain.low, problem.domain.high, 1, seed=3))

    def value(vector):
        model.assign(vector)
        return model(POINTS)[:, 0].detach()

    model.assign(fitted(value, model.size)[:, 0])
    for part in rows.problem.parts:
        at = part.placed
        expected = losses.rows(at, polynomial, problem)
        for trial, prepared in [
            (formula, [(part, place) for place in part.places]),
            (product, [product.prepare(each, at.plan) for each in at.images]),
            (model, [model.prepare(each, at.plan) for each in at.images]),
        ]:
            assert_close(at.rows_of(trial, prepared).detach(), expected, rtol=1e-9, atol=1e-9)


def test_a_perceptron_gives_the_rows_of_automatic_differentiation():
    problem = load_problem("burgers")
    perceptron = MLP(problem, 60, seed=2)
    for part in autograd.placed(problem, Task("burgers", "mlp", 1.0, interior=9, boundary=9)):
        found = part.rows_of(perceptron, [perceptron.prepare(each, part.plan) for each in part.images])
        assert_close(found, losses.rows(part, perceptron, problem), rtol=1e-10, atol=1e-10)
