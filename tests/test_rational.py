"""Functions of data that are quotients of polynomials: found exactly, with their own terms only, and never imagined."""

import itertools

import numpy as np
import pytest
import sympy as sp
from sampled_fields import field, misfit

from kanpde import Box
from kanpde.calculus.expressions import numpy_function, symbols
from kanpde.symbolic.families.rational import Monomials, degrees, quotient, rational
from kanpde.symbolic.families.sparse import Samples
from kanpde.symbolic.structure.features import Feature

COUNT = 300


def inputs_of(dimension, low=-1.0, high=1.0, seed=0):
    points = np.random.default_rng(seed).uniform(low, high, (COUNT, dimension))
    names = symbols([f"x{k}" for k in range(dimension)])
    return [Feature(name, column) for name, column in zip(names, points.T, strict=True)]


def values_of(expression, inputs):
    names = [each.expression.name for each in inputs]
    return np.broadcast_to(numpy_function(expression, names)(*(each.values for each in inputs)), COUNT)


def found_in(expression, inputs):
    found = quotient(inputs, values_of(expression, inputs), wary=True)
    if found is None:
        return None
    whole, constants = found.expression()
    return whole.xreplace({symbol: sp.nsimplify(round(value, 9)) for symbol, value in constants.items()})


@pytest.mark.parametrize(("dimension", "seed"), [*itertools.product((1, 2, 3, 4), range(8))])
def test_a_random_quotient_is_found_with_its_own_terms(dimension, seed):
    random = np.random.default_rng([dimension, seed])
    inputs = inputs_of(dimension, 0.5, 2.0, seed)
    every = Monomials.of(inputs, 2).expressions
    above, below = (random.choice(len(every) - 1, 2, replace=False) + k for k in (1, 0))
    above, below = ([every[k] * int(random.integers(1, 5)) for k in chosen] for chosen in (above, below))
    law = sp.cancel(sp.Add(*above) / sp.Add(*below))
    found = found_in(law, inputs)
    assert found is not None and sp.cancel(found - law) == 0
    assert len(found.free_symbols) == len(law.free_symbols)


@pytest.mark.parametrize(
    "function", [sp.sin, sp.exp, sp.sqrt, sp.tanh, lambda x: sp.log(x + 1), lambda x: x ** sp.Rational(5, 2)]
)
@pytest.mark.parametrize("ends", [(0, 1), (0.5, 4), (1, 1.5)])
def test_what_is_not_rational_is_not_taken_for_it(function, ends):
    """On a short interval every smooth function is nearly rational."""
    assert found_in(function(sp.Symbol("x0", real=True)), inputs_of(1, *ends)) is None


@pytest.mark.parametrize(
    "law", ["(x0**5 - 3*x0**3 + 1)/(x0**2 + 1)", "(x0**6 + x0**5)/(x0**4 + x0**3 + x0**2 + x0 + 1)"]
)
def test_high_degrees_of_one_input_need_simple_numbers(law):
    law = sp.sympify(law, locals={"x0": sp.Symbol("x0", real=True)})
    found = found_in(law, inputs_of(1))
    assert found is not None and sp.cancel(found - law) == 0
    assert found_in(law + sp.pi, inputs_of(1)) is None


def test_noise_is_not_rational():
    inputs = inputs_of(2)
    noise = 1e-6 * np.random.default_rng(1).normal(size=COUNT)
    assert quotient(inputs, values_of(inputs[0].expression ** 2, inputs) + noise, wary=False) is None
    assert quotient(inputs, noise, wary=False) is None
    assert quotient(inputs, np.full(COUNT, np.nan), wary=False) is None


def test_degrees_ascend_and_their_columns_are_bounded():
    for count, columns in itertools.product(range(1, 7), (3, 30, 120)):
        pairs = list(degrees(count, columns))
        assert [sum(pair) for pair in pairs] == sorted(sum(pair) for pair in pairs) and len({*pairs}) == len(pairs)
        inputs = inputs_of(count)
        sizes = [sum(len(Monomials.of(inputs, degree).degrees) for degree in pair) for pair in pairs]
        assert max(sizes, default=0) <= columns


@pytest.mark.parametrize(
    "law",
    [
        "(x + 3)/(y**2 + x)",
        "sqrt(x**2 + x*y + 1)",
        "log((x + 1)*(y**2 + 2)/3)",
        "y*exp(-x/y)/2",
        "1/(exp(x*y/3) - 1)",
        "x*asin(1/(x + y))",
        "x/(exp(y/x) + exp(-y/x))",
        "x*y*tanh(y/(x + 1))",
    ],
)
def test_outer_functions_of_quotients_are_proposed(law):
    x, y = symbols(("x", "y"))
    law = sp.sympify(law, locals={"x": x, "y": y})
    box = Box(x=(1, 2), y=(0.5, 1.4))
    points = np.random.default_rng(0).uniform(box.low, box.high, (COUNT, 2))
    samples = Samples.of(("x", "y"), points, numpy_function(law, ("x", "y"))(*points.T), 1e-3, None)
    u = field(law, box, error=0.0)
    assert any(misfit(proposal, u) < 1e-9 for roots in (False, True) for proposal in rational(u, samples, roots=roots))


def test_high_degrees_are_for_functions_of_several_combinations_of_inputs():
    x, y = symbols(("x", "y"))
    box = Box(x=(1, 2), y=(0.5, 1.4))
    points = np.random.default_rng(0).uniform(box.low, box.high, (COUNT, 2))

    def found(law):
        samples = Samples.of(("x", "y"), points, numpy_function(law, ("x", "y"))(*points.T), 1e-8, None)
        return [
            each for each in rational(field(law, box, error=1e-8), samples, roots=False) if each.family == "u rational"
        ]

    law = ((x - 3) ** 4 + (y - 3) ** 3 - y) / ((y - 2) ** 4 + 10)
    assert any(misfit(proposal, field(law, box, error=0.0)) < 1e-9 for proposal in found(law))
    assert not found(sp.exp(x + y)) and not found(sp.cos(x / 3))
