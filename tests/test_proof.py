"""Proofs: what vanishes is shown to, what does not is refused, what hangs is cut."""

import threading
import time

import pytest
import sympy as sp

from kanpde.calculus.expressions import symbols
from kanpde.symbolic.clock import Clock, TimeLimit, time_limit
from kanpde.symbolic.proof import vanishing
from kanpde.symbolic.proof.intervals import sign
from kanpde.symbolic.proof.smoothness import irregularities
from kanpde.symbolic.proof.vanishing import show

x, t = symbols("xt")
c = sp.Symbol("c", positive=True)
BOX = {x: (sp.Integer(0), sp.Integer(1)), t: (sp.Integer(0), sp.Integer(1))}


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


def hang(expression):
    while True:
        time.sleep(0.01)


def test_a_simplification_that_hangs_is_cut_and_one_that_raises_is_passed_over(monkeypatch):
    def broken(expression):
        raise NotImplementedError

    monkeypatch.setattr(vanishing, "SIMPLIFICATIONS", (("hang", hang), ("broken", broken), *vanishing.SIMPLIFICATIONS))
    start = time.monotonic()
    step = show("it", sp.sin(x) ** 2 + sp.cos(x) ** 2 - 1, BOX, Clock(20), share=0.2)
    assert step.outcome == "vanishes" and time.monotonic() - start < 10


@pytest.mark.parametrize("threaded", [False, True])
def test_time_is_limited_in_every_thread(threaded):
    outcomes = []

    def work():
        try:
            with time_limit(0.05):
                hang(x)
        except TimeLimit:
            outcomes.append("cut")
        with time_limit(30):
            outcomes.append("in time")

    if threaded:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(20)
    else:
        work()
    assert outcomes == ["cut", "in time"]


@pytest.mark.parametrize("threaded", [False, True])
def test_a_limit_leaves_nothing_behind(threaded):
    """Neither where the work ends just when the time is over nor where it catches what is raised in it."""
    done = []

    def work():
        for k in range(60):
            try:
                with time_limit(1e-4 * (k % 20)):
                    sum(range(100 * k))
            except TimeLimit:
                pass
        try:
            with time_limit(0.02):
                try:
                    hang(x)
                except BaseException:
                    hang(x)
        except TimeLimit:
            done.append("cut")
        time.sleep(0.6)
        done.append("quiet")

    if threaded:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(30)
    else:
        work()
    assert done == ["cut", "quiet"]


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


@pytest.mark.parametrize(
    "smooth",
    [sp.tan(x), 1 / (1 + x**2), sp.sqrt(x + t), sp.log(1 + x), 1 / (1 + sp.exp(x - t)), sp.atan(x / (1 + t)), x**2,
     sp.Abs(x), (1 + t) ** sp.Rational(-3, 2), sp.acos(x / 2) * sp.atanh(x / 2), sp.pi**x, sp.besselj(0, x)],
)  # fmt: skip
def test_what_is_smooth_on_the_closed_domain(smooth):
    assert irregularities(smooth, BOX, Clock(20)) == []


@pytest.mark.parametrize(
    "rough",
    [sp.tan(2 * x), 1 / (x - sp.Rational(1, 3)), 1 / x, sp.log(x), sp.sqrt(x - t), 1 / (x + t), sp.Abs(x - t),
     sp.sign(x - t), sp.Piecewise((x, x < t), (t, True)), sp.atanh(x), sp.floor(3 * x), 1 / (1 - 2 * x * t), sp.I * x,
     1 / (x**2 + t**2 - sp.Rational(1, 10)), sp.sec(2 * x), sp.coth(x), sp.acos(2 * x), (x - t) ** sp.pi,
     sp.sqrt(-1 - x)],
)  # fmt: skip
def test_poles_cuts_and_kinks_are_found(rough):
    assert irregularities(1 + rough, BOX, Clock(20))
