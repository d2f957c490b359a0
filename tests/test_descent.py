"""Descents: bounds on the errors of small solves, knots inserted, and numbers that are not finite."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from equations import Plate, Swing
from trainings import Beam, Rod, Watcher, run, steps, vector

from kanpde import KAN, load_problem
from kanpde.geometry.box import Box
from kanpde.problem.conditions import Data, Dirichlet
from kanpde.problem.problem import Problem


class Sought(Rod):
    """The diffusivity is to be found from the solution with 0.3."""

    unknowns = {"rate": 1.0}

    def residual(self, u, rate):
        return u.t - rate * u.xx

    def conditions(self):
        points = np.random.default_rng(0).random((60, 2))
        return {**super().conditions(), "data": Data(points, Rod().exact_values(points))}


class Cliff(Problem):
    """The conditions drag the field to −10, over the edge at −3 where the equation has no more real numbers."""

    domain = Box(x=(0, 1))

    def residual(self, u):
        return u.xx + torch.sqrt(u + 3)

    def conditions(self):
        return {"ends": Dirichlet(-10)}


class Growth(Problem):
    """A network starts around zero, and below it there is no logarithm."""

    domain = Box(x=(0, 1))

    def residual(self, u):
        return u.x + torch.log(u)

    def conditions(self):
        return {"start": Dirichlet(1, on="x-")}


class Shy(Problem):
    """u' = x, which is a number at few points, such as those of a training, and none at many, such as fresh ones."""

    domain = Box(x=(0, 1))

    def residual(self, u, x):
        return u.x - (x if len(x) <= 64 else math.nan * x)

    def conditions(self):
        return {"start": Dirichlet(0, on="x-")}


def test_heat_is_solved():
    errors = run(load_problem("heat", diffusivity=0.3), 60).errors()
    assert errors["relative_l2"] < 1e-4 and errors["max_error"] < 1e-4 and errors["relative_h1"] < 1e-3


def test_a_boundary_value_problem_on_a_line_is_solved():
    solution = run(Beam(), 30, KAN(width=[(2, 1)], degree=7, intervals=[12, 3]))
    assert solution.errors()["relative_l2"] < 1e-6


def test_a_system_is_solved():
    solution = run(Swing(), 30, KAN(width=[3], degree=7, intervals=[8, 3]))
    assert solution.errors()["relative_l2"] < 1e-6
    assert solution.model.network.architecture()["outputs"] == 2


def test_a_constant_is_found_from_measurements():
    solution = run(Sought(), 60)
    assert solution.unknowns["rate"] == pytest.approx(0.3, rel=1e-4)
    assert solution.history["unknown/rate"][-1] == solution.unknowns["rate"]


def test_two_coordinates_in_space_and_time_are_solved():
    network = KAN(width=[(0, 3)], degree=5, intervals=[4, 2])
    solution = run(Plate(), 60, network, sampling={"interior": 600, "boundary": 200})
    assert solution.errors()["relative_l2"] < 1e-2


def test_hard_conditions_hold_to_round_off():
    solution = run(Rod(hard=True), 40)
    assert solution.errors()["relative_l2"] < 1e-4
    xs, ts = np.linspace(0, 1, 33), np.linspace(0, 1, 17)
    assert np.abs(solution(x=xs, t=0.0) - np.sin(np.pi * xs)).max() < 1e-15
    assert np.abs(solution(x=np.array([0.0, 1.0])[:, None], t=ts)).max() < 1e-15
    assert solution.rms()["start"] < 1e-15 and solution.rms()["ends"] < 1e-15


STAGES = {"gauss_newton": steps(10), "lbfgs": steps(7, "lbfgs"), "adam": steps(80, "adam", learning_rate=2e-2)}
every_optimiser = pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)


