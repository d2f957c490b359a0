"""B-splines: a partition of unity, SciPy's derivatives, the textbook's order, knots that may be inserted freely."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import Polynomial
from scipy import interpolate

from kanpde.calculus import splines
from kanpde.network.base_functions import BASE_FUNCTIONS
from kanpde.network.bspline import BSpline

DEGREES = (1, 2, 3, 5, 7, 9)
GRADED = np.array([-1.0, -0.7, -0.65, -0.2, 0.0, 0.1, 0.5, 0.9, 1.3, 2.0])


def knots_of(kind, degree):
    if kind == "uniform":
        return splines.uniform_knots(np.array([-1.0]), np.array([2.0]), 10, degree)[0]
    make = splines.periodic_knots if kind == "periodic" else splines.knots_through
    return make(GRADED, degree)[0]


def inside(knots, degree, count=301):
    return np.linspace(knots[degree], knots[-degree - 1], count)


def around(knots, degree, count=301):
    """Points on the grid and up to half its length beyond both ends."""
    low, high = knots[degree], knots[-degree - 1]
    return np.linspace(low - (high - low) / 2, high + (high - low) / 2, count)


def oracle(knots, degree):
    """SciPy's splines, all at once, continued by the polynomials of the outermost intervals."""
    return interpolate.BSpline(knots, np.eye(len(knots) - degree - 1), degree, extrapolate=True)


def assert_close(found, expected, tolerance):
    assert np.abs(found - expected).max() <= tolerance * max(np.abs(expected).max(), 1e-300)


@pytest.mark.parametrize("kind", ["uniform", "graded", "periodic"])
@pytest.mark.parametrize("degree", DEGREES)
def test_the_splines_sum_to_one_on_the_grid_and_beyond(kind, degree):
    knots = knots_of(kind, degree)
    assert_close(splines.dense_basis(inside(knots, degree), knots, degree).sum(axis=1), np.ones(301), 1e-13)
    # Beyond the grid the terms are large and cancel.
    basis = splines.dense_basis(around(knots, degree), knots, degree)
    assert (np.abs(basis.sum(axis=1) - 1) <= 1e-13 * np.abs(basis).sum(axis=1)).all()


@pytest.mark.parametrize("kind", ["uniform", "graded", "periodic"])
@pytest.mark.parametrize("degree", DEGREES)
def test_on_the_grid_splines_are_positive_and_each_has_k_plus_1_intervals(kind, degree):
    knots = knots_of(kind, degree)
    x = inside(knots, degree, 1201)[1:-1]
    basis = splines.dense_basis(x, knots, degree)
    assert basis.min() >= -1e-14
    for j, column in enumerate(basis.T):
        outside = (x < knots[j]) | (x > knots[j + degree + 1])
        assert np.abs(column[outside]).max(initial=0.0) <= 1e-14


@pytest.mark.parametrize("kind", ["uniform", "graded", "periodic"])
@pytest.mark.parametrize("degree", DEGREES)
def test_values_are_scipys_on_the_grid_and_beyond(kind, degree):
    knots = knots_of(kind, degree)
    x = around(knots, degree)
    assert_close(splines.dense_basis(x, knots, degree), oracle(knots, degree)(x), 1e-11)


@pytest.mark.parametrize("kind", ["uniform", "graded"])
@pytest.mark.parametrize("degree", DEGREES)
def test_all_derivatives_are_scipys(kind, degree):
    knots = knots_of(kind, degree)
    x = inside(knots, degree)[1:-1]
    features = BSpline(knots[None], degree).features(torch.as_tensor(x)[:, None], degree + 2)[0].numpy()
    for order in range(degree + 1):
        assert_close(features[order], oracle(knots, degree)(x, nu=order), 1e-9)
    assert not features[degree + 1].any()


@pytest.mark.parametrize("kind", ["uniform", "graded"])
@pytest.mark.parametrize("degree", DEGREES)
def test_beyond_the_grid_splines_are_lines_through_the_ends(kind, degree):
    knots = knots_of(kind, degree)
    low, high = knots[degree], knots[-degree - 1]
    x = np.concatenate([low - np.geomspace(1e-3, 1e6, 40), high + np.geomspace(1e-3, 1e6, 40)])
    features = BSpline(knots[None], degree).features(torch.as_tensor(x)[:, None], degree + 2)[0].numpy()
    ends = np.repeat([low, high], 40)
    values, slopes = (oracle(knots, degree)(ends, nu=order) for order in (0, 1))
    assert_close(features[0], values + (x - ends)[:, None] * slopes, 1e-11)
    assert_close(features[1], slopes, 1e-11)
    assert not features[2:].any()
    # A sum of one everywhere, and therefore slopes that add up to zero.
    assert np.abs(features[0].sum(axis=1) - 1).max() <= 1e-14 * np.abs(features[0]).max()


