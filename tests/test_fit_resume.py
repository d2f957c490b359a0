"""A fit that was interrupted goes on exactly where it stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kanpde import KAN, MLP, files, fit
from kanpde.errors import ConfigurationError
from kanpde.training.fitting.fit import resume_fit

BATCHES = [{"optimiser": "adam", "iterations": 12}, {"optimiser": "gauss_newton"}]


class Interrupted:
    """Writes the checkpoint of an iteration, and ends the training there if it is asked to."""

    def __init__(self, path: Path, after: int) -> None:
        self.path, self.after = path, after

    def on_start(self, trainer):
        pass

    def on_iteration(self, record):
        if record["iteration"] == self.after:
            raise KeyboardInterrupt

    def on_checkpoint(self, trainer):
        pass

    def on_end(self, trainer):
        files.write(self.path, *trainer.state())


def samples(count=150):
    x = np.random.default_rng(0).uniform(-1, 1, (count, 2))
    return x, np.sin(3 * x[:, 0]) * np.exp(x[:, 1]) + np.random.default_rng(1).normal(0, 0.01, count)


@pytest.mark.parametrize(
    ("network", "training", "after"),
    [
        (None, {}, 3),  # the first network of the search for the width
        (KAN(width=[2], degree=3, intervals=3), {}, 60),  # a later one
        (KAN(width=[2], degree=3, intervals=3), {"stages": BATCHES, "batch_size": 40, "l1": 1e-4}, 5),
        (KAN(width=[2], degree=3, intervals=3), {"stages": BATCHES, "batch_size": 40}, 14),  # in the second stage
        (KAN(width=[2]).build([-1, -1], [1, 1], 1), {"smoothness": 1e-4, "validation": 0.0}, 4),
        (MLP(width=[4]), {"stages": [{"optimiser": "ssbroyden", "iterations": 20}]}, 9),
    ],
)
def test_a_fit_goes_on_to_the_last_bit(tmp_path, network, training, after):
    whole = fit(*samples(), network, training=training, seed=3)
    cut = fit(*samples(), network, training=training, seed=3, callbacks=[Interrupted(tmp_path / "check", after)])
    assert cut.stopped_because.startswith("interrupted") and cut.record["iterations"] == after
    again = resume_fit(tmp_path / "check")
    assert again.record["iterations"] == whole.record["iterations"] > after
    assert again.history["loss"] == whole.history["loss"] and again.stopped_because == whole.stopped_because
    assert torch.equal(again.model.vector, whole.model.vector) and again.record["fit"] == whole.record["fit"]


def test_a_file_that_is_no_checkpoint_of_a_fit_is_refused(tmp_path):
    fit(*samples(), KAN(width=[1]), training={"smoothness": 1e-3}).save(tmp_path / "fit.kan")
    with pytest.raises(ConfigurationError, match="expected a checkpoint of a fit at .*fit.kan"):
        resume_fit(tmp_path / "fit.kan")
