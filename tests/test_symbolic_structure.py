"""Structure of known fields: spectra, closures, symmetries, outer functions; each says no where the field has none."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from planted import Planted, problem_of

from kanpde import Box
from kanpde.symbolic.families import similarity
from kanpde.symbolic.structure import factors, outer_functions, report
from kanpde.symbolic.structure.sampled import estimated_error, sample

x, y, t = sp.symbols("x y t", real=True)
BOX = Box(x=(0, 2), t=(0.5, 2))


def field(expression, domain=BOX, error=1e-6):
    return sample(Planted(problem_of(domain, lambda u: u, expression), error))[0]


def test_the_grid_integrates_and_differentiates():
    u = field(sp.sin(x) * t**2, error=0)
    assert np.sum(u.weight) == pytest.approx(1)
    expected = sp.integrate((sp.sin(x) * t**2) ** 2, (x, 0, 2), (t, sp.Rational(1, 2), 2)) / 3
    assert u.norm() ** 2 == pytest.approx(float(expected), rel=1e-12)
    np.testing.assert_allclose(u.second[1], 2 * np.sin(u.coordinates[0]), atol=1e-12)


def test_an_outer_function_follows_the_chain_rule():
    u, log = field(sp.exp(x * t**2), error=0), field(x * t**2, error=0)
    name, peel, back = next(outer_functions.peel(u))
    assert name == "log u" and back(x) == sp.exp(x)
    for found, expected in zip((peel.values, *peel.second), (log.values, *log.second), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-11)


@pytest.mark.parametrize("outer", outer_functions.OUTER, ids=lambda outer: outer.name)
def test_every_outer_function_has_its_inverse_and_derivatives(outer):
    u = np.linspace(0.55, 0.9, 5) if outer.name != "tan u/4" else np.linspace(0.5, 3, 5)
    assert outer.fits(u)
    g, first, second = outer.forward(u)
    back = sp.lambdify(x, outer.back(x))
    np.testing.assert_allclose(back(g), u, rtol=1e-12)
    h = 1e-5
    np.testing.assert_allclose((outer.forward(u + h)[0] - outer.forward(u - h)[0]) / (2 * h), first, rtol=1e-7)
    np.testing.assert_allclose((outer.forward(u + h)[1] - outer.forward(u - h)[1]) / (2 * h), second, rtol=1e-6)


def test_the_error_is_the_trainings_own():
    planted = Planted(problem_of(BOX, lambda u: u, x), 1e-4)
    assert estimated_error(planted) == pytest.approx(1e-4)
    planted.estimate = np.inf
    assert 0 < estimated_error(planted) < 1


def test_the_spectrum_shows_the_rank_and_the_error():
    u = field(sp.exp(-t) * sp.sin(x) + sp.exp(-3 * t) * sp.sin(2 * x) / 3)
    left = factors.tails(factors.spectrum(u, 0))
    assert left[0] == pytest.approx(1) and left[1] > 1e-2 and left[2] < 3e-6 and (np.diff(left) <= 0).all()


def rates_of(expression, axis, rank, error=1e-8):
    """The constants of every closure, sorted, by the names and sizes of its bases."""
    space = factors.subspace(field(expression, error=error), axis, rank)
    return [sorted(map(float, start)) for _, start in factors.closures(space)]


def test_mixtures_of_exponentials_and_waves_are_told_apart():
    two = sp.exp(-t) * sp.sin(3 * x) + sp.exp(-4 * t) * (sp.sin(5 * x) / 3 + sp.cos(3 * x))
    assert any(np.allclose(found, [-4, -1], atol=1e-3) for found in rates_of(two, 1, 2) if len(found) == 2)
    wave = sp.sin(3 * x - 5 * t) * sp.exp(-t / 2)
    assert any(np.allclose(found, [3], atol=1e-4) for found in rates_of(wave, 0, 2) if len(found) == 1)
    assert any(np.allclose(found, [-0.5, 5], atol=1e-3) for found in rates_of(wave, 1, 2) if len(found) == 2)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (sp.exp(-2 * t) - sp.exp(-3 * t) / 2, [-3, -2]),  # one function, two exponentials
        (sp.sin(3 * t**2), [3]),
        ((t + 1) ** sp.Rational(-3, 2), [-1.5, 1]),
        (sp.exp(-(t**2) + t), [-1, 1]),
    ],
)
def test_one_function_is_named_by_its_differential_equation(expression, expected):
    assert any(np.allclose(f, expected, atol=1e-3) for f in rates_of(expression, 1, 1) if len(f) == len(expected))


@pytest.mark.parametrize(
    ("expression", "multiplier", "variable", "constants"),
    [
        (sp.tanh(2 * x - 3 * t), 0, 1, [-1.5]),
        (sp.exp(-t) * sp.sin(2 * x - 3 * t), 1, 1, [-1.5, -1]),
        (sp.exp(-(x**2) / (4 * t + 2)) / sp.sqrt(4 * t + 2), 1, 1, [0.5, -0.5, -0.5]),
    ],
)
def test_a_null_vector_gives_speed_decay_and_exponents(expression, multiplier, variable, constants):
    found = list(similarity.reductions(field(expression)))
    assert any(
        np.allclose(sorted(r.constants.values()), sorted(constants), atol=1e-3)
        for r in found
        if len(r.constants) == len(constants)
    )
    assert all(r.number <= r.threshold for r in found)


def test_products_and_circles_are_seen():
    assert any(r.variable == x * y for r in similarity.reductions(field(sp.sin(x * y), Box(x=(-1, 1), y=(-1, 1)))))
    circles = similarity.radial(field(sp.log((x - 3) ** 2 + y**2), Box(x=(0, 1), y=(0, 1)), error=1e-8))
    assert circles.number <= circles.threshold and list(circles.constants.values()) == pytest.approx([3], abs=1e-4)


def test_findings_hold_where_they_should_and_nowhere_else():
    def named(expression):
        return {finding.name: finding.holds for finding in report.report(field(expression))}

    separated, total, none = named(sp.exp(-t) * sp.sin(x)), named(sp.exp(-t) + x**3), named(1 / (1 + x * t + x**2))
    assert separated["separated with rank 1 x 1"] and not separated["a sum of functions of one coordinate"]
    assert total["a sum of functions of one coordinate"] and total["separated with rank 2 x 2"]
    assert not none["a ridge F(k.x)"] and not none["a sum of functions of one coordinate"]
    assert named(sp.atan(x + 2 * t))["a ridge F(k.x)"]


def test_thresholds_grow_with_the_error():
    loose, tight = (list(report.report(field(sp.sin(x) * t, error=e))) for e in (1e-3, 1e-6))
    assert loose[0].threshold == pytest.approx(1e3 * tight[0].threshold) and loose[0].holds and tight[0].holds
