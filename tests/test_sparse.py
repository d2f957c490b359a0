"""Functions of data as sparse combinations of features, and formulas that `symbolify` makes of them."""

import numpy as np
import pytest
import sympy as sp
from sampled_fields import field, misfit, x, y

from kanpde import Box, fit
from kanpde.calculus.expressions import numpy_function
from kanpde.symbolic.clock import Clock
from kanpde.symbolic.families.sparse import Outer, Samples, mapped_back, of_samples

BOX = Box(x=(1, 2), y=(0.5, 1.4))


def proposals_of(expression, *, noise=0.0, allowed=None, error=1e-4):
    random = np.random.default_rng(0)
    points = random.uniform(BOX.low, BOX.high, (200, 2))
    values = numpy_function(expression, ("x", "y"))(*points.T)
    samples = Samples.of(("x", "y"), points, values + noise * random.normal(size=len(values)), error, allowed)
    return of_samples(field(expression, BOX, error=error), samples, Clock(1e5))


@pytest.mark.parametrize(
    "expression",
    [
        sp.sin(x * y) * sp.sqrt(x) / (x + y),
        x + y - 3 * sp.sqrt(x * y) * sp.cos(x),
    ],
)
def test_a_law_is_among_the_proposals(expression):
    u = field(expression, BOX, error=0.0)
    assert any(misfit(proposal, u) < 1e-9 for proposal in proposals_of(expression))


def test_exponents_that_are_no_fractions_are_constants():
    found = next(proposals_of(2 * x**0.37 * sp.cos(y)))
    assert sorted(round(value, 6) for value in found.constants.values()) == [0.37, 2.0]


def test_an_addend_under_an_exponential_is_a_factor():
    a, b = sp.symbols("a b", real=True)
    logarithm, square = (Outer(name, np.ones(3), back) for name, back in (("log u", sp.exp), ("u^2", sp.sqrt)))
    whole, constants = mapped_back(logarithm, a + b * x, {a: 2.0, b: 3.0})
    assert whole == a * sp.exp(b * x) and constants == {a: pytest.approx(np.exp(2)), b: 3.0}
    assert mapped_back(logarithm, b * x, {b: 3.0}) == (sp.exp(b * x), {b: 3.0})
    assert mapped_back(square, a + b * x, {a: 2.0, b: 3.0}) == (sp.sqrt(a + b * x), {a: 2.0, b: 3.0})


@pytest.mark.parametrize(
    "expression",
    [
        1 / (sp.exp(x * y / 3) - 1),
        (y - x / 5) / sp.sqrt(1 - x**2 / 400),  # a factor that hardly changes
    ],
)
def test_an_exact_combination_comes_first_however_poor_the_network(expression):
    found = next(proposals_of(expression, error=0.1))
    points = np.random.default_rng(5).uniform(BOX.low, BOX.high, (50, 2)).T
    values = numpy_function(expression, ("x", "y"))(*points)
    own = found.expression.subs({symbol: sp.Float(value, 17) for symbol, value in found.constants.items()})
    assert np.abs(numpy_function(own, ("x", "y"))(*points) - values).max() < 1e-6 * np.abs(values).max()


def test_noise_leaves_no_proposal_that_claims_to_be_exact():
    random = np.random.default_rng(0)
    points = random.uniform(BOX.low, BOX.high, (200, 2))
    samples = Samples.of(("x", "y"), points, random.normal(size=200), 1e-4, [])
    assert not [*of_samples(field(x * y, BOX, error=1e-4), samples, Clock(1e5))]


def test_few_samples_and_constant_ones_have_no_proposals():
    points = np.random.default_rng(0).uniform(BOX.low, BOX.high, (200, 2))
    u = field(x * y, BOX, error=1e-4)
    assert not [*of_samples(u, Samples.of(("x", "y"), points[:20], points[:20, 0], 1e-4, None), Clock(9))]
    assert not [*of_samples(u, Samples.of(("x", "y"), points, np.ones(200), 1e-4, None), Clock(9))]


def test_each_of_two_outputs_has_its_formula():
    points = np.random.default_rng(0).uniform(0.5, 2.0, (200, 1))
    both = np.concatenate([np.sin(points**2) * np.cos(points) - 1, np.sqrt(points) / (1 + points)], axis=1)
    found = fit(points, both).symbolify(budget_seconds=600).expression  # both end by themselves
    s = sp.Symbol("x", real=True)
    laws = sp.sin(s**2) * sp.cos(s) - 1, sp.sqrt(s) / (1 + s)
    assert [sp.simplify(e - law) for e, law in zip(found.values(), laws, strict=True)] == [0, 0]
