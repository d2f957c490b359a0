"""Learning rates of a stage: warm-up, cosine, plateau; clipping and weight decay."""

from __future__ import annotations

import json
import math

import pytest
import torch
from classic_problems import CLASSICS, F64, Function, minimise

from kanpde.errors import ConfigurationError
from kanpde.optim.first_order import adam, adamw
from kanpde.optim.least_squares import Footing, Step
from kanpde.optim.rates import PLATEAU_PATIENCE, PLATEAU_REDUCTION, RatePlan, Rates
from kanpde.training.schedule import Stage


def factors(plan, losses):
    rates, found = Rates(plan), []
    for loss in losses:
        found.append(rates.factor)
        rates.note(loss)
    return found


def test_a_warm_up_rises_linearly_and_a_cosine_falls_to_nothing():
    found = factors(RatePlan("cosine", warmup=4, iterations=24), [1.0] * 24)
    assert found[:4] == [0.25, 0.5, 0.75, 1.0]
    assert found[4:] == pytest.approx([(1 + math.cos(math.pi * k / 20)) / 2 for k in range(20)])


def test_a_plateau_halves_the_rate_once_the_loss_has_stood_still():
    falling = [0.9**k for k in range(30)]
    assert factors(RatePlan("plateau"), falling) == [1.0] * 30
    standing = factors(RatePlan("plateau"), [1.0] * (2 * PLATEAU_PATIENCE + 2))
    assert standing[: PLATEAU_PATIENCE + 1] == [1.0] * (PLATEAU_PATIENCE + 1)
    assert standing[PLATEAU_PATIENCE + 1 :][0] == PLATEAU_REDUCTION and standing[-1] == PLATEAU_REDUCTION**2


def test_the_steps_of_an_epoch_count_as_one_iteration():
    whole = factors(RatePlan("plateau"), [1.0] * 30)
    batches = factors(RatePlan("plateau", steps=3), [0.5, 1.5, 1.0] * 30)
    assert batches[::3] == whole
    assert factors(RatePlan("constant", warmup=2, steps=3), [1.0] * 6) == pytest.approx([k / 6 for k in range(1, 7)])


@pytest.mark.parametrize("kind", ["constant", "cosine", "plateau"])
def test_a_schedule_goes_on_from_its_state(kind):
    plan = RatePlan(kind, warmup=3, iterations=60, steps=2)
    losses = [1 + math.sin(k) for k in range(60)]
    one, other = Rates(plan), Rates(plan)
    for loss in losses[:31]:
        one.note(loss)
    other.restore(json.loads(json.dumps(one.state())))
    for loss in losses[31:]:
        assert one.factor == other.factor
        one.note(loss)
        other.note(loss)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_adam_and_adamw_are_those_of_torch(decay):
    problem = CLASSICS["rosenbrock"]
    parameter = torch.nn.Parameter(problem.start.clone())
    reference = torch.optim.AdamW([parameter], lr=0.02, weight_decay=decay)
    for step in minimise(adamw(0.02, decay) if decay else adam(0.02), problem, 25):
        parameter.grad = problem.gradient(parameter.detach())[1]
        reference.step()
        assert torch.allclose(step.vector, parameter.detach(), rtol=1e-12, atol=1e-12)


def test_a_clipped_gradient_has_the_given_length():
    seen = []

    class Watched(type(adam())):
        def direction(self, gradient, shapes):
            seen.append(gradient.norm())
            return super().direction(gradient, shapes)

    problem = CLASSICS["rosenbrock"]
    Watched(0.01, gradient_clip=0.5).step(problem, problem.start)
    Watched(0.01, gradient_clip=1e9).step(problem, problem.start)
    assert float(seen[0]) == pytest.approx(0.5) and float(seen[1]) == float(problem.gradient(problem.start)[1].norm())


def test_unknown_constants_do_not_decay():
    problem = Function(lambda x: 0 * x, [1.0, 1.0, 1.0])
    problem.constants = 1
    after = adamw(0.1, 0.5).step(problem, problem.start).vector
    assert after.tolist() == pytest.approx([0.95, 0.95, 1.0])


def test_a_step_whose_loss_comes_later_is_undone_when_that_is_not_finite():
    start, bad = torch.zeros(1, dtype=F64), torch.ones(1, dtype=F64)
    footing = Footing(start, start)
    assert footing.take(Step(bad, 1.0, lags=True)) and torch.equal(footing.vector, bad)
    assert not footing.take(Step(2 * bad, math.nan, lags=True)) and torch.equal(footing.vector, start)


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ({"optimiser": "adam", "weight_decay": 0.1}, "adamw"),
        ({"optimiser": "lbfgs", "schedule": "cosine"}, "no schedule"),
        ({"optimiser": "gauss_newton", "gradient_clip": 1.0}, "no gradient_clip"),
        ({"optimiser": "adamw", "schedule": "cosin"}, "did you mean"),
        ({"optimiser": "adamw", "iterations": 5, "warmup": 5}, "below"),
        ({"optimiser": "adamw", "warmup": -1}, "at least 0"),
        ({"optimiser": "adamw", "gradient_clip": 0}, "positive"),
        ({"optimiser": "adamw", "l1": -1}, "at least 0"),
    ],
)
def test_options_that_a_stage_cannot_have_are_refused(stage, words):
    with pytest.raises(ConfigurationError, match=words):
        Stage.of(stage)