@pytest.mark.parametrize("kind", ["uniform", "graded"])
def test_a_slope_by_autograd_is_the_one_in_closed_form(kind):
    basis = BSpline(knots_of(kind, 3)[None], 3, "silu")
    x = torch.linspace(-4, 5, 60, dtype=torch.float64)[:, None].requires_grad_()
    weights = torch.as_tensor(np.random.default_rng(0).normal(size=basis.size))
    derivative = basis.features(x, 1)[0, 0] @ weights
    for order in range(1, 4):
        (derivative,) = torch.autograd.grad(derivative.sum(), x, create_graph=True)
        expected = basis.features(x.detach(), order + 1)[0, order] @ weights
        assert_close(derivative[:, 0].detach().numpy(), expected.numpy(), 1e-12)
        derivative = derivative[:, 0]


@pytest.mark.parametrize("base", [None, *BASE_FUNCTIONS])
@pytest.mark.parametrize("kind", ["uniform", "graded"])
def test_derivatives_are_differences_of_those_below(kind, base):
    degree, h = 7, 1e-5
    basis = BSpline(knots_of(kind, degree)[None], degree, base)
    x = torch.linspace(-0.99, 1.99, 97, dtype=torch.float64)[:, None]
    low, middle, high = (basis.features(x + step, 6)[0] for step in (-h, 0, h))
    differences = (high - low) / (2 * h)
    for order in range(5):
        assert_close(middle[order + 1].numpy(), differences[order].numpy(), 1e-6)


@pytest.mark.parametrize("base", list(BASE_FUNCTIONS))
def test_base_functions_have_the_derivatives_of_autograd(base):
    known = {"silu": torch.nn.functional.silu, "tanh": torch.tanh, "identity": lambda x: 1 * x}[base]
    x = torch.linspace(-4, 4, 41, dtype=torch.float64, requires_grad=True)
    expected = known(x)
    for found in BASE_FUNCTIONS[base](x.detach(), 6):
        assert_close(found.numpy(), expected.detach().numpy(), 1e-12)
        (expected,) = torch.autograd.grad(expected.sum(), x, create_graph=True, materialize_grads=True)
        if not expected.requires_grad:
            expected = expected + 0 * x


@pytest.mark.parametrize("orders", [1, 2, 4])
@pytest.mark.parametrize("base", list(BASE_FUNCTIONS))
def test_base_functions_give_as_many_orders_as_are_asked_for(base, orders):
    assert len(BASE_FUNCTIONS[base](torch.zeros(3), orders)) == orders


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("kind", ["uniform", "graded"])
def test_a_spline_has_continuous_derivatives_below_its_degree(kind, degree):
    """At the ends of the grid the value and the slope are continuous, because a line goes on."""
    knots = knots_of(kind, degree)
    basis = BSpline(knots[None], degree)
    breaks = torch.as_tensor(knots[degree : len(knots) - degree])[:, None]
    sides = [basis.features(breaks + step, degree)[0].numpy() for step in (-1e-9, 1e-9)]
    for order in range(degree):
        inner = slice(None) if order < 2 else slice(1, -1)
        assert_close(sides[0][order][inner], sides[1][order][inner], 1e-5)


@pytest.mark.parametrize("degree", [1, 2, 3, 5, 7])
def test_interpolation_is_of_order_k_plus_1(degree):
    x = np.linspace(0, 1, 4001)

    def error(intervals):
        knots = splines.uniform_knots(np.array([0.0]), np.array([1.0]), intervals, degree)[0]
        sites = np.linspace(0, 1, 8 * (intervals + degree))
        fit = np.linalg.lstsq(splines.dense_basis(sites, knots, degree), np.sin(9 * sites), rcond=None)[0]
        return np.abs(splines.dense_basis(x, knots, degree) @ fit - np.sin(9 * x)).max()

    coarse, fine = error(12), error(24)
    assert np.log2(coarse / fine) == pytest.approx(degree + 1, abs=0.6)


