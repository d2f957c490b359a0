"""Spectra and closures of factors: ranks, errors, and the equations that name one function."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from rough_fields import field, t, x

from kanpde.symbolic.structure import factors


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
