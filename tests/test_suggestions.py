"""Edges recognised: planted atoms are found, scores are honest, fixing and unfixing keep the function."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from readable_cases import points_in, random_network

from kanpde import KAN, Box, fix, suggest, unfix
from kanpde.calculus.functions import ATOMS
from kanpde.errors import ConfigurationError
from kanpde.readable.edges import name_edge

# c f(a x + b) + d on (0.2, 1); a cosine is a sine, and is called one.
CONSTANTS = {"x^5": (1.0, 0.0, 2.0, -1.0), "tan": (1.2, -0.3, 2.0, 1.0), "atanh": (1.4, -0.8, 0.5, 0.3)}
ALIASES = {"cos": "sin"}


def line(name=None, constants=(2.0, -0.4, 1.5, -0.7)):
    """A network of one edge, an atom where one is named."""
    network = KAN(width=[], degree=7, intervals=12).build([0.2], [1.0], 1, seed=1)
    if name is not None:
        a, b, c, d = CONSTANTS.get(name, constants)
        scale, shift = ATOMS[name].free
        positive = ATOMS[name].domain[0] == 0
        name_edge(network.first, (0, 0), name, (a if scale else 1.0, (0.3 if positive else b) if shift else 0.0, c, d))
    return network


@pytest.mark.parametrize("name", ATOMS)
def test_a_planted_atom_is_suggested_first(name):
    network = line(name)
    best = suggest(network, 0, 0, 0)[0]
    assert best.name == ALIASES.get(name, name) and best.error < 1e-8
    x = torch.linspace(0.2, 1.0, 33, dtype=torch.float64)
    found = best.c * ATOMS[best.name].derivatives(best.a * x + best.b, 1)[0] + best.d
    assert torch.allclose(found, network(x[:, None])[:, 0], rtol=1e-7, atol=1e-7)


def test_a_sine_is_found_on_a_spline_edge():
    network = unfix(line("sin", (7.0, 0.3, 1.0, 0.2)), 0, 0, 0)
    assert network.first.fixed is None
    best, second = suggest(network, 0, 0, 0)[:2]
    assert best.name == "sin" and best.error < 1e-4 and abs(best.a - 7.0) < 1e-3 and second.name == "cos"


def test_scores_are_the_relative_root_mean_square_of_what_is_left():
    network = random_network([], low=[0.0], high=[2.0])
    fits = suggest(network, 0, 0, 0)
    assert {fit.name for fit in fits} <= set(ATOMS) and len(fits) > 15
    x = torch.linspace(*(float(end) for end in np.array([0.0, 2.0])), 2001, dtype=torch.float64)
    y = network(x[:, None])[:, 0].detach()
    for fit in fits[:5]:
        left = fit.c * ATOMS[fit.name].derivatives(fit.a * x + fit.b, 1)[0] + fit.d - y
        expected = float(left.square().mean().sqrt() / y.std())
        assert fit.error == pytest.approx(expected, rel=0.05)


def test_an_edge_that_is_constant_but_for_rounding_is_a_constant():
    network = line("x", (1.0, 0.0, 1e-13, 3.0))
    best = suggest(network, 0, 0, 0)[0]
    assert best.name == "x" and best.c == 0 and best.d == pytest.approx(3.0, rel=1e-12) and best.error == 0


def test_only_named_atoms_are_tried():
    assert {fit.name for fit in suggest(line("exp"), 0, 0, 0, ["sin", "x"])} == {"sin", "x"}


@pytest.mark.parametrize("name", ["sin", "gaussian", "x^3"])
def test_fixing_and_unfixing_keep_the_function(name):
    exact, points = line(name), points_in(Box(x=(0.2, 1.0)))
    spline = unfix(exact, 0, 0, 0)
    assert (spline(points) - exact(points)).abs().max() < 1e-5
    fixed = fix(spline, 0, 0, 0, name)
    assert fixed.first.fixed.names == (name,) and spline.first.fixed is None
    assert (fixed(points) - spline(points)).abs().max() < 1e-5


def test_fixing_one_edge_leaves_the_others():
    network, points = random_network([2]), points_in(Box(x=(0, 1), y=(0, 1)))
    first = fix(network, 0, 0, 1, "tanh")
    both = fix(first, 0, 1, 0, "sin")
    assert set(both.first.fixed.edges) == {(0, 1), (1, 0)}
    column = {edge: row.tolist() for edge, row in zip(both.first.fixed.edges, both.first.fixed.affine, strict=True)}
    assert column[0, 1] == first.first.fixed.affine[0].tolist()
    again = unfix(unfix(both, 0, 0, 1), 0, 1, 0)
    assert again.first.fixed is None and (again(points) - both(points)).abs().max() < 5e-3


def test_what_cannot_be_is_said():
    network = random_network([2])
    with pytest.raises(ConfigurationError, match=r"expected an edge .* got \(0, 2, 0\)"):
        suggest(network, 0, 2, 0)
    with pytest.raises(ConfigurationError, match="unknown atom 'sine'; did you mean 'sin'"):
        fix(network, 0, 0, 0, "sine")
    with pytest.raises(ConfigurationError, match="expected a solution or a built network"):
        suggest(KAN(), 0, 0, 0)
    periodic = KAN(width=[2], degree=5, intervals=4).build([0.0], [1.0], 1, periodic=[True])
    with pytest.raises(ConfigurationError, match="not periodic"):
        fix(periodic, 0, 0, 0, "sin")
