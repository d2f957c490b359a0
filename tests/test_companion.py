"""The companion of a solution: it is enclosed as it is, and it makes proved bounds close."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kanpde import Problem, solve
from kanpde.bench.spoiled import CASES, USUAL, spoiled_solutions, true_error
from kanpde.calculus.jets import JetPlan
from kanpde.marching.audit.bound import error_bound
from kanpde.marching.audit.companion import Companion, companion_of, evaluated
from kanpde.marching.audit.enclosed import Enclosed
from kanpde.marching.audit.wave_bound import WaveProof
from kanpde.marching.axes import SplineAxis
from kanpde.marching.tensor_product import TensorProduct


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof is not given up on a busy machine."""
    monkeypatch.setattr("kanpde.marching.audit.bound.SECONDS", 1000.0)


@pytest.mark.parametrize("periodic", [False, True])
def test_its_models_are_the_splines(periodic: bool) -> None:
    ends = np.array([0.0, 0.3, 0.5, 0.6, 1.0]), np.array([-1.0, 0.0, 2.0])
    axes = (SplineAxis(ends[0], 5, periodic), SplineAxis(ends[1], 5))
    space = TensorProduct(axes)
    companion = Companion(axes, np.random.default_rng(0).normal(size=(*space.shape, 1)))
    cells = [(each[:-1], each[1:]) for each in ends]
    (jet,) = companion.jets(cells, [(0, 0), (0, 1)])
    points = np.random.default_rng(1).uniform([0, -1], [1, 2], (50, 2))
    plan = JetPlan(2, [(0, 0), (0, 1)])
    exact = space.local(torch.as_tensor(points), plan).jets(torch.as_tensor(companion.coefficients.reshape(-1, 1)))
    for partial in plan.partials:
        places = []
        for (low, high), x in zip(cells, points.T, strict=True):
            cell = np.searchsorted(high, x)
            places.append((cell, (2 * x - (low + high)[cell]) / (high - low)[cell]))
        found = evaluated(jet[partial], places, False)
        errors = np.abs(found - exact[:, plan.index[partial], 0].numpy())
        assert (errors <= jet[partial].error[places[0][0], places[1][0]] + 1e-10 * np.abs(found).max()).all()


def made(name: str) -> tuple[Problem, Enclosed]:
    problem = CASES[name].problem(USUAL)
    return problem, Enclosed(problem, solve(problem, device="cpu").model)


def test_it_takes_most_of_the_residual_away_and_is_as_large_as_the_error() -> None:
    problem, enclosed = made("damped")
    companion = companion_of(enclosed)
    assert companion is not None
    better = enclosed.with_added(companion)
    left = [float(WaveProof(each).residual.max()) for each in (enclosed, better)]
    assert left[1] <= 1e-2 * left[0]
    truth = true_error(problem, enclosed.model)
    assert 0.5 * truth <= better.moved <= 2 * truth + 1e-14


@pytest.mark.parametrize("name", ["damped", "klein_gordon", "heat", "cubic"])
def test_the_bound_is_close_to_the_true_error(name: str) -> None:
    problem, enclosed = made(name)
    bound, steps = error_bound(problem, enclosed.model)
    assert bound is not None, steps
    truth = true_error(problem, enclosed.model)
    assert truth <= bound <= 300 * truth
    assert "companion" in steps[0]


def test_no_bound_of_a_spoiled_solution_is_below_its_true_error() -> None:
    found = list(spoiled_solutions(error_bound, 12, seed=1, each=4, names=("burgers", "klein_gordon", "cubic")))
    assert sum(each.bound is not None for each in found) >= 9
    assert [each for each in found if each.is_false] == []
