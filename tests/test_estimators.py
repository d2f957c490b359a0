"""Networks as scikit-learn's estimators."""

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

from sklearn.datasets import load_iris  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from kanpde import KANClassifier, KANRegressor  # noqa: E402
from kanpde.training.fitting.estimators import sharpness, softmax  # noqa: E402

QUICK = {"width": [2], "degree": 3, "intervals": 2, "training": {"smoothness": 1e-3, "max_parameters": 0}}


@parametrize_with_checks([KANRegressor(**QUICK), KANClassifier(**QUICK)])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_a_regressor_learns_from_two_hundred_samples():
    x = np.random.default_rng(0).uniform(-2, 2, (400, 2))
    y = np.sin(x[:, 0]) * np.exp(-(x[:, 1] ** 2))
    assert KANRegressor().fit(x[:200], y[:200]).score(x[200:], y[200:]) > 0.99


def test_classes_are_recognised_and_cross_validated():
    x, y = load_iris(return_X_y=True)
    scores = cross_val_score(KANClassifier(width=[2], degree=3, intervals=3), x, y, cv=3)
    assert scores.mean() > 0.9


def test_probabilities_are_calibrated():
    x = np.random.default_rng(1).uniform(-1, 1, (600, 1))
    chance = 0.5 + 0.4 * np.sin(2 * x[:, 0])
    y = np.where(np.random.default_rng(2).uniform(size=600) < chance, "yes", "no")
    found = KANClassifier(width=[1]).fit(x, y).predict_proba(x)
    assert np.allclose(found.sum(axis=1), 1) and np.abs(found[:, 1] - chance).mean() < 0.08


def test_the_sharpness_is_the_most_likely_one():
    values = np.random.default_rng(0).normal(size=(4000, 3))
    chances = softmax(3.0 * values)
    numbers = np.array([np.random.default_rng(k).choice(3, p=p) for k, p in enumerate(chances)])
    assert 2.4 < sharpness(values, numbers) < 3.8
