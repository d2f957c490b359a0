"""Settings: the same after they have been written, and changed without being touched."""

import json
from dataclasses import replace

import pytest

from kanpde import KAN
from kanpde.errors import ConfigurationError
from kanpde.training.schedule import Stage
from kanpde.training.settings import Settings

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
        ({"network": {"depth": 3}}, "expected the settings of a network, got {'depth': 3}"),
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
