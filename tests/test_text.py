"""Formulas as text: they mean what a mathematician reads, and mistakes and attacks end in one line."""

import pytest
import sympy as sp

from kanpde import register_atom
from kanpde.calculus.text import names_in, parse_equation, parse_expression
from kanpde.errors import ProblemError
from kanpde.problem.jet_text import JetVocabulary

x, t = sp.symbols("x t", real=True)
WORDS = JetVocabulary(("x", "t"), ())


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("-x^2", -(x**2)), ("2^-x", 2**-x), ("x**2**3", x**8), ("x - t - 1", x - t - 1), ("x/t/2", x / (2 * t)),
        ("x/(t*2)", x / (2 * t)), ("-(x - t)*3", 3 * t - 3 * x), ("--x", x), ("2*-x", -2 * x), ("1e-2*x", x / 100),
        ("0.1", sp.Rational(1, 10)), (".5*x", x / 2), ("sin(pi*x)", sp.sin(sp.pi * x)), ("exp(-t)", sp.exp(-t)),
        ("sqrt(x)", sp.sqrt(x)), ("ln(x)", sp.log(x)), ("abs(x)", sp.Abs(x)), ("max(x, t, 0)", sp.Max(x, t, 0)),
        ("besselj(0, x)", sp.besselj(0, x)), ("arctan2(x, t)", sp.atan2(x, t)), ("heaviside(x)", sp.Heaviside(x)),
        ("x\n+\tt", x + t), ("E^x", sp.exp(x)), ("x**0.5", sp.sqrt(x)),
    ],
)  # fmt: skip
def test_a_text_means_what_is_written(text, meaning):
    assert parse_expression(text, WORDS) == meaning


def test_an_equation_is_left_minus_right():
    assert parse_equation("x = t + 1", WORDS) == x - t - 1 == parse_equation("x == t + 1", WORDS)
    assert parse_equation("x - t", WORDS) == x - t
    assert list(names_in("u_t = sin(x)*u_t")) == ["u_t", "sin", "x", "u_t"]


def test_every_sympy_expression_of_the_table_is_read_as_it_prints():
    written = sp.sech(x) ** 2 / sp.cosh(t) + sp.Mod(x, 2) - sp.Min(x, 1) + sp.erf(x - sp.sqrt(2)) * sp.pi - sp.E
    assert parse_expression(str(written), WORDS) == written


def test_atoms_of_ones_own_are_functions(no_atoms_stay):
    register_atom("lorentz", lambda z: 1 / (1 + z**2))
    assert parse_expression("lorentz(2*x)", WORDS) == 1 / (1 + 4 * x**2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("__import__('os')", "position 12: unexpected"), ("x.real", "position 2: unexpected '.'; write derivatives"),
        ("x +", "position 4: expected a number, a name or a parenthesis, got the end"),
        ("2 x", "position 3: expected an operator such as * before 'x'"),
        ("(x", "position 3: expected ')', got the end"),
        ("x = t = 1", "one equation before '='"), ("", "position 1"), ("x)", "before ')'"),
        ("foo(x)", "foo is no function"), ("eval(x)", "eval is no function"), ("sin(x, t)", "sin can't take"),
        ("sin()", "sin can't take"), ("x/0", "position 3: division by zero"), ("y", "y is neither a field"),
        ("9**9**9", "position 1: a number that is too large"), ("1e999999999", "a number that is too long"),
        ("gamma(10**9)*x", "position 1: a constant that is not finite, or larger than 1000"),
        ("floor(exp(10^10))", "position 7: a constant"), ("besselk(10^9, 10^9)", "larger than 1000"),
        ("log(0)", "not finite"), ("exp(pi^(pi^(pi^2)))", "larger than"), ("pi^500*pi^500", "larger than"),
        ("9" * 100, "too long"), ("(" * 200 + "x", "levels of parentheses"),
        ("x^" * 200 + "x", "levels of parentheses"), ("x" * 10_001, "at most 10000 characters"),
        ("x $", "unexpected '$'"),
        ("lambda: x", "unexpected ':'"), ("[x]", "unexpected '['"), ("DiracDelta(x)", "no function"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_its_position(text, said):
    with pytest.raises(ProblemError) as caught:
        parse_equation(text, WORDS)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_long_texts_are_read():
    assert parse_expression("+".join(["x"] * 4000), WORDS) == 4000 * x
    assert parse_expression("-" * 5000 + "x", WORDS) == x
