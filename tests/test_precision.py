"""The numbers of Taylor models: their errors hold for every kind, and bounds do not depend on it."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import product

import mpmath
import numpy as np
import pytest
import sympy as sp

from kanpde import Box, Dirichlet, problem_from, solve
from kanpde.calculus.balls import balls
from kanpde.calculus.pair_products import product_of_matrices, product_of_polynomials, unit_of_sums
from kanpde.calculus.pairs import UNIT as PAIRED_UNIT
from kanpde.calculus.pairs import Pairs, paired
from kanpde.calculus.precision import DOUBLE, PAIRS, Numbers, floats, of_mpmath, sizes, working_with
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.calculus.taylor_series import coordinate, model_of
from kanpde.marching.audit.bound import error_bound

KINDS = ["double", "pairs", 53, 113, 200]


@contextmanager
def numbers_of(kind: str | int) -> Iterator[Numbers]:
    if isinstance(kind, str):
        yield {"double": DOUBLE, "pairs": PAIRS}[kind]
    else:
        pytest.importorskip("flint")
        with balls(kind) as numbers:
            yield numbers


def fraction(value: object) -> Fraction:
    """Return a number, or the midpoint of a ball, exactly."""
    with mpmath.workdps(100):
        exact = of_mpmath(value.mid() if hasattr(value, "mid") else value)
        return Fraction(*map(int, mpmath.libmp.to_rational(exact._mpf_)))


def fractions(values: Pairs) -> np.ndarray:
    """Return pairs exactly."""
    return np.array([fraction(value) for value in values.ravel()], dtype=object).reshape(values.shape)


def radius(value: object) -> Fraction:
    return fraction(value.rad()) if hasattr(value, "rad") else Fraction(0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_product_and_a_sum_are_as_close_to_the_exact_ones_as_their_errors_say(kind: str | int) -> None:
    random = np.random.default_rng(0)
    tables = [random.standard_normal((3, 2, 4, 3)) * 10.0 ** random.integers(-8, 8) for _ in range(2)]
    with numbers_of(kind) as numbers:
        a, b = (TaylorModel(numbers.exact(table), np.zeros((3, 2))) for table in tables)
        result = a * b + a
    exact = [[np.vectorize(Fraction)(table[cell]) for table in tables] for cell in product(range(3), range(2))]
    for cell, (p, q) in zip(product(range(3), range(2)), exact, strict=True):
        right = np.full(result.degrees, Fraction(0))
        right[:4, :3] += p
        for i in np.ndindex(*p.shape):
            for j in np.ndindex(*q.shape):
                right[i[0] + j[0], i[1] + j[1]] += p[i] * q[j]
        found = result.coefficients[cell]
        distance = sum(abs(fraction(f) - r) - radius(f) for f, r in zip(found.flat, right.flat, strict=True))
        assert distance <= Fraction(float(result.error[cell]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text", ["exp(x)", "sin(3*x)", "log(2 + x)", "sqrt(3 + x)", "1/(2 + x)", "atan(x)", "erf(x)", "pi", "sin(exp(2*x))"]
)
def test_functions_are_enclosed(kind: str | int, text: str) -> None:
    x = sp.Symbol("x")
    expression = sp.sympify(text, locals={"x": x})
    low, high = np.array([-0.4, 0.1]), np.array([0.1, 0.3])
    with numbers_of(kind) as numbers, working_with(numbers):
        model = model_of(expression, {x: coordinate(low, high, 0, 1)})
    with mpmath.workdps(80):
        for cell, s in product(range(2), (-1.0, -0.3, 0.0, 0.7, 1.0)):
            middle, half = (mpmath.mpf(low[cell]) + high[cell]) / 2, (mpmath.mpf(high[cell]) - low[cell]) / 2
            own = model.coefficients[min(cell, model.error.shape[0] - 1)]
            centres = [of_mpmath(c.mid() if hasattr(c, "mid") else c) for c in own]
            slack = sum(of_mpmath(c.rad()) for c in own if hasattr(c, "rad"))
            at = sum(c * mpmath.mpf(s) ** power for power, c in enumerate(centres))
            right = mpmath.mpf(sp.N(expression.subs(x, sp.Float(str(middle + half * mpmath.mpf(s)), 80)), 75))
            assert abs(at - right) <= float(model.error.max()) + slack + mpmath.mpf(10) ** -70
    assert float(model.error.max()) < 1e-13, "what a series cuts is no more than rounding errors of 53 bits"


@pytest.mark.parametrize("kind", KINDS)
def test_floats_of_53_bits_are_as_near_as_they_say(kind: str | int) -> None:
    with numbers_of(kind) as numbers, mpmath.workdps(numbers.digits):
        values = np.array([numbers.rounded(mpmath.pi / 3**n) for n in range(50)])
        near, lost = floats(values)
        for value, own, gap, size in zip(values, near, np.broadcast_to(lost, near.shape), sizes(values), strict=True):
            assert abs(Fraction(float(own)) - fraction(value)) + radius(value) <= Fraction(float(gap))
            assert abs(fraction(value)) <= Fraction(float(size)) * Fraction(1 + 1e-12)


def test_the_bound_of_a_solution_is_the_same_with_pairs_of_53_and_with_113_and_200_bits() -> None:
    pytest.importorskip("flint")
    problem = problem_from(
        "u_xx + u_yy = u - 2*exp(x)*sin(y)",
        domain=Box(x=(0, 1), y=(0, 1)),
        conditions={"edge": Dirichlet("x*exp(x)*sin(y)")},
    )
    model = solve(problem, device="cpu").model
    found = {}
    for kind in KINDS:
        with numbers_of(kind) as numbers:
            bound, steps = error_bound(problem, model, 600.0, numbers)
            assert bound is not None, steps
            found[kind] = bound
    exact = found[200]
    assert found[113] == pytest.approx(exact, rel=1e-6)
    assert exact * (1 - 1e-6) <= found["double"] <= 2 * exact
    assert exact * (1 - 1e-6) <= found[53] <= 2 * exact
    assert found["pairs"] == pytest.approx(exact, rel=1e-6)
    assert error_bound(problem, model)[0] == pytest.approx(exact, rel=1e-6)


def random_pairs(seed: int, count: int) -> Pairs:
    """Return numbers of many sizes, some of which nearly cancel, as pairs."""
    random = np.random.default_rng(seed)
    high = random.standard_normal(count) * 2.0 ** random.integers(-60, 60, count)
    return paired(high, high * random.uniform(-0.5, 0.5, count) * 2.0**-53)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide"])
def test_an_operation_on_pairs_is_rounded_by_no_more_than_their_unit(name: str) -> None:
    a, b = random_pairs(1, 2000), random_pairs(2, 2000)
    b[:500] = -a[:500] * paired(1 + 2.0**-50, 2.0**-105)
    for x, y, found in zip(a, b, getattr(np, name)(a, b), strict=True):
        exact = getattr(operator, {"add": "add", "subtract": "sub", "multiply": "mul", "divide": "truediv"}[name])(
            fraction(x), fraction(y)
        )
        assert abs(fraction(found) - exact) <= Fraction(PAIRED_UNIT) * abs(exact)


def test_sums_of_pairs_are_as_close_as_their_terms_allow() -> None:
    a = random_pairs(3, 60).reshape(5, 12)
    for row, found in zip(a, a.sum(axis=1), strict=True):
        exact = [fraction(x) for x in row]
        assert abs(fraction(found) - sum(exact)) <= 12 * Fraction(PAIRED_UNIT) * sum(map(abs, exact))


@pytest.mark.parametrize("terms", [1, 12, 40])
def test_products_of_matrices_of_pairs_are_as_close_as_they_say(terms: int) -> None:
    a, b = random_pairs(3, 5 * terms).reshape(5, terms), random_pairs(4, 3 * terms).reshape(terms, 3)
    found, unit = product_of_matrices(a, b)
    assert unit < 2.0**-80
    for i, row in enumerate(fractions(a)):
        for j, column in enumerate(fractions(b).T):
            gap = abs(fraction(found[i, j]) - sum(row * column))
            assert gap <= Fraction(unit) * max(abs(row)) * max(abs(column))


def test_products_of_polynomials_of_pairs_are_as_close_as_they_say() -> None:
    a, b = random_pairs(5, 40).reshape(5, 4, 2), random_pairs(6, 24).reshape(3, 4, 2)
    found, lost = product_of_polynomials(a, b)
    for cell in range(2):
        left, right = fractions(a[..., cell]), fractions(b[..., cell])
        sums, sums_of_sizes = (np.full((7, 7), Fraction(0)) for _ in range(2))
        for i, j in product(np.ndindex(5, 4), np.ndindex(3, 4)):
            sums[i[0] + j[0], i[1] + j[1]] += left[i] * right[j]
            sums_of_sizes[i[0] + j[0], i[1] + j[1]] += abs(left[i] * right[j])
        gap = np.abs(fractions(found[..., cell]) - sums) - Fraction(unit_of_sums(12)) * sums_of_sizes
        assert (gap <= Fraction(lost)).all()
    assert lost < 2.0**-80 * sizes(a).max() * sizes(b).max()


def test_pairs_are_equal_if_both_numbers_are() -> None:
    a = paired(np.array([1.0, 1.0, 0.0]), np.array([2.0**-60, 0.0, 0.0]))
    assert (a == 1).tolist() == [False, True, False]
    assert (a != paired(1.0, 2.0**-60)).tolist() == [False, True, True]
    assert a[1] == 1 and a[2] == 0


def test_functions_of_numpy_that_pairs_do_not_have_are_refused() -> None:
    with pytest.raises(TypeError):
        np.sin(random_pairs(0, 3))
