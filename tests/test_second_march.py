"""A march from a descent's solution: problems on which Gauss–Newton fails from zero have all their digits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from unsolved_problems import front

from kanpde import KAN, solve
from kanpde.collocation.sampling import SamplingOptions
from kanpde.errors import Ending
from kanpde.symbolic.options import SymbolicOptions
from kanpde.training.second_march import GuidingDescent, SecondMarch
from kanpde.training.settings import Settings, TrainingOptions
from kanpde.training.trainer import Trainer

SETTINGS = Settings(
    KAN(), TrainingOptions(), SamplingOptions(), SymbolicOptions(enabled=False), 0, device="cpu", dtype="float64"
)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_front_that_hardly_anything_holds_is_solved(seed):
    """Steps along the valley of its places may raise the residual on their way."""
    solution = solve(front(15), device="cpu", seed=seed)
    assert solution.verdict == "solved"
    assert solution.errors()["relative_l2"] < 1e-7
    assert solution.error_estimate < 1e-7


def descending(problem):
    """A training whose marches have found nothing."""
    trainer = Trainer(problem, SETTINGS)
    trainer.phase = GuidingDescent(trainer.task, KAN())
    trainer.phase.begin()
    return trainer


@pytest.mark.parametrize("kind", [GuidingDescent, SecondMarch])
def test_a_resumed_training_takes_the_same_next_step(kind):
    whole = descending(front(15))
    while not isinstance(whole.phase, kind):
        whole._advance()
    checkpoint = whole.checkpoint()
    again = Trainer.restored(checkpoint, whole.problem, SETTINGS)
    assert isinstance(again.phase, kind)
    again.phase.begin()
    for _ in range(3):
        first, second = whole._advance(), again._advance()
        assert first.loss == second.loss
    assert torch.equal(whole.phase.current.vector, again.phase.current.vector)
    assert whole.phase.estimate == again.phase.estimate


def test_the_descent_goes_on_where_the_march_is_worse():
    trainer = descending(front(15))
    while not isinstance(trainer.phase, SecondMarch):
        trainer._advance()
    before, march = trainer.phase.before, trainer.phase
    assert march.estimate == before.estimate and march.parts() == ()
    march.march.state = replace(march.march.state, done=Ending.CONVERGED, best=None)
    trainer._advance()
    assert trainer.phase is before and before.guided
    trainer._advance()
    assert trainer.phase is before
