"""Penalties and schedules in the stages of a training on an equation and on data."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kanpde import KAN, MLP, fit, load_problem, solve
from kanpde.errors import ConfigurationError
from kanpde.network.objective import ByGradient, objective
from kanpde.network.penalties import Regularisation, looked_at, penalty_rows, spreads_of
from kanpde.network.residuals import Residuals
from kanpde.network.roughness import roughness_rows
from kanpde.readable.source import points_of
from kanpde.training.descent import Descent
from kanpde.training.phase import TrainingTask
from kanpde.training.settings import Settings


def edges_in_use(solution):
    """The exponential of the entropy of the edges' shares, per layer."""
    found = []
    for edges in looked_at(solution.network, points_of(solution), curved=False):
        shares = spreads_of(edges).detach().flatten()
        shares = shares / shares.sum()
        found.append(float((-(shares * shares.log()).sum()).exp()))
    return np.array(found)


def descent_of(problem, network, training):
    groups = {"network": {}, "training": training, "sampling": {}, "seed": 0, "device": "cpu", "dtype": "float64"}
    task = TrainingTask.of(problem, Settings.read(groups))
    descent = Descent(task, network)
    descent.begin()
    return descent


def rows_and_model():
    descent = descent_of(load_problem("heat"), KAN(width=[2], degree=4, intervals=3), {})
    return descent.residuals, descent.model


def test_the_gradient_of_the_penalised_loss_is_that_of_its_formula():
    residuals, model = rows_and_model()
    sparsity, vector = Regularisation(0.3, 0.2), model.vector
    roughness = 0.1 * roughness_rows(model)
    rows = ByGradient(residuals, model, roughness, sparsity)
    loss, _ = rows.gradient(vector)
    model.assign(vector)
    points = residuals.parts[0].points[:256]
    expected = residuals.residual(vector).square().sum() + (roughness @ vector).square().sum()
    expected = expected + penalty_rows(model.network, sparsity, points).detach().square().sum()
    assert loss == pytest.approx(float(expected), rel=1e-12)
    assert rows.data_loss == pytest.approx(float(residuals.residual(vector).square().sum()), rel=1e-12)
    assert loss == pytest.approx(float(rows.residual(vector).square().sum()), rel=1e-12)
    # A hidden layer's inputs are constants to its own sparsity, so a difference quotient is that without it.
    along, step = torch.from_numpy(np.random.default_rng(0).normal(size=len(vector))), 1e-6
    smooth = ByGradient(residuals, model, roughness, None)
    slope = float(smooth.gradient(vector)[1] @ along)
    ahead, behind = (float(smooth.residual(vector + sign * step * along).square().sum()) for sign in (1, -1))
    assert slope == pytest.approx((ahead - behind) / (2 * step), rel=1e-5)


def test_a_majorised_penalty_touches_the_gradient_of_the_whole_loss():
    residuals, model = rows_and_model()
    vector, sparsity = model.vector, Regularisation(0.3, 0.0)
    exact = ByGradient(residuals, model, None, sparsity).gradient(vector)[1]
    plain = residuals.gradient(vector)[1]
    model.assign(vector)
    tangent = objective(residuals, model, None, sparsity).gradient(vector)[1]
    ahead, ours = exact - plain, tangent - plain
    assert float(ahead @ ours / (ahead.norm() * ours.norm())) > 0.7  # both shrink the small edges


@pytest.mark.parametrize("optimiser", ["gauss_newton", "adamw", "lbfgs"])
def test_penalties_concentrate_a_network_that_solves_an_equation(optimiser):
    stage = {"optimiser": optimiser, "iterations": 6}
    if optimiser == "adamw":
        stage |= {"iterations": 100, "learning_rate": 5e-2, "schedule": "cosine", "warmup": 4, "gradient_clip": 10.0}
    found = [
        solve(
            load_problem("heat"),
            KAN(width=[3], degree=4, intervals=3),
            training={"stages": [{**stage, **penalties}], "resample_every": 0},
            sampling={"interior": 400, "boundary": 60},
        )
        for penalties in ({}, {"l1": 1.0, "entropy": 1.0})
    ]
    assert edges_in_use(found[1]).sum() < 0.9 * edges_in_use(found[0]).sum()
    assert all(np.isfinite(solution.estimate) for solution in found)


def test_a_smoothness_makes_the_edges_of_an_equation_smooth():
    def roughness_with(weight):
        stages = [{"optimiser": "gauss_newton", "iterations": 5}]
        solution = solve(
            load_problem("heat"),
            KAN(width=[2], degree=4, intervals=6),
            training={"stages": stages, "smoothness": weight, "resample_every": 0},
            sampling={"interior": 400, "boundary": 60},
        )
        return float((roughness_rows(solution.model) @ solution.model.vector).square().sum())

    assert roughness_with(1e-1) < 0.5 * roughness_with(0.0)


def test_penalties_change_from_stage_to_stage():
    stages = [{"optimiser": "gauss_newton", "iterations": 1, "l1": 1.0}, {"optimiser": "adamw", "l1": 0.0}]
    descent = descent_of(load_problem("heat"), KAN(width=[2], degree=4, intervals=3), {"stages": stages, "l1": 0.5})
    assert descent.penalties.l1 == 1.0
    descent.advance()
    descent.advance()
    assert descent.schedule.number == 1 and not descent.penalties.penalises


def test_the_estimate_of_a_lagging_step_is_that_of_the_parameters_returned():
    stages = [{"optimiser": "adamw", "learning_rate": 1e-2}]
    descent = descent_of(load_problem("heat"), KAN(width=[2], degree=4, intervals=3), {"stages": stages})
    for _ in range(3):
        descent.advance()
    assert descent.loss == pytest.approx(float(descent.residuals.residual(descent.vector).square().sum()))
    assert descent.loss != descent.course.losses[-1]


def test_an_iteration_of_first_order_evaluates_the_network_once(monkeypatch):
    stages = [{"optimiser": "adam", "learning_rate": 1e-2}]
    descent = descent_of(load_problem("heat"), KAN(width=[2], degree=4, intervals=3), {"stages": stages})
    descent.advance()
    calls = []
    own = Residuals.own
    monkeypatch.setattr(Residuals, "own", lambda self, chunk: calls.append(1) or own(self, chunk))
    for _ in range(3):
        descent.advance()
        descent.columns()
    assert len(calls) == 3 * len(descent.residuals.parts)


def test_a_fit_takes_schedules_and_penalties_of_its_stages():
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (200, 2))
    y = np.sin(2 * x[:, 0])
    stage = {"optimiser": "adamw", "iterations": 60, "learning_rate": 2e-2, "schedule": "cosine", "warmup": 5}
    network = KAN(width=[3], degree=3, intervals=4)
    plain, sparse = (
        fit(x, y, network, training={"stages": [{**stage, **more}], "batch_size": 64})
        for more in ({}, {"l1": 1e-1, "entropy": 1e-1})
    )
    assert plain.metrics(x, y)["r2"] > 0.9
    assert edges_in_use(sparse).sum() < edges_in_use(plain).sum()


@pytest.mark.parametrize("training", [{"l1": 1.0}, {"stages": [{"optimiser": "adamw", "entropy": 1.0}]}])
def test_a_perceptron_has_no_edges_to_be_sparse(training):
    with pytest.raises(ConfigurationError, match="perceptron"):
        solve(load_problem("heat"), MLP(width=[4]), training=training)
