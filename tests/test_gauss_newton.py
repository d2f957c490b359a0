"""Gauss–Newton on classic problems with SciPy as the oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from classic_problems import CLASSICS, F64, MATRIX, MINIMA, RIGHT, Function, kowalik_osborne, minimise
from optimisers import logarithm

from kanpde.optim.gauss_newton import FLOOR, MAX_DAMPING, MIN_DAMPING, MIN_REDUCTION_RATIO, GaussNewton, Search

classic = pytest.mark.parametrize("name", CLASSICS)


@pytest.mark.parametrize("name", MINIMA)
def test_the_oracle_finds_the_published_minimum(name):
    assert CLASSICS[name].oracle()[1] == pytest.approx(MINIMA[name], rel=1e-5, abs=1e-20)


@classic
def test_gauss_newton_finds_the_minimum(name):
    problem = CLASSICS[name]
    x, loss = problem.oracle()
    last = minimise(GaussNewton(), problem, 100)[-1]
    assert last.loss <= loss * (1 + 1e-10) + 1e-24
    # Near the singular solution of Powell's function the loss is a fourth power.
    assert np.allclose(last.vector, x, rtol=1e-5, atol=1e-5)


@classic
def test_gauss_newton_never_loses_and_keeps_its_promise(name):
    problem = CLASSICS[name]
    before = problem.loss(problem.start)
    for step in minimise(GaussNewton(), problem, 100):
        assert step.loss <= before and step.loss == problem.loss(step.vector)
        assert not step.accepted or step.ratio >= MIN_REDUCTION_RATIO
        assert 1 <= step.probes <= 16
        before = step.loss


def test_one_bold_step_solves_a_linear_problem():
    problem = CLASSICS["linear"]
    step = GaussNewton().step(problem, problem.start)
    best = np.linalg.lstsq(MATRIX.numpy(), RIGHT.numpy(), rcond=None)[0]
    assert np.allclose(step.vector, best, rtol=1e-10, atol=1e-10)
    assert step.damping < 1e-10 and step.ratio == pytest.approx(1, rel=1e-10)


@pytest.mark.parametrize("name", ["rosenbrock", "powell"])
def test_a_step_is_bent_by_half_the_geodesic_acceleration(name):
    """Dense algebra and exact second derivatives; the finite difference is exact for a quadratic residual."""
    problem, vector = CLASSICS[name], CLASSICS[name].start
    bent = 0
    for step in (step for step in minimise(GaussNewton(), problem, 8) if step.accepted):
        jacobian, residual = problem.jacobian(vector), problem.residual(vector)
        squares = jacobian.square().sum(dim=0)
        scale = squares + FLOOR * squares.max()
        system = jacobian.T @ jacobian + step.damping * torch.diag(scale)
        straight = torch.linalg.solve(system, -jacobian.T @ residual)
        second = torch.func.jacrev(torch.func.jacrev(problem.residual))(vector)
        along = torch.einsum("nij,i,j->n", second, straight, straight)
        acceleration = torch.linalg.solve(system, -jacobian.T @ along)
        expected = straight + acceleration / 2 if step.accelerated else straight
        assert torch.allclose(step.vector - vector, expected, rtol=1e-6, atol=1e-9)
        predicted = residual.square().sum() - (jacobian @ straight + residual).square().sum()
        assert step.ratio == pytest.approx(float((residual.square().sum() - step.loss) / predicted), rel=1e-6)
        bent += step.accelerated
        vector = step.vector
    assert bent >= 2


@pytest.mark.parametrize("cut", [1, 2, 7])
def test_a_streamed_jacobian_takes_the_same_steps(cut):
    whole = minimise(GaussNewton(), Function(kowalik_osborne, [0.25, 0.39, 0.415, 0.39]), 6)
    streamed = minimise(GaussNewton(), Function(kowalik_osborne, [0.25, 0.39, 0.415, 0.39], keep=False, cut=cut), 6)
    for one, other in zip(whole, streamed, strict=True):
        assert torch.allclose(one.vector, other.vector, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "problem",
    [
        Function(lambda x: x[:1] * x[1:2] - 1, [3.0, 0.1, -2.0]),
        Function(lambda x: torch.stack([x[0] + x[1] - 2, 2 * x[0] + 2 * x[1] - 4, x[2].exp() - 1]), [0.0, 0.5, 2.0]),
    ],
    ids=["fewer equations than unknowns", "a Jacobian of lower rank"],
)
def test_gauss_newton_finds_one_of_many_solutions(problem):
    last = minimise(GaussNewton(), problem, 30)[-1]
    assert last.loss < 1e-28 and torch.isfinite(last.vector).all()


def test_at_a_solution_nothing_moves():
    there = torch.ones(2, dtype=F64)
    step = GaussNewton().step(CLASSICS["rosenbrock"], there)
    assert not step.accepted and torch.equal(step.vector, there) and step.loss == 0


def test_gauss_newton_steps_around_what_is_not_finite():
    taken = minimise(GaussNewton(damping=1e-12), logarithm(), 40)
    assert all(math.isfinite(step.loss) and torch.isfinite(step.vector).all() for step in taken)
    assert taken[0].accepted and taken[0].probes > 1
    assert float(taken[-1].vector) == pytest.approx(1, abs=1e-12)


def test_gauss_newton_stays_where_nothing_is_finite():
    start = torch.tensor([-1.0], dtype=F64)
    step = GaussNewton().step(logarithm(), start)
    assert not step.accepted and torch.equal(step.vector, start) and math.isnan(step.loss)


def test_gauss_newton_retreats_to_more_damping_and_not_beyond_the_most():
    method, problem = GaussNewton(), CLASSICS["rosenbrock"]
    bold = method.step(problem, problem.start)
    method.retreat()
    assert method.damping > 100 * bold.damping
    for _ in range(40):
        method.retreat()
    assert method.damping == MAX_DAMPING


@pytest.mark.parametrize("damping", [MIN_DAMPING, 3 * MIN_DAMPING, 5 * MIN_DAMPING, MAX_DAMPING / 3, MAX_DAMPING])
@pytest.mark.parametrize("uphill", [False, True])
def test_dampings_stay_in_their_range(damping, uphill, monkeypatch):
    """Whether every trial gains and the search goes down, or none does and it goes up."""
    tried, trial = [], Search.trial
    monkeypatch.setattr(Search, "trial", lambda self, d: tried.append(d) or (None if uphill else trial(self, d)))
    step = GaussNewton(damping).step(CLASSICS["linear"], CLASSICS["linear"].start)
    assert all(MIN_DAMPING <= d <= MAX_DAMPING for d in [*tried, step.damping])
    assert tried[-1] in (MIN_DAMPING, MAX_DAMPING) or len(tried) == 16
