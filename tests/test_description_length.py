"""Formulas of noisy samples: the shortest description has the right structure and constants within their deviations."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from kanpde.symbolic.clock import Clock
from kanpde.symbolic.constants.description_length import Candidate, description_length, length_of, simplified
from kanpde.symbolic.constants.fit import LeastSquares, deviations
from kanpde.symbolic.constants.recognition import simplest_fraction, simplest_within
from kanpde.training.fitting.samples import regression

X = sp.Symbol("x", real=True)
A, B, C = (sp.Symbol(f"constant_{k}", real=True) for k in range(3))
COUNT = 400


def samples(noise):
    """Return x and sin(pi x) with noise."""
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, COUNT)
    return x, np.sin(np.pi * x) + noise * generator.normal(size=COUNT)


def refit_to(x, y):
    """Return the fit of expressions to samples."""
    problem = regression(x, y, validation=0, seed=0)
    rows = LeastSquares(problem)

    def refit(expressions, starts):
        fit = rows.fit(expressions[0], starts)
        spread = deviations(fit, COUNT)
        return Candidate(
            expressions, {s: fit.constants[s.name] for s in starts}, fit.residual, {s: spread[s.name] for s in starts}
        )

    return refit


@pytest.mark.parametrize("noise", [1e-3, 1e-2, 5e-2])
def test_constants_that_noise_does_not_support_vanish_and_others_become_numbers(noise):
    refit = refit_to(*samples(noise))
    found = refit((A * sp.sin(B * X) + C * X,), {A: 1.1, B: 3.1, C: 0.01})
    assert simplified(found, COUNT, refit, Clock(60)).expressions[0] == sp.sin(sp.pi * X)


def test_a_constant_that_is_no_simple_number_stays():
    x, _ = samples(0)
    refit = refit_to(x, np.exp(0.7391 * x) + 1e-3 * np.random.default_rng(1).normal(size=COUNT))
    found = simplified(refit((A * sp.exp(B * X),), {A: 1.0, B: 0.7}), COUNT, refit, Clock(60))
    assert found.expressions[0] == sp.exp(B * X)
    assert abs(found.constants[B] - 0.7391) < 3 * found.deviations[B] < 1e-3


def test_deviations_are_those_of_repeated_samples():
    found = []
    for seed in range(40):
        x = np.random.default_rng(0).uniform(-1, 1, COUNT)
        y = 2 * x + 0.05 * np.random.default_rng(seed + 1).normal(size=COUNT)
        fitted = refit_to(x, y)((A * X,), {A: 1.0})
        found.append((fitted.constants[A], fitted.deviations[A]))
    values, expected = np.array(found).T
    assert 0.7 < values.std() / expected.mean() < 1.3


def test_of_two_expressions_that_fit_alike_the_shorter_one_is_better():
    few, many = (Candidate((e,), {A: 1.0}, 0.01, {A: 0.01}) for e in (sp.sin(A * X), sp.sin(A * X + X**2) * X))
    assert length_of(few.expressions[0]) < length_of(many.expressions[0])
    assert description_length(few, COUNT) < description_length(many, COUNT)
    better = Candidate(many.expressions, many.constants, 0.005, many.deviations)
    assert description_length(better, COUNT) < description_length(few, COUNT)


def test_the_simplest_number_within_a_tolerance():
    assert simplest_fraction(0.3, 0.35) == Fraction(1, 3)
    assert simplest_fraction(2.9, 3.2) == 3
    assert sp.pi in list(simplest_within(3.1404, 2e-3))
    assert next(simplest_within(-0.01, 0.02)) == 0
    assert list(simplest_within(0.5, 0.0)) == []
