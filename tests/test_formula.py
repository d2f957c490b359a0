"""Formulas: chosen among candidates, told in LaTeX and JSON, and the same again after they were saved."""

import json
import math

import numpy as np
import pytest
import sympy as sp

from kanpde import load_problem
from kanpde.calculus.expressions import numpy_function, symbols
from kanpde.errors import ConfigurationError, KanpdeError
from kanpde.symbolic import symbolification
from kanpde.symbolic.formula import Formula
from kanpde.symbolic.json_trees import from_tree, to_tree
from kanpde.symbolic.proof.simplification import tidy
from kanpde.symbolic.symbolification import symbolify

x, t, A, B, k, rate = symbols(["x", "t", "A", "B", "k", "rate"])
D, speed = sp.Symbol("diffusivity", positive=True), sp.Symbol("speed", positive=True)

# Trees ------------------------------------------------------------------------------------------------------------

EXPRESSIONS = [
    sp.exp(-(sp.pi**2) * D * t) * sp.sin(sp.pi * x),
    sp.Rational(1, 3) + sp.Float(0.1) * x - sp.Float(1.5e-300),
    sp.Mul(2, x + 1, evaluate=False),
    sp.sqrt(x**2 + t**2) / (1 + sp.exp(-speed * (x - speed * t) / 2)) ** sp.Rational(3, 2),
    sp.Piecewise((x, x < t), (t**2, sp.And(x > 0, t <= 1)), (sp.S.Zero, True)),
    sp.erf(x) + sp.besselj(0, x) + sp.sech(t) ** 2 + sp.Min(x, t) + sp.LambertW(1 + x) + sp.E + 2**x,
    sp.Symbol("c", negative=True) * sp.I,
    sp.Integer(10) ** 40,
    sp.S.Zero,
]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_expressions_are_the_same_after_json(expression):
    again = from_tree(json.loads(json.dumps(to_tree(expression), allow_nan=False)))
    assert again == expression and again.free_symbols == expression.free_symbols


@pytest.mark.parametrize(
    "tree",
    [
        "__import__('os')", ["__import__", "os"], ["sympify", {"symbol": "x"}], ["Lambda", 1, 2], ["Function", "f"], [],
        None, {"symbol": "x + y"}, {"symbol": "__class__()"}, {"float": "__import__('os')"}, {"float": "nan"}, 1.5,
        {"rational": [1, 0]}, {"rational": ["1", 2]}, ["Symbol", "x"], ["sin"], ["Piecewise", 3], [["sin"], 1],
        ["lambdify", 1],
    ],
)  # fmt: skip
def test_what_is_no_tree_is_refused(tree):
    with pytest.raises(KanpdeError, match="expected"):
        from_tree(tree)


def deep(levels):
    """A tree of this depth."""
    tree = {"symbol": "x"}
    for _ in range(levels):
        tree = ["sin", tree]
    return tree


TOO_MUCH = [
    ["factorial", 10**9], ["fibonacci", 10**8], ["zeta", 10**6], ["bernoulli", 10**6], ["harmonic", 10**8],
    ["binomial", 10**9, 10**8], ["gamma", 10**9], ["partition", 10**8], ["Pow", 9, ["Pow", 9, ["Pow", 9, 9]]],
    ["exp", ["exp", ["exp", 100]]], ["Mul", {"symbol": "x"}, ["Pow", 10, 10**9]], ["Pow", 0, -1], ["log", 0],
    ["Add", {"symbol": "x"}, 10**400], ["Pow", ["log", 2], {"rational": [10**300, 1]}, 3], deep(150), deep(900),
    ["Add", *[{"symbol": "x"}] * 30_000], ["cos", ["Pow", -1, {"rational": [1, 2]}]], ["sin", 1, 2, 3],
    ["prime", 10**12], ["Mod", 10**300, 0], {"symbol": "x" * 10_000},
]  # fmt: skip


@pytest.mark.parametrize("tree", TOO_MUCH, ids=lambda tree: str(tree)[:40])
def test_formulas_that_would_never_end_are_refused(tree):
    with pytest.raises(KanpdeError, match="expected") as caught:
        from_tree(tree)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_functions_of_nobody_are_not_saved():
    with pytest.raises(KanpdeError, match="f"):
        to_tree(sp.Function("f")(x))


# Short forms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("long", "short"),
    [
        (sp.sin(x) * sp.cos(2 * t) - sp.cos(x) * sp.sin(2 * t), -sp.sin(2 * t - x)),
        (sp.exp(x) * sp.exp(-t), sp.exp(x - t)),
        (sp.exp(speed * x / 2 - speed**2 * t / 2), sp.exp(speed * (x - speed * t) / 2)),
        (sp.sin(sp.pi * x), sp.sin(sp.pi * x)),
    ],
)
def test_formulas_are_told_shortly(long, short):
    assert sp.expand(tidy(long) - short) == 0 and len(str(tidy(long))) <= len(str(short))


# From a solution to a formula ---------------------------------------------------------------------------------------


