"""Atoms against SymPy; networks with fixed and pruned edges: jets, Jacobian rows, files, training."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import sympy as sp
import torch
from test_kan import Jets, assert_close, built, nested, plan_up_to, points_in, rows_by_jacrev

from kanpde import files
from kanpde.calculus.expressions import torch_function
from kanpde.errors import ConfigurationError
from kanpde.network import knot_insertion
from kanpde.network.atom_functions import ATOMS
from kanpde.network.kan import KAN

ORDERS = 6


def inside(atom, count=7):
    """Points where the atom is smooth, well away from the ends of its domain."""
    low, high = max(atom.domain[0], -1.5), min(atom.domain[1], 2.0)
    return torch.linspace(low + 0.2 * (high - low), high - 0.2 * (high - low), count, dtype=torch.float64)


def fixed_network(width=((2, 1), (2, 0)), names=("sin", "tanh", "x^3", "gaussian"), base=None):
    """A network with atoms and pruned edges in its layers, the atoms' constants at random."""
    network = built(list(width), base=base, degree=7)
    generator = torch.Generator().manual_seed(4)
    for layer in network.layers:
        edges = [(i, o) for i in range(layer.basis.inputs) for o in range(layer.subnodes)]
        chosen = dict(zip(edges[1::2], names, strict=False))
        fixed = layer.hold(chosen, edges[-1:] if edges[-1] not in chosen else ())
        with torch.no_grad():
            fixed.affine.copy_(0.3 * torch.randn(fixed.affine.shape, generator=generator, dtype=torch.float64))
            scale, shift = fixed.free[:, 0], fixed.free[:, 1]
            fixed.affine[:, 0] = torch.where(scale > 0, fixed.affine[:, 0], 1.0)
            fixed.affine[:, 1] = torch.where(shift > 0, fixed.affine[:, 1], 0.0)
    return network


# Atoms ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATOMS)
def test_an_atoms_derivatives_are_those_of_its_expression(name):
    atom, x = ATOMS[name], sp.Symbol("x", real=True)
    points = inside(atom)
    found = atom.derivatives(points, ORDERS)
    assert len(found) == ORDERS
    for order, values in enumerate(found):
        expected = torch_function(sp.diff(atom.sympy(x), x, order), ["x"])(points)
        assert (values - expected).abs().max() <= 1e-11 * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize("name", ATOMS)
def test_an_atoms_fewest_derivatives_are_its_first(name):
    points = inside(ATOMS[name])
    one, many = ATOMS[name].derivatives(points, 1), ATOMS[name].derivatives(points, 3)
    assert len(one) == 1 and torch.equal(one[0], many[0])


# Networks with fixed edges -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", [None, "silu"])
@pytest.mark.parametrize("width", [(), ((3, 0),), ((0, 2),), ((2, 1), (2, 0))])
def test_jets_of_fixed_edges_are_nested_autograds(width, base):
    network, plan, points = fixed_network(width, base=base), plan_up_to(4), points_in()
    with torch.no_grad():
        found = network.jets(network.prepare(points, plan), plan)
        assert torch.allclose(found[:, 0], network(points), rtol=1e-12, atol=1e-12)
    assert_close(found, nested(network, points, plan), 1e-9)


@pytest.mark.parametrize("width", [(), ((3, 0),), ((0, 2),), ((2, 1), (2, 0))])
def test_rows_of_fixed_edges_are_jacrevs(width):
    network, plan, points = fixed_network(width), plan_up_to(2), points_in()
    prepared = network.prepare(points, plan)
    with torch.no_grad():
        jet, tapes = network.taped(prepared, plan)
        adjoint = torch.randn(jet.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        found = network.rows(tapes, adjoint, plan)
    expected = rows_by_jacrev(network, prepared, adjoint, plan)
    assert len(found) == len(expected) == len(list(Jets(network, prepared, adjoint, plan).parameters()))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() <= 1e-10 * max(1e-6, float(theirs.abs().max()))


@pytest.mark.parametrize("name", ATOMS)
def test_every_atoms_rows_are_jacrevs(name):
    network, plan = KAN(width=[], degree=5, intervals=3).build([0.2], [0.6], 1), plan_up_to(3, 1)
    network.first.hold({(0, 0): name})
    points = points_in([0.2], [0.6])
    prepared = network.prepare(points, plan)
    with torch.no_grad():
        network.first.fixed.affine.copy_(torch.tensor([[0.8, 0.1, 1.3, -0.4]]))
        jet, tapes = network.taped(prepared, plan)
        adjoint = torch.linspace(-1, 1, jet.numel(), dtype=torch.float64).view_as(jet)
        found = network.rows(tapes, adjoint, plan)
    for ours, theirs in zip(found, rows_by_jacrev(network, prepared, adjoint, plan), strict=True):
        assert (ours - theirs).abs().max() <= 1e-11 * max(1.0, float(theirs.abs().max()))


def test_masked_coefficients_do_nothing_and_do_not_move():
    network, points = fixed_network(), points_in()
    network(points).square().sum().backward()
    before = network(points).detach()
    for layer in network.layers:
        held = 1 - layer.fixed.mask.expand_as(layer.coefficients)
        assert held.any() and not (layer.coefficients.grad * held).any()
        with torch.no_grad():
            layer.coefficients += held
    assert torch.equal(network(points), before)


def test_a_fixed_network_is_saved_and_loaded_as_it_is(tmp_path):
    network, points = fixed_network(base="silu"), points_in()
    knot_insertion.refine(network, points_in(count=100), torch.ones(100, dtype=torch.float64), first_only=False)
    files.write(tmp_path / "network.kan", network.state_dict(), {"architecture": network.architecture()})
    tensors, metadata = files.read(tmp_path / "network.kan")
    again = KAN.from_architecture(metadata["architecture"], tensors)
    assert torch.equal(again(points), network(points))
    assert again.architecture() == network.architecture()


def test_a_fixed_network_is_copied_and_cast():
    network, points = fixed_network(), points_in()
    assert torch.equal(copy.deepcopy(network)(points), network(points))
    single = copy.deepcopy(network).float()(points.float())
    assert single.dtype == torch.float32 and (single - network(points)).abs().max() < 1e-3 * network(points).abs().max()


def test_finer_knots_leave_fixed_edges_as_they_are():
    network, points = fixed_network(), points_in(count=50)
    before = network(points)
    knot_insertion.refine(network, points, torch.ones(50, dtype=torch.float64), first_only=False)
    assert torch.allclose(network(points), before, rtol=1e-11, atol=1e-11)


def test_what_cannot_be_fixed_is_said():
    layer = built([2]).first
    with pytest.raises(ConfigurationError, match="unknown atom 'sine'; did you mean 'sin'"):
        layer.hold({(0, 0): "sine"})
    with pytest.raises(ConfigurationError, match=r"expected an edge of a 2 by 2 layer, got \(2, 0\)"):
        layer.hold({}, [(2, 0)])


def test_edge_curves_name_the_atoms():
    network = KAN(width=[], degree=3, intervals=4).build([0.0, 0.0], [1.0, 1.0], 1)
    network.first.hold({(0, 0): "sin"}, [(1, 0)])
    (curves,) = network.edge_curves()
    assert curves["atoms"] == {(0, 0): ("sin", (1.0, 0.0, 1.0, 0.0))}
    assert np.allclose(curves["values"][0, 0], np.sin(curves["inputs"][0]))
    assert not curves["values"][1, 0].any() and curves["importance"][1, 0] == 0
