"""Ensembles of fits: resampled data, mean and spread."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kanpde import KAN, Solution, fit
from kanpde.errors import ConfigurationError, KanpdeError
from kanpde.training.fitting.ensemble import Ensemble, resampled
from kanpde.training.fitting.samples import regression

NETWORK = KAN(width=[], degree=3, intervals=4)
ONCE = {"smoothness": 1e-6}


def noisy(count, noise=0.2):
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, count)
    return x, np.sin(3 * x) + generator.normal(0, noise, count)


def test_the_mean_and_the_spread_are_those_of_the_members():
    x, y = noisy(120)
    model = fit(x, y, NETWORK, ensemble=3, training=ONCE)
    new = np.linspace(-0.9, 0.9, 7)
    each = np.stack([member(new) for member in model])
    assert (
        len(model) == 3
        and np.allclose(model(new), each.mean(0))
        and np.allclose(model.spread(new), each.std(0, ddof=1))
    )
    assert np.ptp(each, axis=0).min() > 0
    tensor = torch.as_tensor(new)
    assert torch.allclose(model.spread(tensor), torch.as_tensor(model.spread(new)))
    assert model.metrics(new, np.sin(3 * new))["rmse"] < 0.1


def test_the_spread_is_of_the_size_of_the_error_and_falls_with_it():
    new = np.linspace(-0.9, 0.9, 101)
    spreads = []
    for count in (60, 1500):
        model = fit(*noisy(count), NETWORK, ensemble=6, training=ONCE)
        spread = float(np.sqrt(np.square(model.spread(new)).mean()))
        error = float(np.sqrt(np.square(model(new) - np.sin(3 * new)).mean()))
        assert error / 4 < spread < 4 * error
        spreads.append(spread)
    assert spreads[1] < 0.4 * spreads[0]  # 5 times as exact with 25 times as many samples


def test_a_saved_ensemble_answers_to_the_last_bit(tmp_path):
    model = fit(*noisy(120), NETWORK, ensemble=2, training=ONCE)
    model.save(tmp_path / "both.kan")
    again, new = Ensemble.load(tmp_path / "both.kan"), np.linspace(-1.2, 1.2, 9)
    assert (
        len(again) == 2
        and np.array_equal(again(new), model(new))
        and np.array_equal(again.spread(new), model.spread(new))
    )
    assert np.array_equal(again.members[1].problem.held_out_values, model.members[1].problem.held_out_values)
    model.members[0].save(tmp_path / "one.kan")
    with pytest.raises(KanpdeError, match="expected an ensemble at .*one.kan, got another file"):
        Ensemble.load(tmp_path / "one.kan")
    with pytest.raises(KanpdeError, match="expected a solution at .*both.kan"):
        Solution.load(tmp_path / "both.kan")


def test_what_is_not_drawn_is_held_out():
    x, y = noisy(500)
    problem = regression(x, y, validation=0.0, seed=0)
    member = resampled(problem, np.random.default_rng(1))
    assert len(member.points) == 500 and not np.isin(member.held_out_points, member.points).any()
    assert len(member.held_out_points) / 500 == pytest.approx(np.exp(-1), abs=0.06)
    assert member.domain is problem.domain


@pytest.mark.parametrize("members", [1, 0, 2.5, "5", 1000])
def test_a_number_of_members_that_makes_no_ensemble_is_refused(members):
    with pytest.raises(ConfigurationError, match="from 2 to 100"):
        fit(*noisy(20), NETWORK, ensemble=members)


def test_a_share_of_held_out_samples_is_refused_beside_an_ensemble():
    with pytest.raises(ConfigurationError, match="do not draw"):
        fit(*noisy(20), NETWORK, ensemble=2, training={"validation": 0.1})
