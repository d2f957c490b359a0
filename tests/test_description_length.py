"""Formulas of noisy samples: the shortest description has the right structure and constants within their deviations."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from kanpde.symbolic.clock import Clock
from kanpde.symbolic.constants.description_length import (
    Candidate,
    description_length,
    length_of,
    length_of_constants,
)
from kanpde.symbolic.constants.fit import LeastSquares
from kanpde.symbolic.constants.recognition import simplest_fraction, simplest_within
from kanpde.symbolic.constants.simple_numbers import added_misfit, choices, replaced, simplified
from kanpde.symbolic.constants.uncertainty import precision
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
        values = {symbol: fit.constants[symbol.name] for symbol in starts}
        return Candidate(expressions, values, fit.residual, precision(fit, COUNT))

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
    assert abs(found.constants[B] - 0.7391) < 3 * found.deviations[0] < 1e-3


def test_deviations_are_those_of_repeated_samples():
    found = []
    for seed in range(40):
        x = np.random.default_rng(0).uniform(-1, 1, COUNT)
        y = 2 * x + 0.05 * np.random.default_rng(seed + 1).normal(size=COUNT)
        fitted = refit_to(x, y)((A * X,), {A: 1.0})
        found.append((fitted.constants[A], fitted.deviations[0]))
    values, expected = np.array(found).T
    assert 0.7 < values.std() / expected.mean() < 1.3


def test_of_two_expressions_that_fit_alike_the_shorter_one_is_better():
    few, many = (
        Candidate((e,), {A: 1.0}, 0.01, np.array([[100.0]])) for e in (sp.sin(A * X), sp.sin(A * X + X**2) * X)
    )
    assert length_of(few.expressions[0]) < length_of(many.expressions[0])
    assert description_length(few, COUNT) < description_length(many, COUNT)
    better = Candidate(many.expressions, many.constants, 0.005, many.precision)
    assert description_length(better, COUNT) < description_length(few, COUNT)


def test_constants_of_which_only_the_sum_is_certain_cost_one_certain_constant():
    sum_and_difference = np.array([[1.0, 1.0], [1.0, -1.0]])
    both = length_of_constants(np.array([500.0, -498.0]), np.diag([1e3, 1e-9]) @ sum_and_difference)
    one = length_of_constants(np.array([500.0]), np.array([[1e3]]))
    assert both == pytest.approx(one, abs=0.01)
    apart = length_of_constants(np.array([2.0, 3.0]), np.diag([100.0, 200.0]))
    assert apart == pytest.approx(np.log(200 / 12**0.5) + np.log(600 / 12**0.5))


def off_by(deviations):
    """Return x, and samples of exp(x²) + sin πx of which the fit of the two factors is off by so many deviations."""
    x = np.random.default_rng(0).uniform(-1, 1, COUNT)
    design = np.stack([np.exp(x**2), np.sin(np.pi * x)], axis=1)
    left = np.random.default_rng(1).normal(size=COUNT)
    left -= design @ np.linalg.lstsq(design, left, rcond=None)[0]
    left *= 0.01 / np.sqrt(left @ left / (COUNT - 2))
    covariance = 1e-4 * np.linalg.inv(design.T @ design)
    return x, design @ (1 + deviations * np.sqrt(np.diag(covariance))) + left


def test_numbers_are_chosen_together_however_unlikely_the_noise_was():
    """The plain formula is far shorter than its fit is better, although both factors are three deviations off."""
    refit = refit_to(*off_by(np.array([4.0, -4.0])))
    found = refit((A * sp.exp(X**2) + B * sp.sin(C * X),), {A: 1.0, B: 1.0, C: 3.1})
    assert (np.abs(found.values[:2] - 1) > 3 * found.deviations[:2]).all()
    assert simplified(found, COUNT, refit, Clock(60)).expressions[0] == sp.exp(X**2) + sp.sin(sp.pi * X)


def test_what_numbers_for_factors_add_to_the_misfit_is_known_without_a_fit():
    refit = refit_to(*off_by(np.array([1.5, -2.0])))
    found = refit((A * sp.exp(X**2) + B * sp.sin(sp.pi * X) + C * X,), {A: 1.0, B: 1.0, C: 0.1})
    every = choices(found, COUNT)
    assert {one.place for one in every} == {0, 1, 2}
    for chosen in (frozenset(pair) for pair in itertools.combinations(every, 2)):
        if len({one.place for one in chosen}) == 2:
            added = COUNT * np.log(replaced(found, chosen, refit).residual / found.residual)
            assert added_misfit(found, chosen, COUNT) == pytest.approx(added, rel=1e-6, abs=1e-6)


def test_a_limit_of_a_longer_formula_is_no_shorter_description():
    """c (exp(a x²) − 1) imitates x² for a large c and a small a, of which only the product is certain."""
    x = np.random.default_rng(0).uniform(-1, 1, COUNT)
    refit = refit_to(x, np.exp(x**2) + 0.01 * np.random.default_rng(2).normal(size=COUNT))
    plain = refit((sp.exp(A * X**2),), {A: 1.0})
    limit = refit((sp.exp(A * sp.exp(B * X**2) + C),), {A: 20.0, B: 0.05, C: -20.0})
    assert description_length(plain, COUNT) + 10 < description_length(limit, COUNT)
    best = min(
        (simplified(each, COUNT, refit, Clock(60)) for each in (plain, limit)),
        key=lambda each: description_length(each, COUNT),
    )
    assert best.expressions[0] == sp.exp(X**2)


def test_the_simplest_number_within_a_tolerance():
    assert simplest_fraction(0.3, 0.35) == Fraction(1, 3)
    assert simplest_fraction(2.9, 3.2) == 3
    assert sp.pi in list(simplest_within(3.1404, 2e-3))
    assert next(simplest_within(-0.01, 0.02)) == 0
    assert list(simplest_within(0.5, 0.0)) == []