@every_optimiser
def test_single_precision_is_trained_and_stays(stage):
    solution = run(Rod(), stages=[stage], dtype="float32")
    losses = solution.history["loss"]
    assert losses[-1] < losses[0] / 4
    assert {p.dtype for p in solution.model.parameters()} == {torch.float32}
    assert solution(x=0.5, t=0.5).dtype == np.float32 and solution.metrics()["dtype"] == "float32"


@every_optimiser
def test_every_optimiser_reduces_the_loss(stage):
    solution = run(Rod(), stages=[stage], resample_every=0)
    losses = solution.history["loss"]
    assert len(losses) == stage["iterations"] and losses[-1] < losses[0] / 4
    assert math.sqrt(losses[-1]) > solution.errors()["relative_l2"] / 100


def test_stages_follow_each_other():
    solution = run(Rod(), stages=[steps(30, "adam", learning_rate=1e-2), steps(5, "lbfgs"), steps(15)])
    assert solution.history["stage"] == [1] * 30 + [2] * 5 + [3] * 15
    assert solution.errors()["relative_l2"] < 1e-3


def test_knots_are_refined_until_the_limit_and_the_error_falls():
    coarse = KAN(width=[1], degree=5, intervals=[2, 1])
    before, after = (run(Beam(), 60, coarse, max_parameters=limit) for limit in (0, 40))
    parameters = after.history["parameters"]
    assert set(before.history["parameters"]) == {parameters[0]}
    assert parameters[0] < parameters[-1] <= 40 and after.model.size == parameters[-1]
    assert after.errors()["relative_l2"] < before.errors()["relative_l2"] / 3


def test_numbers_that_are_not_finite_are_stepped_back_from():
    """A first-order method walks over the edge; each time it is put back and told to be more careful."""
    watcher = Watcher()
    solution = run(
        Cliff(), stages=[steps(500, "adam", learning_rate=3.0)], network=KAN(width=[2], degree=5), callbacks=[watcher]
    )
    assert solution.stopped_because.startswith("diverged: the residual is not finite")
    losses = np.array(solution.history["loss"])
    assert np.isnan(losses).any() and np.isfinite(losses).any()
    assert torch.isfinite(vector(solution)).all()
    assert np.isfinite(solution(x=np.linspace(0, 1, 50))).all()


def test_gauss_newton_never_goes_where_nothing_is_finite():
    solution = run(Cliff(), 30, KAN(width=[2], degree=5, intervals=4), resample_every=0)
    assert np.isfinite(solution.history["loss"]).all() and not solution.stopped_because.startswith("diverged")
    assert np.isfinite(solution.history["rms/residual"]).all()
    assert np.isfinite(solution(x=np.linspace(0, 1, 50))).all()


@pytest.mark.parametrize("stages", [[steps(None)], [steps(3)]], ids=["open", "few iterations"])
def test_an_equation_without_numbers_from_the_start_has_diverged(stages):
    solution = run(Growth(), stages=stages, network=KAN(width=[2], degree=5, intervals=4), resample_every=0)
    assert solution.stopped_because.startswith("diverged") and np.isnan(solution.history["loss"]).all()
    assert len(solution.history["loss"]) < 10 and torch.isfinite(vector(solution)).all()


def test_an_equation_without_numbers_at_fresh_points_keeps_its_points_and_has_diverged():
    watcher = Watcher()
    network, sampling = KAN(width=[1], degree=5, intervals=2), {"interior": 20}
    solution = run(Shy(), None, network, sampling=sampling, callbacks=[watcher], max_parameters=0)
    assert np.isfinite(solution.history["loss"]).all() and watcher.exchanges == []
    assert set(watcher.trainer.phase.course.checks) == {math.inf}
    assert solution.stopped_because.startswith("diverged")


def test_gauss_newton_goes_on_where_fresh_points_see_numbers_that_are_not_finite():
    solution = run(Cliff(), None, KAN(width=[2], degree=5, intervals=4))
    assert solution.stopped_because.startswith("diverged") and np.isfinite(solution.history["loss"][:5]).all()
    assert torch.isfinite(vector(solution)).all()
