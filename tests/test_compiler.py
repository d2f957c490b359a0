"""Formulas into networks, networks into formulas."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch
from readable_cases import points_in, random_network

import kanpde
from kanpde import Box, Solution, as_sympy, formula_to_kan, load_problem, solve
from kanpde.errors import ConfigurationError, ProblemError
from kanpde.readable.formulas import rounded, without_cancelled

x, t = sp.symbols("x t", real=True)
BOX = Box(x=(0.1, 1), t=(0.2, 2))
EXACT = [
    sp.Integer(3),
    x,
    sp.exp(-(sp.pi**2) * t) * sp.sin(sp.pi * x),
    3 * sp.sin(2 * x + 1) + t**2 + x * t,
    sp.sin(x) + x**2 + sp.exp(-x) + 5,
    (1 + sp.exp(2 * (x - 5 * t))) ** -2,
    x**7 * t - 1 / (x + 2) ** 7,
    2 * x**t + 2**x,
    sp.sqrt(x * t + 1) / (1 + x**2) + (t + 1) ** sp.Rational(-3, 2),
    12 * sp.sech(x - 4 * t) ** 2,
    sp.atan(x * t) + sp.erf(x - t) + sp.log(x + t) - sp.tan(x / 2),
    sp.sin(x) * sp.cos(t) * sp.exp(x) * sp.log(t + 1) + 1,
    (sp.sin(x) + 1) * (sp.sin(x) + 2) + sp.cosh(t) * sp.sinh(x) - sp.atanh(x / 3) + sp.sech(t) + sp.tanh(t / x),
]


def values(expression, points):
    return np.broadcast_to(sp.lambdify((x, t), expression, "scipy")(*points.numpy().T), len(points))


@pytest.mark.parametrize("expression", EXACT, ids=str)
def test_a_network_of_atoms_is_its_expression_to_round_off(expression):
    network, points = formula_to_kan(expression, BOX), points_in(BOX)
    found, expected = network(points).detach()[:, 0].numpy(), values(expression, points)
    assert np.abs(found - expected).max() <= 1e-12 * max(1.0, np.abs(expected).max())
    back = as_sympy(network, ["x", "t"])
    assert np.abs(values(back, points) - expected).max() <= 1e-12 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize(
    ("expression", "tolerance"), [(sp.besselj(0, 3 * x + 1), 1e-9), (t * sp.asin(x / 2) + sp.sin(x), 1e-9)]
)
def test_other_functions_become_splines(expression, tolerance):
    network, points = formula_to_kan(expression, BOX), points_in(BOX)
    assert np.abs(network(points).detach()[:, 0].numpy() - values(expression, points)).max() < tolerance


def test_several_expressions_are_several_outputs():
    network, points = formula_to_kan([x * t, sp.sin(x)], {"x": (0.1, 1), "t": (0.2, 2)}), points_in(BOX)
    expected = np.stack([values(x * t, points), values(sp.sin(x), points)], axis=1)
    assert np.abs(network(points).detach().numpy() - expected).max() < 1e-13
    assert as_sympy(network, ["x", "t"]) == (x * t, sp.sin(x))


def test_the_former_name_of_as_sympy_gives_the_same_and_warns():
    network = formula_to_kan(sp.exp(-t) * sp.sin(x), BOX)
    with pytest.warns(DeprecationWarning, match="as_sympy"):
        assert kanpde.formula(network, ["x", "t"]) == as_sympy(network, ["x", "t"])


def test_a_product_is_one_product_node():
    network = formula_to_kan(sp.exp(-t) * sp.sin(x), BOX)
    assert network.architecture()["width"] == [[0, 1]]
    names = [layer.fixed.names for layer in network.layers]
    assert [sorted(row) for row in names] == [["exp", "sin"], ["x"]]


def test_training_goes_on_from_a_formula(tmp_path):
    problem = load_problem("heat")
    guess = formula_to_kan(sp.Float(0.8) * sp.exp(-8 * t) * sp.sin(3 * x), problem.domain)
    stages = [{"optimiser": "gauss_newton", "iterations": 15}]
    solution = solve(
        problem,
        guess,
        device="cpu",
        training={"stages": stages, "max_parameters": 0},
        sampling={"interior": 200, "boundary": 64},
    )
    assert solution.errors()["relative_l2"] < 1e-12
    assert as_sympy(solution, decimals=9) == sp.exp(-sp.Float(9.869604401) * t) * sp.sin(sp.Float(3.141592654) * x)
    solution.save(tmp_path / "run.kan")
    again = Solution.load(tmp_path / "run.kan")
    assert np.array_equal(again(x=0.3, t=0.2), solution(x=0.3, t=0.2))
    assert again.network.architecture() == solution.network.architecture()


def test_first_order_methods_train_atoms_and_leave_pruned_edges_alone():
    problem = load_problem("heat")
    guess = formula_to_kan(sp.Float(0.8) * sp.exp(-8 * t) * sp.sin(3 * x), problem.domain)
    stages = [{"optimiser": "adam", "iterations": 12, "learning_rate": 2e-2}]
    solution = solve(
        problem, guess, device="cpu", training={"stages": stages}, sampling={"interior": 64, "boundary": 32}
    )
    assert solution.history["loss"][-1] < 0.5 * solution.history["loss"][0]
    for layer in solution.network.layers:
        assert torch.equal(layer.coefficients, layer.coefficients * layer.fixed.mask)


def test_what_cannot_be_compiled_or_read_is_said():
    with pytest.raises(ProblemError, match="expected an expression in the coordinates x, t, got the symbol y"):
        formula_to_kan(sp.Symbol("y"), BOX)
    with pytest.raises(ProblemError, match="expected an expression that is finite"):
        formula_to_kan(sp.sqrt(x - t), BOX)
    with pytest.raises(ProblemError, match="expected functions of one variable, sums and products, got Max"):
        formula_to_kan(sp.Max(x, t), BOX)
    with pytest.raises(ConfigurationError, match=r"got a spline at \(0, 0, 0\)"):
        as_sympy(random_network([2]))
    with pytest.raises(ConfigurationError, match="expected 2 names of coordinates, got x"):
        as_sympy(formula_to_kan(x * t, BOX), ["x"])


def test_terms_that_cancel_each_other_are_left_out():
    x, t = sp.symbols("x t", real=True)
    points = np.random.default_rng(0).random((41, 2))
    whole = sp.exp(-t) * sp.sin(x) + 0.5 * sp.cos(2 * x) + sp.sin(x) ** 2 - 0.5
    found = without_cancelled(whole, (x, t), points)
    assert rounded(found, 9) == sp.exp(-t) * sp.sin(x)
    kept = sp.sin(x) + sp.cos(2 * x) + x * t - t
    assert without_cancelled(kept, (x, t), points) == kept
