"""SymPy expressions as tensor functions: against SymPy's own numbers at high precision, and by their shapes."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde.calculus.expressions import numpy_function, real_expression, symbols, torch_function
from kanpde.calculus.functions import OPERATIONS
from kanpde.errors import ProblemError

x, t = symbols(("x", "t"))

EXPRESSIONS = [
    x + 2 * t - sp.pi,
    x**3 / t**2 - 1 / (x * t),
    sp.sqrt(x) + x ** sp.Rational(-1, 2) + x ** sp.Rational(2, 3) + x**1.5,
    2**x + t**x,
    (1 + sp.exp(x - 5 * t)) ** -2,
    sp.sin(x) * sp.cos(t) * sp.tan(x) + sp.cot(x) + sp.sec(t) + sp.csc(x),
    sp.asin(x) + sp.acos(t) + sp.atan(x) + sp.atan2(x, -t) + sp.acot(x) + sp.asec(1 + x) + sp.acsc(1 + t),
    sp.sinh(x) + sp.cosh(t) + sp.tanh(x) + sp.coth(t) + sp.sech(x) + sp.csch(t),
    sp.asinh(x) + sp.acosh(1 + t) + sp.atanh(x) + sp.acoth(1 + x) + sp.asech(x) + sp.acsch(t),
    sp.log(x) + sp.exp(-(t**2)) + sp.Abs(x - t) + sp.sign(x - t),
    sp.floor(5 * x) + sp.ceiling(3 * t) + sp.Mod(7 * x, 2),
    sp.Max(x, t, sp.Rational(1, 3)) * sp.Min(x, t, 2),
    sp.Heaviside(x - sp.Rational(1, 3)) + sp.sinc(3 * x),
    sp.erf(x) + sp.erfc(t) + sp.erfinv(x) + sp.erfi(t),
    sp.gamma(1 + x) + sp.loggamma(1 + t) + sp.LambertW(x),
    sp.besselj(0, x) + sp.bessely(1, x) + sp.besseli(2, x) + sp.besselk(sp.Rational(1, 2), t),
    sp.elliptic_k(x) + sp.elliptic_e(t) + sp.Ei(x),
    sp.Piecewise((x, x < t), (t**2, sp.And(x > t, x < 0.9)), (sp.S(7), True)),
    sp.Piecewise((1, sp.Or(x <= t, sp.Not(t < 0.5))), (2, x >= 0.5), (3, True)),
]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_values_are_sympys(expression: sp.Expr) -> None:
    points = np.random.default_rng(3).uniform(0.1, 0.9, (6, 2))
    exact = [float(sp.N(expression.subs({x: sp.Float(a, 30), t: sp.Float(b, 30)}), 20)) for a, b in points]
    found = numpy_function(expression, ("x", "t"))(points[:, 0], points[:, 1])
    np.testing.assert_allclose(found, exact, rtol=2e-13)


def test_every_listed_function_is_tested() -> None:
    tested = {part.func for expression in EXPRESSIONS for part in sp.preorder_traversal(expression)}
    # Sympy rewrites the relations and negations that stand in the list; the delta is a derivative's.
    relations = {sp.Equality, sp.Unequality, sp.GreaterThan, sp.LessThan, sp.StrictGreaterThan, sp.StrictLessThan}
    assert set(OPERATIONS) - tested <= relations | {sp.Not, sp.DiracDelta}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "expression", [sp.S(2), 1.5, sp.pi, x, x + t, sp.Piecewise((1, x > 0), (2, True)), sp.Max(x, 0)]
)
def test_shape_and_dtype_are_the_inputs(expression: object, dtype: torch.dtype) -> None:
    result = torch_function(expression, ("x", "t"))(torch.ones(3, 1, dtype=dtype), torch.ones(4, dtype=dtype))
    assert result.shape == (3, 4) and result.dtype == dtype


def test_numbers_are_taken_and_constants_broadcast() -> None:
    assert numpy_function(2, ("x", "t"))([1, 2], [[3], [4]]).tolist() == [[2, 2], [2, 2]]
    assert numpy_function(x * t, ("x", "t"))(2, 3) == 6


def test_autograd_is_sympys_derivative() -> None:
    expression = sp.exp(-(x**2)) * sp.sin(3 * t) / (1 + x**2) + sp.sqrt(x + t)
    columns = [torch.rand(5, dtype=torch.float64, generator=torch.manual_seed(0)).requires_grad_() for _ in range(2)]
    torch_function(expression, ("x", "t"))(*columns).sum().backward()
    for symbol, column in zip((x, t), columns, strict=True):
        exact = torch_function(sp.diff(expression, symbol), ("x", "t"))(*[c.detach() for c in columns])
        torch.testing.assert_close(column.grad, exact, rtol=1e-13, atol=0)


def test_common_parts_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setitem(OPERATIONS, sp.sin, lambda a: calls.append(1) or torch.sin(a))
    torch_function(sp.sin(x) ** 2 + sp.exp(sp.sin(x)) / sp.sin(x), ("x",))(torch.ones(2))
    assert len(calls) == 1


def test_symbols_are_matched_by_name_whatever_they_assume() -> None:
    positive, plain = sp.Symbol("x", positive=True), sp.Symbol("t")
    assert real_expression(positive * plain, ("x", "t")) == x * t
    # Abs of a complex symbol has no useful derivative; of the real one it has.
    assert sp.diff(real_expression(sp.Abs(plain), ("t",)), t) == sp.sign(t)


def test_unevaluated_parts_are_evaluated() -> None:
    expression = sp.Integral(2 * t, (t, 0, x)) + sp.Derivative(sp.sin(x), x)
    assert sp.simplify(real_expression(expression, ("x", "t")) - x**2 - sp.cos(x)) == 0


def test_a_jump_has_derivative_zero() -> None:
    derivative = sp.diff(sp.Heaviside(x), x)
    assert numpy_function(derivative, ("x",))([-1.0, 1.0]).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (sp.Symbol("y") * x, "symbol y"),
        ("x + 1", "SymPy expression or a number"),
        (None, "NoneType"),
        (True, "bool"),
        (np.ones(3), "ndarray"),
        (sp.I * x, "real"),
        (sp.sqrt(-2) + x, "real"),
        (sp.nan, "finite"),
        (float("inf"), "finite"),
        (sp.Function("f")(x), "counterpart"),
        (sp.zeta(x), "counterpart"),
    ],
    ids=str,
)
def test_what_has_no_numbers_is_refused(expression: object, said: str) -> None:
    with pytest.raises(ProblemError, match=said):
        torch_function(expression, ("x", "t"))
