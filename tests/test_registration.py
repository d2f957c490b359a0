"""A user's own functions reach everything: the search, the edges of networks, files and the proof."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import sympy as sp
import torch
from readable_cases import points_in
from sampled_fields import field

from kanpde import (
    KAN,
    Box,
    Dirichlet,
    Problem,
    Solution,
    as_sympy,
    certify,
    fix,
    formula_to_kan,
    register_atom,
    solve,
    suggest,
    unfix,
)
from kanpde.calculus.expressions import numpy_function, torch_function
from kanpde.calculus.functions import ATOMS, registered
from kanpde.errors import ConfigurationError
from kanpde.readable.edges import atoms_of, name_edge
from kanpde.symbolic.proposals import proposals
from kanpde.symbolic.structure.atoms import library, names

x, t, z = sp.symbols("x t z", real=True)
FUNCTIONS = {
    "lorentz": lambda z: 1 / (1 + z**2),
    "ricker": lambda z: (1 - z**2) * sp.exp(-(z**2) / 2),
    "softplus": lambda z: sp.log(1 + sp.exp(z)),
}


@pytest.fixture(autouse=True)
def added(no_atoms_stay):
    for name, function in FUNCTIONS.items():
        register_atom(name, function)


def broken(z):
    raise ValueError("no such thing")


# The row -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_are_those_of_the_expression(name):
    points = torch.linspace(-2, 2, 9, dtype=torch.float64)
    found = ATOMS[name].derivatives(points, 6)
    for order, values in enumerate(found):
        expected = torch_function(sp.diff(FUNCTIONS[name](z), z, order), ["z"])(points)
        torch.testing.assert_close(values, expected, rtol=1e-11, atol=1e-11)
    assert len(found) == 6 and torch.equal(ATOMS[name].derivatives(points, 1)[0], found[0])


@pytest.mark.parametrize(
    ("function", "interval"),
    [
        (FUNCTIONS["lorentz"], (-math.inf, math.inf)),
        (lambda z: 1 / (z + sp.Rational(1, 3)), (-1 / 3, math.inf)),
        (lambda z: sp.log(z - 2), (2, math.inf)),
        (sp.asin, (-1, 1)),
        (lambda z: sp.sqrt(5 - z), (-math.inf, 5)),
        (lambda z: sp.Abs(z) * z, (0, math.inf)),
    ],
)
def test_the_interval_in_which_a_function_is_smooth(function, interval):
    register_atom("own", function)
    np.testing.assert_allclose(ATOMS["own"].domain, interval, rtol=1e-14)


@pytest.mark.parametrize(
    ("name", "function", "said"),
    [
        ("sin", sp.sin, "'sin', which is taken"),
        ("lorentz", sp.sin, "'lorentz', which is taken"),
        ("power", sp.sin, "'power', which is taken"),
        ("two words", sp.sin, "a word"),
        ("mine", 3, "a function of a SymPy expression"),
        ("mine", broken, "SymPy out .* ValueError: no such thing"),
        ("mine", np.sin, "SymPy out"),
        ("mine", lambda z: 3.0, "SymPy out"),
        ("mine", lambda z: sp.Symbol("q") * z, "SymPy out"),
        ("mine", sp.airyai, "numerical counterpart, got airyai"),
        ("mine", lambda z: sp.sqrt(-1 - z**2), "somewhere finite"),
    ],
)
def test_slips_in_registering_are_told_in_one_line(name, function, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        register_atom(name, function)
    assert "\n" not in str(caught.value) and set(registered()) == set(FUNCTIONS)


# The search and the proof --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_search_finds_it(name):
    assert name in names()
    u = field(2 + 3 * FUNCTIONS[name](2 * x - 1) * sp.exp(-t), Box(x=(-1, 2), t=(0, 1)))
    assert min(proposal.misfit for proposal in proposals(u, library([name, "exp"]))) < 1e-8


@dataclass(frozen=True)
class Bell(Problem):
    """u' = −2 x u² from u(0) = 1, whose solution is 1/(1 + x²)."""

    domain = Box(x=(0, 2))

    def residual(self, u, x):
        return u.x + 2 * x * u**2

    def conditions(self):
        return {"start": Dirichlet(1, on="x-")}


def test_a_formula_with_it_is_proved():
    certificate = certify(ATOMS["lorentz"].sympy(x), {}, Bell())
    assert certificate.status == "proved"


# Edges ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_edge_is_suggested_and_fixed(name):
    network, box = KAN(width=[], degree=7, intervals=20).build([-1.0], [2.0], 1), Box(x=(-1, 2))
    name_edge(network.first, (0, 0), name, (-1.5, 0.4, 2.0, -0.3))
    spline, points = unfix(network, 0, 0, 0), points_in(box)
    best = suggest(spline, 0, 0, 0, ["x", "sin", "tanh", name])[0]
    assert best.name == name and best.error < 1e-5
    named = fix(spline, 0, 0, 0, name)
    assert (named(points) - network(points)).abs().max() < 1e-4
    written = numpy_function(as_sympy(spline, ["x"], tolerance=1e-5), ["x"])(*points.numpy().T)
    assert np.abs(written - network(points).detach().numpy()[:, 0]).max() < 1e-4


def test_a_named_network_trains_is_saved_and_loaded_where_its_atoms_are_known(tmp_path):
    guess = formula_to_kan(0.9 / (1 + (1.1 * x + 0.05) ** 2), Bell.domain)
    training = {"stages": [{"optimiser": "gauss_newton", "iterations": 15}], "max_parameters": 0}
    solution = solve(Bell(), guess, device="cpu", training=training, sampling={"interior": 100, "boundary": 8})
    values = np.linspace(0, 2, 9)
    np.testing.assert_allclose(solution(x=values), 1 / (1 + values**2), rtol=1e-10)
    solution.save(tmp_path / "run.kan")
    again = Solution.load(tmp_path / "run.kan", Bell())
    assert np.array_equal(again(x=values), solution(x=values)) and as_sympy(again) == as_sympy(solution)
    del ATOMS["lorentz"]
    with pytest.raises(ConfigurationError, match="'lorentz'.*register it first") as caught:
        Solution.load(tmp_path / "run.kan", Bell())
    assert "\n" not in str(caught.value)


EXPRESSIONS = [
    (1 / (2 + 8 * x**2), "lorentz"),
    (sp.exp(-t) / (1 + (2 * x + 1) ** 2), "lorentz"),
    (1 / (1 + (2 * x - t) ** 2) + 3 * t, "lorentz"),
    (3 - 2 * (1 - 9 * x**2) * sp.exp(-9 * x**2 / 2), "ricker"),
    (sp.log(1 + sp.exp(1 - 3 * x)), "softplus"),
]


@pytest.mark.parametrize(("expression", "name"), EXPRESSIONS, ids=str)
def test_a_formulas_edge_becomes_the_atom_and_no_spline(expression, name):
    box = Box(x=(0.1, 1), t=(0.2, 2))
    network, points = formula_to_kan(expression, box), points_in(box)
    assert name in {atom for layer in network.layers for atom, _ in atoms_of(layer).values()}
    expected = numpy_function(expression, box.names)(*points.numpy().T)
    assert np.abs(network(points).detach().numpy()[:, 0] - expected).max() < 1e-13
    back = numpy_function(as_sympy(network, box.names), box.names)(*points.numpy().T)
    assert np.abs(back - expected).max() < 1e-13
