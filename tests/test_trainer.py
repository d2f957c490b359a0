"""The trainer: every way to end, callbacks, the history, and networks that are given."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from trainings import Beam, Pendulum, Rod, Watcher, run, small, steps, vector

from kanpde import KAN, load_problem
from kanpde.collocation.comparison import Comparison
from kanpde.errors import ConfigurationError
from kanpde.optim.methods import METHODS
from kanpde.training.settings import Settings
from kanpde.training.trainer import Trainer


def test_a_target_ends_the_training_and_is_met():
    solution = run(Rod(), stages=[steps(200)], target=1e-4)
    assert solution.stopped_because.startswith("target") and "0.0001" in solution.stopped_because
    assert math.sqrt(solution.history["loss"][-1]) <= 1e-4 and len(solution.history["loss"]) < 200
    assert solution.errors()["relative_l2"] < 1e-3


def test_a_budget_ends_the_training():
    solution = run(Rod(), stages=[steps(10_000, "adam")], budget_seconds=2)
    assert solution.stopped_because == "budget: 2 seconds are over"
    # On a busy machine the first iteration may take longer than the budget, and is undone.
    assert solution.record["iterations"] == len(solution.history.get("loss", [])) < 10_000


@pytest.mark.parametrize("stages", [None, [steps(3), steps(10)]])
def test_a_number_of_iterations_ends_the_training_at_the_same_state(stages):
    one, other = (run(Rod(), stages=stages, max_iterations=5, budget_seconds=seconds) for seconds in (None, 1000))
    assert one.stopped_because == other.stopped_because == "limit: 5 iterations are over"
    assert one.record["iterations"] == 5 and torch.equal(one.model.vector, other.model.vector)
    assert one.verdict == "solved" or any("a larger training.max_iterations" in reason for reason in one.reasons)


def test_a_training_that_gains_nothing_more_has_converged():
    solution = run(Beam(), stages=[steps(None)], network=KAN(width=[1], degree=5, intervals=[2, 1]), max_parameters=0)
    assert solution.stopped_because.startswith("converged") and len(solution.history["loss"]) < 400


@pytest.mark.parametrize("optimiser", METHODS)
def test_a_training_that_has_run_its_iterations_says_so(optimiser):
    solution = run(Beam(), stages=[steps(3, "adam"), steps(4, optimiser)], network=KAN(width=[1], degree=5))
    assert solution.stopped_because == "iterations: the last stage has run its 4 iterations"
    assert len(solution.history["loss"]) == 7


def test_an_interrupt_returns_the_solution_so_far():
    watcher = Watcher(interrupt_after=7)
    solution = run(Rod(), callbacks=[watcher])
    assert solution.stopped_because.startswith("interrupted")
    assert solution.record["iterations"] == 7 and len(solution.history["loss"]) == 7
    assert torch.equal(solution.model.vector, watcher.trainer.phase.current.vector) and watcher.calls[-1] == "end"
    assert np.isfinite(solution(x=0.5, t=0.5))


def test_an_interrupt_in_the_middle_of_a_step_leaves_the_step_before():
    """Ctrl-C comes while a trial is under way, its parameters in the network."""
    calls = []

    class Interrupted(Beam):
        def residual(self, u, x):
            calls.append(None)
            if len(calls) == 98:
                raise KeyboardInterrupt
            return super().residual(u, x)

    watcher = Watcher()
    solution = run(Interrupted(), network=KAN(width=[2], degree=5, intervals=4), callbacks=[watcher])
    assert solution.stopped_because.startswith("interrupted") and watcher.records
    assert torch.equal(vector(solution), watcher.trainer.phase.vector)
    fresh = run(Beam(), solution.record["iterations"], KAN(width=[2], degree=5, intervals=4))
    assert torch.equal(vector(solution), vector(fresh))


def test_callbacks_see_the_course_of_a_training():
    watcher = Watcher()
    solution = run(Rod(), 4, callbacks=[watcher], checkpoint_seconds=0)
    assert watcher.calls == ["start", *["iteration", "checkpoint"] * 4, "end"]
    seen = {name: [record[name] for record in watcher.records] for name in watcher.records[0]}
    seen["error"][-1] = solution.relative_l2(Comparison(solution.problem, 65))  # measured again at the end
    assert seen == solution.history
    assert watcher.records[-1]["iteration"] == 4 and watcher.records[-1]["parameters"] == solution.model.size
    assert {"seconds", "loss", "damping", "rms/residual", "rms/start", "rms/ends"} <= watcher.records[0].keys()


def test_the_history_knows_the_error_where_there_is_a_solution_to_compare_with():
    assert run(Rod(), 4).history["error"][0] > 0
    assert np.isnan(run(Pendulum(), 4, KAN(width=[2], degree=5, intervals=4)).history["error"]).all()


def test_a_built_network_is_where_training_starts_and_stays_as_it_is():
    network = small().build([0, 0], [1, 1], 1, seed=5)
    before = copy.deepcopy(network.state_dict())
    one, other = (run(Rod(), 6, network, seed=3) for _ in range(2))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(vector(one), vector(other)) and one.network is not network
    start = Watcher(interrupt_after=1)
    assert run(Rod(), 6, network, seed=3, callbacks=[start]).history["loss"] == one.history["loss"][:1]


def test_a_solution_is_a_start_for_another_training():
    first = run(Rod(), 30)
    second = run(Rod(diffusivity=0.31), 10, first.network)
    assert second.history["loss"][0] < first.history["loss"][0] / 100
    assert second.errors()["relative_l2"] < 1e-3


def test_settings_of_a_network_are_left_as_they_are():
    network = KAN(width=[2])
    run(Beam(), 2, network)
    assert not network.built and network.degree is None


def test_a_network_of_another_shape_is_refused():
    with pytest.raises(ConfigurationError, match="expected a network with 1 inputs and 1 outputs for beam, got one"):
        run(Beam(), 2, small().build([0, 0], [1, 1], 1))


@pytest.mark.parametrize("prebuilt", [False, True])
def test_a_degree_without_the_derivatives_that_are_needed_is_refused(prebuilt):
    network = KAN(width=[2], degree=2, intervals=4)
    if prebuilt:
        network.build([-1], [2], 1)
    with pytest.raises(ConfigurationError, match="expected splines of degree at least 3 for order 2 in residual, got"):
        run(Beam(), 2, network)


def test_a_budget_that_ends_in_the_preparation_leaves_a_march_to_go_on_with(monkeypatch):
    problem = load_problem("heat")
    groups = {"network": {"intervals": 200}, "training": {"budget_seconds": 1e-9}, "sampling": {}}
    settings = Settings.read({**groups, "seed": 0, "device": "cpu", "dtype": "float64"})
    trainer = Trainer(problem, settings)
    monkeypatch.setattr("kanpde.training.trainer.LATE_SECONDS", 0.0)
    solution = trainer.run()
    assert solution.stopped_because.startswith("budget") and solution.verdict == "failed" and trainer.iteration == 0
    more = settings.with_training({"budget_seconds": None, "target": 1e-3})
    assert Trainer.restored(trainer.checkpoint(), problem, more).run().errors()["relative_l2"] < 1e-3
