"""What vanishes is shown to, what does not is refused, what hangs is cut."""

import pytest
import sympy as sp
from boxes_of_symbols import BOX, hang, t, x

from kanpde.symbolic.clock import Clock
from kanpde.symbolic.proof import vanishing
from kanpde.symbolic.proof.vanishing import show

c = sp.Symbol("c", positive=True)


def shown(expression):
    return show("it", expression, {**BOX, c: (1, 2)}, Clock(20)).outcome


@pytest.mark.parametrize(
    "zero",
    [
        sp.sin(x) ** 2 + sp.cos(x) ** 2 - 1,
        1 - sp.tanh(c * x) ** 2 - sp.sech(c * x) ** 2,
        (x + t) ** 3 - x**3 - 3 * x**2 * t - 3 * x * t**2 - t**3,
        sp.exp(x + c * t) - sp.exp(x) * sp.exp(c * t),
        1 / (1 + sp.exp(x)) + 1 / (1 + sp.exp(-x)) - 1,
        sp.cos(x - c * t) - sp.cos(x) * sp.cos(c * t) - sp.sin(x) * sp.sin(c * t),
        sp.diff(sp.erf(x / (2 * sp.sqrt(c * (1 + t)))), t)
        - c * sp.diff(sp.erf(x / (2 * sp.sqrt(c * (1 + t)))), x, 2),
    ],
)  # fmt: skip
def test_identities_are_shown(zero):
    assert shown(zero) == "vanishes"


@pytest.mark.parametrize(
    "small", [sp.sin(x) - sp.sin(x + sp.Rational(1, 10**20)), sp.Rational(1, 10**30), sp.exp(-t) * x - x * (1 - t), x]
)
def test_what_is_small_is_not_zero(small):
    assert shown(small) == "does not vanish"


def test_an_identity_beyond_the_simplifications_is_seen_at_points(monkeypatch):
    monkeypatch.setattr(vanishing, "SIMPLIFICATIONS", ())
    step = show("it", sp.sin(x) ** 2 + sp.cos(x) ** 2 - 1, BOX, Clock(20))
    assert step.outcome == "vanishes at points" and not step.holds and not step.fails


def test_a_simplification_that_hangs_is_cut_and_one_that_raises_is_passed_over(monkeypatch):
    def broken(expression):
        raise NotImplementedError

    monkeypatch.setattr(vanishing, "SIMPLIFICATIONS", (("hang", hang), ("broken", broken), *vanishing.SIMPLIFICATIONS))
    step = show("it", sp.sin(x) ** 2 + sp.cos(x) ** 2 - 1, BOX, Clock(20), share=0.2)
    assert step.outcome == "vanishes"


def test_two_terms_with_equal_squares_and_opposite_signs_cancel():
    """SymPy does not know that y > z in the boxes."""
    y, z, far = sp.Symbol("y", positive=True), sp.Symbol("z", positive=True), {}
    far[y], far[z] = (3, 5), (1, 2)
    root = y / sp.sqrt(y**2 - z**2) - 1 / sp.sqrt(1 - z**2 / y**2)
    assert show("it", root, far, Clock(20)).outcome == "vanishes"
    wave = (1 + z / y) / sp.sqrt(1 - z**2 / y**2) - sp.sqrt((y + z) / (y - z))
    assert show("it", wave, far, Clock(20)).outcome == "vanishes"
    assert show("it", sp.Abs(y - 4) - (y - 4), far, Clock(20)).outcome != "vanishes"  # equal squares, but not signs
