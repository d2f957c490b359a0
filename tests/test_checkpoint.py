"""Checkpoints: what was written is read, and another problem's is refused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from trainings import Beam, Rod, Watcher, run, vector

from kanpde import KAN
from kanpde.errors import ConfigurationError, KanpdeError
from kanpde.training.trainer import resume


def test_a_checkpoint_of_another_problem_is_refused(tmp_path):
    run(Rod(), 2, callbacks=[Watcher(tmp_path / "checkpoint")])
    with pytest.raises(ConfigurationError, match="expected a checkpoint of beam at .*checkpoint"):
        resume(tmp_path / "checkpoint", Beam())


def test_a_checkpoint_of_other_parameters_is_refused(tmp_path):
    run(Rod(diffusivity=0.3), 2, callbacks=[Watcher(tmp_path / "checkpoint")])
    said = r"expected the parameters {'diffusivity': 0.4, 'hard': False} at .*checkpoint, got {'diffusivity': 0.3,"
    with pytest.raises(ConfigurationError, match=said):
        resume(tmp_path / "checkpoint", Rod(diffusivity=0.4))


@dataclass(frozen=True)
class Listed(Beam):
    ends: tuple[float, ...] = (1.0, np.float64(2.0))
    count: int = np.int64(3)


def test_parameters_are_the_same_after_they_have_been_written(tmp_path):
    before = run(Listed(), 2, KAN(width=[2]), callbacks=[Watcher(tmp_path / "checkpoint")])
    assert torch.equal(vector(before), vector(resume(tmp_path / "checkpoint", Listed())))


def test_what_is_no_checkpoint_is_refused(tmp_path):
    with pytest.raises(KanpdeError, match="got none; check the path"):
        resume(tmp_path / "nothing", Rod())
    (tmp_path / "text").write_text("not a checkpoint")
    with pytest.raises(KanpdeError, match="cannot be read"):
        resume(tmp_path / "text", Rod())
    run(Rod(), 2).save(tmp_path / "run.kan")
    with pytest.raises(ConfigurationError, match="expected a checkpoint of rod"):
        resume(tmp_path / "run.kan", Rod())


def test_a_setting_that_is_none_is_told_when_going_on_too(tmp_path):
    run(Beam(), 2, KAN(width=[2]), callbacks=[Watcher(tmp_path / "checkpoint")])
    with pytest.raises(ConfigurationError, match="unknown setting training.buget_seconds; did you mean 'budget_secon"):
        resume(tmp_path / "checkpoint", Beam(), training={"buget_seconds": 3})
