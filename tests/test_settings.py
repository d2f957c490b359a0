"""Settings: the same after they have been written, and changed without being touched."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from trainings import Beam, run

from kanpde import KAN, solve
from kanpde.errors import ConfigurationError
from kanpde.training.schedule import Stage
from kanpde.training.settings import Settings, TrainingOptions

GROUPS = {
    "network": {"width": [[0, 3], 4], "degree": 5},
    "training": {"stages": [{"optimiser": "adam", "iterations": 3, "learning_rate": 0.1}, {"optimiser": "lbfgs"}]},
    "sampling": {"interior": 100},
    "symbolic": {"functions": ["exp", "sin"]},
    "seed": 3,
    "device": "cpu",
    "dtype": "float32",
}


def test_settings_are_the_same_after_they_have_been_written():
    settings = Settings.read(GROUPS)
    again = Settings.read(json.loads(json.dumps(settings.to_json())))
    assert replace(again, network=settings.network) == settings
    assert again.to_json() == settings.to_json() and again.network.width == settings.network.width == ((0, 3), (4, 0))
    assert settings.training.stages == (Stage("adam", 3, 0.1), Stage("lbfgs"))


def test_some_settings_of_the_training_can_be_changed():
    settings = Settings.read(GROUPS)
    changed = settings.with_training({"budget_seconds": 5})
    assert changed.training == replace(settings.training, budget_seconds=5) and settings.training.budget_seconds is None
    assert replace(changed, training=settings.training) == settings
    with pytest.raises(ConfigurationError, match="unknown setting training.buget_seconds; did you mean 'budget_seco"):
        settings.with_training({"buget_seconds": 5})


def test_no_formula_is_looked_for_if_the_group_is_left_out():
    groups = {name: group for name, group in GROUPS.items() if name != "symbolic"}
    assert not Settings.read(groups).symbolic.enabled


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network": {"depth": 3}}, "unknown argument 'depth' of KAN; did you mean 'width'?"),
        ({"network": {"kind": "mlp", "deep": 3}}, "expected the settings of a network, got {'kind': 'mlp', 'deep': 3}"),
        ({"sampling": 5}, "expected sampling as settings by name such as interior, got 5"),
        ({"seed": -1}, "expected seed to be a whole number of at least 0, got -1"),
        ({"dtype": "float8"}, "expected dtype float64 or float32, got 'float8'"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, said):
    with pytest.raises(ConfigurationError) as caught:
        Settings.read({**GROUPS, **change})
    assert said in str(caught.value)


def test_a_network_that_is_given_is_kept_as_it_is():
    network = KAN(width=[2])
    assert replace(Settings.read(GROUPS), network=network).network is network


BAD = [
    ({"training": {"budget_seconds": -1}}, "expected training.budget_seconds to be a positive number or null, got -1"),
    ({"training": {"budget_seconds": "long"}}, "training.budget_seconds"),
    ({"training": {"target": 0}}, "expected training.target to be a positive number or null, got 0"),
    ({"training": {"target": math.inf}}, "training.target"),
    ({"training": {"max_parameters": -5}}, "expected training.max_parameters to be a number of at least 0, got -5"),
    ({"training": {"max_iterations": 0}}, "expected training.max_iterations to be a whole number of at least 1, got 0"),
    ({"training": {"resample_every": "often"}}, "training.resample_every"),
    ({"training": {"checkpoint_seconds": math.nan}}, "training.checkpoint_seconds"),
    ({"training": {"iterations": 5}}, "did you mean 'max_iterations'"),
    ({"training": {"buget_seconds": 5}}, "did you mean 'budget_seconds'"),
    ({"training": {"stages": [{"iterations": 5}]}}, "entries like {optimiser: gauss_newton}"),
    ({"training": {"stages": ["adam"]}}, "got 'adam'"),
    ({"training": {"stages": [{"optimiser": "adma"}]}}, "unknown optimiser 'adma'; did you mean 'adam'"),
    ({"training": {"stages": [{"optimiser": "adam", "rate": 1}]}}, "unknown key 'rate' in training.stages"),
    ({"training": {"stages": [{"optimiser": "adam", "iterations": 0}]}}, "expected iterations in training.stages"),
    ({"training": {"stages": [{"optimiser": "adam", "learning_rate": -1}]}}, "expected learning_rate in training"),
    (
        {"training": {"stages": [{"optimiser": "gauss_newton", "learning_rate": 1}]}},
        "no learning_rate for gauss_newton",
    ),
    (
        {"training": {"stages": []}},
        "expected training.stages to be null or a list with an entry like {optimiser: gauss",
    ),
    ({"training": {"stages": 5}}, "like {optimiser: gauss_newton}, got 5"),
    ({"training": {"stages": {"optimiser": "adam"}}}, "got {'optimiser': 'adam'}"),
    (
        {"training": {"stages": [{"optimiser": "adam", "iterations": 2.5}]}},
        "expected iterations in training.stages to be a positive whole number or null, got 2.5",
    ),
    ({"training": {"resample_every": 2.5}}, "expected training.resample_every to be a whole number of at least 0"),
    ({"training": 30}, "expected training as settings by name such as budget_seconds, got 30"),
    ({"training": 0}, "got 0"),
    ({"sampling": "sobol"}, "expected sampling as settings by name such as interior, got 'sobol'"),
    ({"sampling": {"adaptive": None}}, "expected sampling.adaptive between 0 and 0.95, got None"),
    ({"sampling": {"interior": True}}, "expected a positive number of sampling.interior points or null, got True"),
    ({"network": [5, 5]}, "expected a network such as KAN(width=[5, 5]), got [5, 5]"),
    ({"network": []}, "got []"),
    ({"problem": "heat"}, "expected a problem such as load_problem('heat'), got 'heat'"),
    ({"sampling": {"interior": -1}}, "sampling.interior"),
    ({"sampling": {"pints": 1}}, "unknown setting sampling.pints"),
    ({"seed": -1}, "expected seed to be a whole number of at least 0, got -1"),
    ({"seed": 0.5}, "got 0.5"),
    ({"seed": True}, "got True"),
    ({"device": "abacus"}, "expected device auto, cpu, cuda or cuda:N, got 'abacus'"),
    ({"dtype": "float16"}, "expected dtype float64 or float32, got 'float16'"),
]


def test_settings_that_can_be_are_taken():
    stages = [{"optimiser": "adam", "iterations": 3.0}, {"optimiser": "lbfgs"}]
    assert TrainingOptions(stages=stages, resample_every=1e1).stages[0].iterations == 3
    solution = run(Beam(), stages=stages[:1], network=KAN(width=[2]))
    assert solution.stopped_because == "iterations: the last stage has run its 3 iterations"


@pytest.mark.parametrize(("settings", "said"), BAD, ids=[str(settings) for settings, _ in BAD])
def test_settings_that_cannot_be_are_said_in_one_line(settings, said):
    with pytest.raises(ConfigurationError) as caught:
        solve(**{"problem": Beam(), "network": KAN(width=[2]), **settings})
    assert said in str(caught.value) and "\n" not in str(caught.value)
