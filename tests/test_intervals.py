"""Signs on a box, by interval arithmetic."""

import pytest
import sympy as sp
from boxes_of_symbols import t, x

from kanpde.symbolic.proof.intervals import sign


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (1 + x**2, "positive"), (x, "nonnegative"), (-x * t - 1, "negative"), (x - sp.Rational(1, 3), "changes"),
        (sp.cos(x), "positive"), (sp.cos(2 * x), "changes"), (sp.exp(x - t) - 3, "negative"), (x - t, "changes"),
        (sp.sin(x) + sp.Rational(1, 100), "positive"), (2 - sp.tanh(5 * x) - t / 2, "positive"),
        (x**2 + t**2 - x * t + sp.Rational(1, 100), "positive"), (sp.erf(x) - t + 2, "positive"),
        (sp.Abs(x - t) + 1, "positive"), (sp.log(1 + x) + sp.cosh(t) - sp.sqrt(x), "positive"),
        (sp.besselj(0, x), "unknown"),
    ],
)  # fmt: skip
def test_signs_on_a_box(expression, expected):
    assert sign(expression, {x: (0.0, 1.0), t: (0.0, 1.0)}) == expected
