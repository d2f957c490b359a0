"""Networks as estimators of scikit-learn, which must be installed to import this file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kanpde.errors import ConfigurationError
from kanpde.network.kan import KAN
from kanpde.problem.regression import Regression
from kanpde.solution import Solution
from kanpde.training.fitting.fit import fit

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, check_random_state, validate_data
except ImportError:
    raise ConfigurationError(
        "expected scikit-learn for KANRegressor and KANClassifier, got none; pip install scikit-learn, or use fit"
    ) from None

SHARPNESS = np.logspace(-1, 2, 31)  # factors among which that of a classifier's probabilities is chosen


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """The parameters of both estimators, and the fit of a network to standardised numbers."""

    def __init__(
        self,
        width: Any = None,
        degree: int | None = None,
        intervals: Any = None,
        training: Mapping[str, Any] | None = None,
        random_state: Any = 0,
    ) -> None:
        self.width, self.degree, self.intervals = width, degree, intervals
        self.training, self.random_state = training, random_state

    def _fitted(self, x: Any, values: Any) -> Solution:
        seed = self.random_state
        if not (isinstance(seed, int) and not isinstance(seed, bool)):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        network = KAN(width=self.width, degree=self.degree, intervals=self.intervals)
        return fit(x, values, network, seed=seed, training=self.training)


class KANRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A Kolmogorov–Arnold network that is fitted by least squares, see `kanpde.fit`.

    `width`, `degree` and `intervals` are those of `KAN`, `training` the settings of `fit`. `solution_` is the fitted
    function; ``model.solution_.symbolify()`` looks for its formula.
    """

    def fit(self, X: Any, y: Any) -> KANRegressor:
        """Fit the network to X (n, d) and y (n,) or (n, m)."""
        x, values = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=np.float64)
        self.solution_ = self._fitted(x, values)
        self._flat = values.ndim == 1
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = tags.target_tags.multi_output = True
        return tags

    def predict(self, X: Any) -> Any:
        """Return the values (n,) or (n, m) at X (n, d)."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=np.float64)
        found = self.solution_(x)
        return found if self._flat or found.ndim == 2 else found[:, None]


class KANClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A Kolmogorov–Arnold network that is fitted to the classes' indicators, 1 for the class and 0 for the others.

    The fit is by least squares, so that the network estimates the probability of every class; the class with the
    largest value is predicted. The probabilities are a softmax of the values times a sharpness, which is chosen to make
    the samples that the fit has not seen most likely (temperature scaling: Guo et al., "On calibration of modern neural
    networks", ICML 2017).
    """

    def fit(self, X: Any, y: Any) -> KANClassifier:
        """Fit the network to X (n, d) and classes y (n,)."""
        x, classes = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(classes)
        self.classes_, numbers = np.unique(classes, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier can't train when only one class is present, got {self.classes_[0]}")
        indicators = np.eye(len(self.classes_))[numbers]
        self.solution_ = self._fitted(x, indicators[:, 1:])  # the first one is 1 less the others
        problem = self.solution_.problem
        assert isinstance(problem, Regression)
        points, chosen = problem.unseen
        self.sharpness_ = sharpness(self._values(points), with_first(chosen).argmax(axis=1))
        return self

    def _values(self, x: Any) -> Any:
        """Return the estimated indicators of all classes, (n, classes)."""
        return with_first(self.solution_(x).reshape(len(x), -1))

    def predict_proba(self, X: Any) -> Any:
        """Return the probabilities of the classes at X (n, d), in the order of ``classes_``: (n, classes)."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=np.float64)
        return softmax(self.sharpness_ * self._values(x))

    def predict(self, X: Any) -> Any:
        """Return the most probable class at X (n, d), (n,)."""
        numbers = self.predict_proba(X).argmax(axis=1)
        return self.classes_[numbers]


def with_first(indicators: Any) -> Any:
    """Return the indicators (n, classes) of all classes from those of all but the first."""
    return np.column_stack([1 - indicators.sum(axis=1), indicators])


def sharpness(values: Any, numbers: Any) -> float:
    """Return the factor for which a softmax of the values (n, classes) makes the classes' numbers (n,) most likely."""
    rows = np.arange(len(numbers))
    likelihoods = [np.log(softmax(factor * values)[rows, numbers] + 1e-300).mean() for factor in SHARPNESS]
    return float(SHARPNESS[int(np.argmax(likelihoods))])


def softmax(values: Any) -> Any:
    """Return exp v / Σ exp v of every row."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
