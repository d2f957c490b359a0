"""Problems from text are problems like any other: solved, proved, with their parameters; mistakes are one line."""

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Condition, Data, Dirichlet, Initial, certify, problem_from, solve
from kanpde.errors import ProblemError
from kanpde.problem.block import Side
from kanpde.problem.field import Field

BOX = Box(x=(0, 1), t=(0, 1))
X, T, D = sp.symbols("x t D")
U = sp.Function("u")
V = U(X, T)


def values(problem, u):
    """The row of an equation at points (2, n), for a field u that is an expression in x and t."""
    points = np.array([[0.3, 0.7], [0.2, 0.9]])

    def lookup(partial):
        derivative = sp.diff(u, *((X, T)[axis] for axis in partial)) if partial else u
        return torch.from_numpy(sp.lambdify((X, T), derivative)(*points) + np.zeros(2))

    side = Side(torch.from_numpy(points.T), (Field("u", ("x", "t"), lookup),))
    return problem.blocks()[0].evaluate((side,), None, {})[0].numpy(), points


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("u_t = D*u_xx", lambda u: u.diff(T) - u.diff(X, 2) / 5),
        ("u_tt - D*u_xx = u**3", lambda u: u.diff(T, 2) - u.diff(X, 2) / 5 - u**3),
        ("u_x_t + D*sin(u)", lambda u: u.diff(X, T) + sp.sin(u) / 5),
        ("d(D*u^2*d(u, x), x) = t*u", lambda u: (u**2 * u.diff(X) / 5).diff(X) - T * u),
        ("d(u, x, 3)/x = d(D*x*u, t)", lambda u: u.diff(X, 3) / X - X * u.diff(T) / 5),
        (sp.Eq(V.diff(T), D * (V * V.diff(X)).diff(X)), lambda u: u.diff(T) - (u * u.diff(X)).diff(X) / 5),
    ],
)  # fmt: skip
def test_the_rows_are_those_of_the_equation(text, rows):
    u = sp.exp(-T) * sp.sin(2 * X) + X**4 * T
    found, (x, t) = values(problem_from(text, domain=BOX, parameters={"D": 0.2}), u)
    assert np.allclose(found, sp.lambdify((X, T), rows(u))(x, t), rtol=1e-13)


def test_long_names_and_names_with_lines():
    disk = Box(r=(1, 2), theta=(0, 1))
    problem = problem_from("u_1_r_theta + d(u_1, theta, theta)/r^2 = u_0*u_1", domain=disk, parameters={"u_0": 2},
                           fields=["u_1"])  # fmt: skip
    assert dict(problem.blocks()[0].partials) == {0: {(0, 1), (1, 1), ()}}


def test_fields_are_the_names_with_derivatives():
    system = problem_from(["u_t = v_xx - w", "v_t = u_xx", "d(w, x) = u"], domain=BOX)
    assert system.fields == ("u", "v", "w") and system.blocks()[0].components[0] == "residual_1"
    named = problem_from({"prey": "u_t = u - u*v", "predators": "v_t = u*v - v"}, domain=BOX)
    assert named.blocks()[0].components == ("prey", "predators")


def test_a_text_is_solved_and_proved_with_its_parameter():
    conditions = {"start": Initial("sin(pi*x)"), "ends": Dirichlet(0, on="x")}
    problem = problem_from("u_t = D*u_xx - u", domain=BOX, parameters={"D": 0.1}, conditions=conditions)
    solution = solve(problem)
    x = np.linspace(0, 1, 7)
    assert np.abs(solution(x=x, t=1.0) - np.exp(-(0.1 * np.pi**2 + 1)) * np.sin(np.pi * x)).max() < 1e-9
    a = sp.Symbol("a")
    found = certify(sp.exp(a * T) * sp.sin(sp.pi * X), {a: -2.0}, problem)
    assert found.proved and sp.Symbol("D", positive=True) in found.general["u"].free_symbols