@pytest.mark.parametrize("degree", DEGREES)
def test_splines_reproduce_polynomials_of_their_degree(degree):
    knots = knots_of("graded", degree)
    polynomial = Polynomial(np.random.default_rng(degree).normal(size=degree + 1))
    sites = inside(knots, degree)
    fit = np.linalg.lstsq(splines.dense_basis(sites, knots, degree), polynomial(sites), rcond=None)[0]
    x = around(knots, degree)
    assert_close(splines.dense_basis(x, knots, degree) @ fit, polynomial(x), 1e-7)


@pytest.mark.parametrize("degree", [1, 3, 9])
def test_derivative_powers_differentiate_polynomials(degree):
    table = splines.derivative_powers(degree, degree + 3)
    polynomial = Polynomial(np.random.default_rng(0).normal(size=degree + 1))
    x = np.linspace(-0.5, 0.5, 11)
    for order, matrix in enumerate(table):
        expected = polynomial.deriv(order)(x) if order <= degree else np.zeros(11)
        assert_close(x[:, None] ** np.arange(degree + 1) @ matrix @ polynomial.coef, expected, 1e-12)


@pytest.mark.parametrize("degree", [1, 4, 9])
def test_the_fast_path_of_uniform_knots_agrees_with_the_general_one(degree):
    low, high = np.array([-1.0, 0.3]), np.array([2.0, 0.5])
    knots = torch.as_tensor(splines.uniform_knots(low, high, 7, degree))
    unit = np.random.default_rng(0).uniform(-0.3, 1.3, size=(200, 2))
    x = torch.as_tensor(low + (high - low) * unit)
    fast, general = (splines.local_coordinates(x, knots, degree, uniform) for uniform in (True, False))
    assert torch.equal(fast[0], general[0])
    assert torch.allclose(fast[1], general[1], atol=1e-12)
    assert torch.allclose(fast[2].expand_as(general[2]), general[2], rtol=1e-12)


def test_numbers_that_are_not_finite_stay_so_and_do_not_crash():
    x = torch.tensor([[torch.nan], [torch.inf], [0.1]], dtype=torch.float64)
    for kind in ("uniform", "graded"):
        features = BSpline(knots_of(kind, 3)[None], 3).features(x, 2)
        assert features[0, 0].isfinite().all(dim=1).tolist() == [False, False, True]


# Knot insertion ------------------------------------------------------------------------------------------------------


def halved(breakpoints, which):
    middles = [(breakpoints[i] + breakpoints[i + 1]) / 2 for i in which]
    return np.sort(np.concatenate([breakpoints, middles]))


@pytest.mark.parametrize("kind", ["uniform", "graded"])
@pytest.mark.parametrize("degree", DEGREES)
def test_knot_insertion_changes_nothing(kind, degree):
    old = knots_of(kind, degree)
    breakpoints = old[degree : len(old) - degree]
    finer = halved(halved(breakpoints, [0, 3, 4, 8]), [0, 1, 4])  # two halvings fall into one interval
    new = splines.knots_through(finer, degree)[0]
    coefficients = np.random.default_rng(0).normal(size=len(old) - degree - 1)
    transferred = splines.refinement_matrix(old, new, degree) @ coefficients
    x = inside(old, degree)
    for order in range(min(degree, 4)):
        expected = oracle(old, degree)(x, nu=order) @ coefficients
        found = oracle(new, degree)(x, nu=order) @ transferred
        assert_close(found, expected, 1e-9)


@pytest.mark.parametrize("degree", [2, 5, 7])
def test_knot_insertion_changes_nothing_beyond_the_ends(degree):
    old = knots_of("graded", degree)
    new = splines.knots_through(halved(GRADED, range(len(GRADED) - 1)), degree)[0]
    coefficients = np.random.default_rng(1).normal(size=len(old) - degree - 1)
    x = around(old, degree)
    expected = splines.dense_basis(x, old, degree) @ coefficients
    found = splines.dense_basis(x, new, degree) @ (splines.refinement_matrix(old, new, degree) @ coefficients)
    assert_close(found, expected, 1e-9)


@st.composite
def refinements(draw):
    degree = draw(st.integers(1, 9))
    steps = draw(st.lists(st.floats(0.1, 1.0), min_size=1, max_size=12))
    which = draw(st.sets(st.integers(0, len(steps) - 1)))
    return degree, np.concatenate([[0.0], np.cumsum(steps)]) - 1, sorted(which)