class Solved:
    """A network that is off by a relative 1e-4."""

    def __init__(self, problem):
        self.problem, self.estimate = problem, 1e-4
        self.exact = [numpy_function(e, problem.domain.names) for e in problem.exact_functions()]

    def evaluate(self, points, partial=()):
        assert partial == ()
        return np.stack([f(*points.T) for f in self.exact], axis=-1) * (1 + 1e-4 * np.sin(9 * points[:, :1]))


MODE = A * sp.exp(-rate * t) * sp.sin(k * x), {A: 1.0, rate: 2.9, k: 3.1}
SERIES = A * sp.sin(sp.pi * x) * (1 + B * t + k * t**2), {A: 1.0, B: -2.0, k: 1.0}
LINE = A + B * x, {A: 0.1, B: 0.1}


@pytest.fixture
def found(monkeypatch):
    def symbolified(*proposals, **options):
        monkeypatch.setattr(symbolification, "candidates", lambda *a: iter(proposals))
        return symbolify(Solved(load_problem("heat", diffusivity=0.3)), **options)

    return symbolified


def test_the_first_proved_candidate_ends_the_search(found):
    said = []
    formula = found(LINE, MODE, SERIES, progress=said.append)
    assert formula.proved and formula.status == "proved" and formula.relative_l2 < 1e-15
    assert formula.distance == pytest.approx(1e-4, rel=0.7) and formula.seconds > 0
    assert formula.expression == sp.exp(-3 * sp.pi**2 * t / 10) * sp.sin(sp.pi * x)
    assert formula.general["u"] == sp.exp(-(sp.pi**2) * D * t) * sp.sin(sp.pi * x)
    assert formula.expression.free_symbols == {x, t} and any("residual" in step for step in formula.steps)
    assert len(said) == 2 and "A + B*x" in said[0]


def test_without_a_proof_the_nearest_is_an_approximation(found):
    formula = found(LINE, SERIES, LINE)
    assert formula.status == "none" and not formula.proved and "residual" in formula.reason
    assert 1e-4 < formula.relative_l2 < 0.3 and formula.relative_l2 == pytest.approx(formula.distance, rel=0.05)
    assert formula.relative_l2 / 2 < formula.bound < 30 * formula.relative_l2
    assert str(formula).startswith("no closed form found; u = ") and str(formula).endswith("is an approximation")


def test_what_cannot_be_evaluated_is_passed_over(found):
    broken = (sp.Function("f")(x) * A, {A: 1.0}), (sp.log(x - 5), {}), (A / 0 * x, {A: 1.0}), (A * x, {})
    assert found(*broken, MODE).proved
    none = found(*broken)
    assert none.status == "none" and none.expression is None and str(none) == "no closed form found"
    assert none.latex() == "" and Formula.from_json(none.to_json()) == none
    assert found().reason == "the search found no candidate"


@pytest.mark.parametrize("budget", [0, -1, math.nan, "long", True])
def test_the_budget_is_a_positive_number(found, budget):
    with pytest.raises(ConfigurationError, match=r"symbolic\.budget_seconds"):
        found(MODE, budget_seconds=budget)


def test_a_formula_is_the_same_after_json(found):
    for formula in (found(MODE), found(SERIES)):
        assert Formula.from_json(json.loads(json.dumps(formula.to_json(), allow_nan=False))) == formula
    with pytest.raises(KanpdeError, match="expected a formula"):
        Formula.from_json({"status": "proved"})


def test_a_formula_answers_like_a_solution(found):
    formula = found(MODE)
    xs, ts = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 3)
    np.testing.assert_allclose(
        formula(x=xs, t=ts), np.exp(-0.3 * np.pi**2 * ts) * np.sin(np.pi * xs), rtol=1e-14, atol=1e-15
    )
    points = np.random.default_rng(0).random((7, 2))
    slope = np.pi * np.exp(-0.3 * np.pi**2 * points[:, 1]) * np.cos(np.pi * points[:, 0])
    np.testing.assert_allclose(formula.evaluate(points, (0,))[:, 0], slope, rtol=1e-12, atol=1e-14)
    with pytest.raises(KanpdeError, match="coordinates x, t"):
        formula(x=1)


def test_latex_has_letters_for_parameters_and_their_values(found):
    assert found(MODE).latex() == r"u = e^{- \pi^{2} D t} \sin{\left(\pi x \right)}, \quad D = 0.3"
    pair = {"u": sp.cos(speed * t), "D": D * speed * t}
    formula = Formula(("t",), pair, pair, {"speed": sp.pi, "diffusivity": sp.Rational(1, 2)}, "numeric")
    assert formula.latex() == (
        r"\begin{aligned}u &= \cos{\left(c t \right)} \\ D &= \mathrm{diffusivity} c t \\ "
        r"\mathrm{diffusivity} &= 0.5 \\ c &= \pi\end{aligned}"
    )
    assert formula.text() == "u = cos(speed*t); D = diffusivity*speed*t with diffusivity = 0.5, speed = pi"