def test_manufactured_solutions_are_one_line():
    problem = problem_from(
        "u_t = d(k*(1 + u)*d(u, x), x) + u^2", domain=BOX, parameters={"k": 0.3, "A": 0.5}, source="exact",
        exact="A*exp(-t)*cos(x)", conditions={
            "start": Initial("exact"), "left": Dirichlet("exact", on="x-"),
            "right": Condition("u_x + u = A*exp(-t)*(cos(1) - sin(1))", on="x+"),
        },
    )  # fmt: skip
    assert problem.check_exact() == []
    assert solve(problem).errors()["relative_l2"] < 1e-9
    plain = problem_from("u_t = u_xx", domain=BOX, exact="x^3")
    assert len(plain.check_exact()) == 1


def test_unknown_constants_are_found():
    p = np.random.default_rng(0).random((10, 2))
    seen = Data(p, np.exp(-0.3 * np.pi**2 * p[:, 1]) * np.sin(np.pi * p[:, 0]))
    conditions = {"start": Initial("sin(pi*x)"), "ends": Dirichlet(0, on="x"), "seen": seen}
    problem = problem_from("u_t = k*u_xx", domain=BOX, unknowns={"k": 1.0}, conditions=conditions)
    assert abs(solve(problem).unknowns["k"] - 0.3) < 1e-8


HEAT = "u_t = u_xx"


@pytest.mark.parametrize(
    ("equations", "more", "said"),
    [
        ("u_t = k*u_xx", {}, "k is neither a field, a coordinate nor a parameter; give parameters={'k': …}"),
        ("u_t = u_y", {}, "expected a partial derivative of u, got u_y; the coordinates are x, t"),
        ("u_t = v_xx", {}, "one equation for each of the fields u, v, got 1"),
        (["u_t = u", "x = t"], {"fields": ["u"]}, "'x = t' depends on none of the fields u"),
        ("u_t = u_t", {}, "depends on none"), ("u_t = sqrt(-1)*u", {}, "real and finite"),
        ("u_t = exp(exp(100))*u", {}, "finite"), ("u_t = d(u)", {}, "expected d(expression, coordinate"),
        ("u_t = d(exp(exp(exp(u))), x, 12)", {}, "too long"), ("u_t = d(u, x, 13)", {}, "expected d("),
        (HEAT, {"parameters": {"D": 1.0}}, "no equation uses the parameter D"),
        ("u_t = D*u", {"parameters": {"D": "a"}}, "parameter D expects a finite number, got 'a'"),
        ("u_t = D*u", {"parameters": {"D": np.nan}}, "finite number"),
        ("u_t = domain*u", {"parameters": {"domain": 1}}, "can't be called 'domain'"),
        ("u_t = rows*u", {"parameters": {"rows": 1}}, "can't be called 'rows'"),
        ("u_t = x*u", {"parameters": {"x": 1.0}}, "the parameter x has the name"),
        (3.5, {}, "expected an equation"), ([], {}, "at least one equation"), (HEAT, {"domain": 3}, "Box(x=(0, 1))"),
        (HEAT, {"conditions": {"a": 3}}, "such as Dirichlet(0) for 'a'"),
        (HEAT, {"conditions": {"a": Initial("sin(pi*y)")}}, "y is neither"),
        (HEAT, {"conditions": {"a": Dirichlet(0, on="y")}}, "condition 'a' of text"),
        (HEAT, {"name": "a b"}, "a plain word as name"),
        (HEAT, {"source": "exact"}, "needs exact="), (HEAT, {"source": "x", "exact": "x"}, "source='exact'"),
        (HEAT, {"exact": ["x", "t"]}, "exact for the fields u"), (HEAT, {"exact": "u"}, "u is neither"),
        ("u_t = k*u", {"unknowns": {"k": 1.0}, "source": "exact", "exact": "x"}, "no unknowns"),
        (sp.Eq(U(0, T), 1), {}, "unknown functions of the coordinates, such as u(x, t), got u(0, t)"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(equations, more, said):
    with pytest.raises(ProblemError) as caught:
        problem_from(equations, **{"domain": BOX, **more})
    assert said in str(caught.value) and "\n" not in str(caught.value)