@given(refinements())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_knots_may_be_inserted(case):
    degree, breakpoints, which = case
    old = splines.knots_through(breakpoints, degree)[0]
    new = splines.knots_through(halved(breakpoints, which), degree)[0]
    matrix = splines.refinement_matrix(old, new, degree)
    assert_close(matrix.sum(axis=1), np.ones(len(new) - degree - 1), 1e-9)
    x = inside(old, degree, 101)
    assert_close(splines.dense_basis(x, new, degree) @ matrix, splines.dense_basis(x, old, degree), 1e-9)


def test_no_new_knots_is_the_identity():
    knots = knots_of("graded", 5)
    assert_close(splines.refinement_matrix(knots, knots, 5), np.eye(len(knots) - 6), 1e-12)


@pytest.mark.parametrize("degree", DEGREES)
def test_on_inner_functions_insertion_is_scipys(degree):
    """SciPy inserts one knot at a time and keeps the outer knots; functions away from the ends must agree."""
    knots = knots_of("uniform", degree)
    inner = degree + 5
    middle = (knots[inner] + knots[inner + 1]) / 2
    new = np.sort(np.append(knots, middle))
    coefficients = np.random.default_rng(2).normal(size=len(knots) - degree - 1)
    expected = interpolate.BSpline(knots, coefficients, degree).insert_knot(middle)
    assert_close(expected.t, new, 1e-15)
    found = splines.refinement_matrix(knots, new, degree) @ coefficients
    assert_close(found, expected.c[: len(found)], 1e-9)


# Periodic knots ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degree", [1, 3, 5, 9])
@pytest.mark.parametrize("count", [3, 9])
def test_periodic_knots_repeat_after_a_period(degree, count):
    """Also where the degree is larger than the number of intervals."""
    breakpoints = GRADED[: count + 1]
    knots = splines.periodic_knots(breakpoints, degree)[0]
    assert len(knots) == count + 2 * degree + 1
    assert np.array_equal(knots[degree : degree + count + 1], breakpoints)
    assert_close(knots[count:], knots[: len(knots) - count] + breakpoints[-1] - breakpoints[0], 1e-14)
    assert (np.diff(knots) > 0).all()


@pytest.mark.parametrize("degree", [1, 3, 5, 9])
@pytest.mark.parametrize("count", [4, 9])
def test_knots_may_be_inserted_into_periodic_splines(degree, count):
    breakpoints = GRADED[: count + 1]
    old = splines.periodic_knots(breakpoints, degree)[0]
    new = splines.periodic_knots(halved(breakpoints, [0, 2]), degree)[0]
    free = np.random.default_rng(3).normal(size=count)
    coefficients = free[np.arange(count + degree) % count]
    transferred = splines.refinement_matrix(old, new, degree) @ coefficients
    assert_close(transferred, transferred[np.arange(len(transferred)) % (count + 2)], 1e-9)
    x = inside(old, degree)
    expected = splines.dense_basis(x, old, degree) @ coefficients
    assert_close(splines.dense_basis(x, new, degree) @ transferred, expected, 1e-9)


@pytest.mark.parametrize("degree", [1, 3, 5, 9])
@pytest.mark.parametrize("kind", ["uniform", "graded", "short"])
def test_periodic_features_go_on_periodically(degree, kind):
    breakpoints = {"uniform": np.linspace(-1, 2, 11), "graded": GRADED, "short": GRADED[:5]}[kind]
    basis = BSpline(splines.periodic_knots(breakpoints, degree), degree, None, (True,))
    period = breakpoints[-1] - breakpoints[0]
    x = torch.linspace(breakpoints[0] + 0.01, breakpoints[-1] - 0.01, 50, dtype=torch.float64)[:, None]
    once, later = basis.features(x, degree), basis.features(x + 2 * period, degree)
    assert_close(later.numpy(), once.numpy(), 1e-8)
    ends = torch.tensor([[breakpoints[0] + 1e-10], [breakpoints[-1] - 1e-10]])
    features = basis.features(ends, degree)[0]
    for order in range(degree):
        assert_close(features[order, 0].numpy(), features[order, 1].numpy(), 1e-6)
    assert_close(once[0, 0].sum(dim=-1).numpy(), np.ones(50), 1e-12)


# Projection ----------------------------------------------------------------------------------------------------------
