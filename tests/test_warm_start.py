"""Networks of given sizes: the march that they imitate, the start from its products, the fit, and the way back."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from trainings import Pendulum, Rod

from kanpde import KAN, MLP, load_problem, solve
from kanpde.calculus.jets import JetPlan
from kanpde.collocation.sampling import SamplingOptions
from kanpde.errors import ConfigurationError
from kanpde.network.knot_insertion import growth
from kanpde.network.matching import Matching
from kanpde.network.separated_start import start_from_products
from kanpde.network.trial_function import Model
from kanpde.symbolic.options import SymbolicOptions
from kanpde.training.checkpoint import Checkpoint
from kanpde.training.descent import Descent
from kanpde.training.imitation import Imitation, interval_lengths, taylor_factors
from kanpde.training.settings import Settings, TrainingOptions
from kanpde.training.trainer import Trainer
from kanpde.training.warm_march import WarmMarch


def settings(network, **training):
    chosen = TrainingOptions(**training)
    return Settings(network, chosen, SamplingOptions(), SymbolicOptions(enabled=False), 0, "cpu", "float64")


def advance(trainer, count):
    trainer.phase.begin()
    for _ in range(count):
        trainer._advance()


SQUARE = ([-1.0, -1.0], [1.0, 1.0])


@pytest.fixture(scope="module")
def product() -> KAN:
    """A network of two product nodes with smooth factors."""
    network = KAN([(0, 2)], degree=5, intervals=(6, 1)).build(*SQUARE, 1, seed=3)
    line = torch.linspace(-1, 1, 50, dtype=torch.float64)
    first, second = network.layers
    with torch.no_grad():
        first.coefficients.zero_()
        for axis, subnode, values in (
            (0, 0, line.sin()),
            (1, 1, line.exp()),
            (0, 2, line**2),
            (1, 3, (2 * line).cos()),
        ):
            fitted = first.basis.fit(axis, line.numpy(), values.numpy()[:, None])[:, 0]
            first.coefficients[axis, :, subnode] = torch.as_tensor(fitted)
        for node, factor in ((0, 1.0), (1, 0.25)):
            low, high = (float(end[node]) for end in second.basis.range())
            x = np.linspace(min(low, -4), max(high, 4), 40)
            second.basis.regrid(node, x[0], x[-1], 0.0)
            second.coefficients[node] = torch.as_tensor(second.basis.fit(node, x, factor * x[:, None]))
    return network


@pytest.mark.parametrize("width", [[4], [3], [3, 2], [(1, 2)], [(0, 2), 3], [(2, 1), (1, 2)]])
def test_nodes_that_add_multiply_by_their_squares(product: KAN, width):
    network = KAN(width, degree=5, intervals=4).build(*SQUARE, 1)
    assert start_from_products(network, product, 10_000, open_knots=True)
    points = 2 * torch.rand(500, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    assert (network(points) - product(points)).abs().max() < 1e-6 * product(points).abs().max()


def test_a_narrow_layer_gets_the_largest_product(product: KAN):
    network = KAN([2], degree=5, intervals=8).build(*SQUARE, 1)
    assert start_from_products(network, product, 10_000, open_knots=False)
    points = 2 * torch.rand(500, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    largest = (points[:, :1].sin() * points[:, 1:].exp()).detach()
    assert (network(points) - largest).abs().max() < 1e-3


@pytest.mark.parametrize("limit", [200, 300, 1000])
def test_a_start_that_is_not_exact_leaves_room_for_a_refinement(product: KAN, limit):
    network = KAN([4], degree=2, intervals=4).build(*SQUARE, 1)
    first = network.first.basis.intervals
    assert start_from_products(network, product, limit, open_knots=True)
    size = sum(layer.coefficients.numel() for layer in network.layers)
    assert size + growth(network, first_only=False) <= limit
    assert network.first.basis.intervals > first


def test_one_sum_node_multiplies_nothing(product: KAN):
    assert not start_from_products(KAN([1]).build(*SQUARE, 1), product, 10_000, open_knots=True)


def test_the_rows_of_a_match_have_the_derivatives_of_their_jacobian(product: KAN):
    plan = JetPlan(2, [(0,), (1, 1)])
    points = torch.rand(30, 2, dtype=torch.float64)
    model = Model(KAN([2], degree=4, intervals=2).build(*SQUARE, 1))
    match = Matching(model, plan, points, Model(product).jets_at(points, plan), torch.ones(len(plan), 1).double())
    start, direction = model.vector, torch.randn(model.size, dtype=torch.float64)
    linear = match.linearise(start)
    slope = (match.residual(start + 1e-6 * direction) - match.residual(start - 1e-6 * direction)) / 2e-6
    assert torch.allclose(linear.factor @ direction, slope, rtol=1e-5, atol=1e-6)
    assert match.gradient(start)[1] == pytest.approx(2 * linear.factor.T @ linear.residual, rel=1e-8, abs=1e-8)


def test_the_rows_of_an_imitation_add_up_to_taylors_polynomial():
    plan = JetPlan(2, [(0, 0), (0, 1), (1, 1)])
    x, t = torch.rand(2, 20, dtype=torch.float64)
    steps = torch.rand(20, 2, dtype=torch.float64)
    jets = {(): 3 * x**2 - x * t + t**2, (0,): 6 * x - t, (1,): 2 * t - x, (0, 0): 6 + 0 * x, (0, 1): 0 * x - 1}
    values = torch.stack([jets.get(alpha, 0 * x + 2) for alpha in plan.partials], dim=1)
    there = (torch.stack([x, t]).T + steps).T
    moved = 3 * there[0] ** 2 - there[0] * there[1] + there[1] ** 2
    assert torch.allclose((taylor_factors(plan, steps) * values).sum(dim=1), moved, atol=1e-14)


def test_the_steps_of_an_imitation_are_the_intervals_of_the_known_solution():
    breakpoints = np.array([[0, 0.1, 1], [-1, 0, 3]])
    points = torch.tensor([[0.05, -0.5], [0.5, 2], [0, 3], [1, -1], [-1, 4]], dtype=torch.float64)
    lengths = interval_lengths(breakpoints, points)
    assert torch.allclose(lengths, torch.tensor([[0.1, 1], [0.9, 3], [0.1, 3], [0.9, 1], [0.1, 3]]).double())


def test_a_given_width_solves_heat_as_a_march_does():
    solution = solve(load_problem("heat"), KAN(width=[5, 5]), device="cpu", training={"target": 1e-8})
    assert solution.errors()["relative_l2"] < 1e-8
    assert [layer.outputs for layer in solution.network.layers] == [5, 5, 1]
    assert solution.audit().verdict == "solved"


@pytest.mark.parametrize(
    ("network", "first"),
    [(KAN(width=[3]), WarmMarch), (MLP([4]), WarmMarch), (KAN(width=[3]).build([0, 0], [1, 1], 1), Descent)],
)
def test_a_network_with_parameters_of_its_own_begins_with_these(network, first):
    assert isinstance(Trainer(Rod(), settings(network)).phase, first)


@pytest.mark.parametrize("training", [{"warm_start": "none"}, {"stages": [{"optimiser": "adam"}]}])
def test_a_warm_start_can_be_switched_off(training):
    assert isinstance(Trainer(Rod(), settings(KAN(width=[3]), **training)).phase, Descent)


def test_an_unknown_warm_start_is_refused():
    with pytest.raises(ConfigurationError, match=r"unknown training\.warm_start 'marsh'.*march"):
        solve(Rod(), KAN(width=[3]), training={"warm_start": "marsh"})


def test_other_families_and_perceptrons_imitate_too():
    for network in (KAN(width=[3], family="chebyshev"), MLP([12])):
        trainer = Trainer(Rod(), settings(network))
        advance(trainer, 25)
        assert isinstance(trainer.phase, (Imitation, Descent))
        assert trainer.solution().errors()["relative_l2"] < 0.02


@pytest.mark.parametrize("count", [1, 6])
def test_a_resumed_training_takes_the_same_next_step(count, tmp_path):
    problem = Pendulum() if count == 1 else Rod()
    whole = Trainer(problem, settings(MLP([6])))
    advance(whole, count)
    assert isinstance(whole.phase, WarmMarch if count == 1 else Imitation)
    checkpoint: Checkpoint = whole.checkpoint()
    again = Trainer.restored(checkpoint, problem, checkpoint.settings)
    again.phase.begin()
    first, second = whole._advance(), again._advance()
    assert first.loss == second.loss
    assert math.isfinite(first.loss)
    assert torch.equal(whole.phase.current.vector, again.phase.current.vector)


def test_a_perceptron_is_audited():
    solution = solve(Rod(), MLP([10]), device="cpu", training={"target": 0.05})
    audit = solution.audit()
    assert not any("Error" in reason for reason in audit.reasons)
    assert audit.error_estimate is not None
    assert solution.errors()["relative_l2"] < 0.05
