"""Features of samples: which there are, each once, and the search for few that make up a function."""

import numpy as np
import sympy as sp

from kanpde.symbolic.structure.features import Feature, Terms, arguments, elements, screened, simplest, terms, triples

X, Y = sp.symbols("x y", real=True)


def inputs(count=150, low=0.5, high=2.0):
    columns = np.random.default_rng(0).uniform(low, high, (2, count))
    return [Feature(symbol, column) for symbol, column in zip((X, Y), columns, strict=True)]


def test_values_are_those_of_the_expressions_and_no_two_features_are_multiples():
    given = inputs()
    found = elements(given, None)
    for each in found[:: len(found) // 40]:
        value = sp.lambdify((X, Y), each.expression, "numpy")(given[0].values, given[1].values)
        assert np.allclose(value, each.values, rtol=1e-12)
    unit = np.stack([each.values / np.linalg.norm(each.values) for each in found[:400]])
    cosines = np.abs(unit @ unit.T) - np.eye(len(unit))
    assert cosines.max() < 1 - 1e-15


def test_only_allowed_functions_occur():
    found = elements(inputs(), ["exp"])
    assert any(each.expression.has(sp.exp) for each in found)
    assert not any(each.expression.has(sp.sin, sp.cos, sp.log, sp.tanh) for each in found)
    assert not any(each.expression.atoms(sp.Function) for each in elements(inputs(), []))


def test_arguments_that_are_not_real_are_left_out():
    found, _ = arguments(inputs(low=-1.0, high=1.0))
    assert all(np.isfinite(each.values).all() for each in found)
    assert sp.sqrt(X) not in [each.expression for each in found]


def test_the_cross_of_elements_and_monomials_prefers_simple_ones():
    found = simplest(50, 20)
    assert len(found) == 50 * 20 - 1 and [0, 0] not in found.tolist()
    costs = (found + 1).prod(axis=1)
    assert (np.diff(costs) >= 0).all()


def test_a_pair_of_terms_is_found_whose_terms_alone_say_nothing():
    given = inputs()
    own = terms(elements(given, None), given)
    x, y = (each.values for each in given)
    target = np.cos(x) - 3 * x * y * np.sin(y)
    base = np.ones((len(x), 1))
    (screen,) = screened(own, base, target[:, None])
    gain, i, j = max(screen.pairs)
    assert gain > 1 - 1e-12
    design = np.column_stack([base, own.feature(i).values, own.feature(j).values])
    assert np.linalg.lstsq(design, target, rcond=None)[1].max() < 1e-20 * len(target)


def test_a_triple_is_found_among_random_columns():
    random = np.random.default_rng(1)
    columns = random.normal(size=(60, 20))
    columns /= np.linalg.norm(columns, axis=0)
    rest = columns[:, [3, 8, 15]] @ [1.0, -0.5, 0.2]
    assert triples(columns, rest / np.linalg.norm(rest))[0] == (3, 8, 15)


def test_products_come_in_chunks_in_the_order_of_their_numbers():
    given = inputs(40)
    own = terms(elements(given, []), given)
    values = np.concatenate([*own.chunks(10)], axis=1)
    assert isinstance(own, Terms) and values.shape == (10, len(own))
    for k in (0, 7, len(own) - 1):
        assert np.allclose(values[:, k], own.feature(k).values[:10])
