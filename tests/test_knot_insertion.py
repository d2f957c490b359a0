"""Finer knots: the same function, twice the intervals, and knots where the residual is."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
import torch

from kanpde.calculus.jets import JetPlan
from kanpde.network import knot_insertion
from kanpde.network.kan import KAN

F64 = torch.float64
LOW, HIGH = [-1.0, 0.0], [1.0, 2.5]
CASES = {
    "sums": {"width": [3]},
    "products": {"width": [(1, 2)]},
    "deep": {"width": [(2, 1), 2]},
    "base": {"width": [3], "base": "silu"},
    "periodic": {"width": [(1, 1)], "periodic": [True, False]},
    "both periodic": {"width": [2], "periodic": [True, True]},
    "fewer intervals than the degree": {"width": [(1, 1)], "periodic": [True, False], "intervals": 3},
    "cubic": {"width": [3], "degree": 3},
}
any_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
any_layers = pytest.mark.parametrize("first_only", [True, False], ids=["first layer", "all layers"])


def built(width, base=None, *, degree=5, intervals=6, periodic=None, outputs=2):
    network = KAN(width=width, degree=degree, intervals=intervals, base=base)
    network.build(LOW, HIGH, outputs, periodic=periodic, seed=1)
    with torch.no_grad():
        for layer in network.layers:
            if base is not None:
                layer.coefficients[:, -1] = 0.3  # the start has no base function
    return network


def points_in(count=400, dtype=F64):
    unit = np.random.default_rng(0).random((count, 2))
    return torch.as_tensor(np.array(LOW) + (np.array(HIGH) - np.array(LOW)) * unit, dtype=dtype)


def residual_at(points):
    """Large near (0.5, 1)."""
    return torch.exp(-20 * ((points[:, 0] - 0.5) ** 2 + (points[:, 1] - 1) ** 2))


def jets(network, points, order):
    plan = JetPlan(2, combinations_with_replacement(range(2), order))
    with torch.no_grad():
        return network.jets(network.prepare(points, plan), plan)


def breakpoints(layer):
    degree, basis = layer.basis.degree, layer.basis
    return basis.knots[:, degree : degree + basis.intervals + 1].numpy()


def refined(network, first_only=True, times=1):
    points = points_in()
    for _ in range(times):
        knot_insertion.refine(network, points, residual_at(points), first_only=first_only)
    return network


@any_layers
@any_case
def test_the_network_stays_the_same_function(case, first_only):
    """Values to round-off, and derivatives, whose own round-off grows with every order."""
    network, points = built(**case), points_in(60)
    before = jets(network, points, 3)
    values = network(points).detach()
    refined(network, first_only)
    after = jets(network, points, 3)
    assert torch.allclose(network(points), values, rtol=1e-12, atol=1e-12)
    size = before.abs().amax(dim=(0, 2))
    error = (after - before).abs().amax(dim=(0, 2)) / size
    assert error[0] < 1e-12 and error[1:3].max() < 1e-11 and error.max() < 1e-8


@any_case
def test_again_and_again_it_stays_the_same(case):
    network, points = built(**case), points_in(60)
    values = network(points).detach()
    refined(network, times=3)
    assert torch.allclose(network(points), values, rtol=1e-11, atol=1e-11)


@any_layers
@any_case
def test_intervals_double_between_the_old_knots(case, first_only):
    network = built(**case)
    before = [breakpoints(layer) for layer in network.layers]
    parameters = sum(layer.coefficients.numel() for layer in network.layers)
    refined(network, first_only)
    for number, (layer, old) in enumerate(zip(network.layers, before, strict=True)):
        new = breakpoints(layer)
        if first_only and number:
            assert np.array_equal(new, old)
            continue
        assert layer.basis.intervals == 2 * (old.shape[1] - 1)
        assert layer.coefficients.shape[1] == layer.basis.size
        for ours, theirs in zip(new, old, strict=True):
            assert set(theirs) <= set(ours) and (np.diff(ours) > 0).all()
            # Halving again and again: every new width is an old one over a power of two.
            shares = np.log2(np.diff(theirs).max() / np.diff(ours))
            assert np.allclose(shares, shares.round(), atol=1e-9)
    assert sum(layer.coefficients.numel() for layer in network.layers) > parameters


def test_a_periodic_network_stays_periodic():
    network = refined(built([(1, 1)], periodic=[True, False]), first_only=False)
    heights = torch.linspace(0, 2.5, 9, dtype=F64)
    left, right = (
        jets(network, torch.stack([torch.full_like(heights, x), heights], dim=1), 4) for x in (LOW[0], HIGH[0])
    )
    size = left.abs().amax(dim=(0, 2), keepdim=True)
    assert ((left - right).abs() / size).max() < 1e-8
    free = network.first.coefficients[0]
    assert not free[network.first.basis.intervals :].any()


@pytest.mark.parametrize("place", [(-0.8, 0.3), (0.0, 1.25), (0.7, 2.2)])
def test_knots_go_where_the_residual_is(place):
    network, points = built([3], intervals=8), points_in(2000)
    before = breakpoints(network.first)
    distance = (points - torch.tensor(place, dtype=F64)) / (torch.tensor(HIGH) - torch.tensor(LOW))
    knot_insertion.refine(network, points, torch.exp(-200 * distance.square().sum(dim=1)))
    for axis, (old, new) in enumerate(zip(before, breakpoints(network.first), strict=True)):
        inserted = np.setdiff1d(new, old)
        near = np.abs(inserted - place[axis]) < 0.2 * (HIGH[axis] - LOW[axis])
        assert len(inserted) == 8 and near.sum() >= 5
        widths = np.diff(new)
        assert widths[np.searchsorted(new, place[axis]) - 1] == widths.min()


def test_an_even_residual_halves_every_interval():
    network = built([3], intervals=4)
    grid = torch.cartesian_prod(torch.linspace(-0.99, 0.99, 64, dtype=F64), torch.linspace(0.01, 2.49, 64, dtype=F64))
    knot_insertion.refine(network, grid, torch.ones(len(grid), dtype=F64))
    assert np.allclose(breakpoints(network.first)[0], np.linspace(-1, 1, 9))
    assert np.allclose(breakpoints(network.first)[1], np.linspace(0, 2.5, 9))


def test_without_a_residual_knots_are_spread_evenly():
    network, points = built([3], intervals=4), points_in()
    knot_insertion.refine(network, points, torch.zeros(len(points), dtype=F64))
    assert np.allclose(breakpoints(network.first)[0], np.linspace(-1, 1, 9))


def test_single_precision_is_kept():
    network, points = built([(1, 1)]).to(torch.float32), points_in(60, torch.float32)
    values = network(points).detach()
    refined_points = points_in(dtype=torch.float32)
    knot_insertion.refine(network, refined_points, residual_at(refined_points), first_only=False)
    assert all(tensor.dtype == torch.float32 for tensor in network.state_dict().values())
    assert torch.allclose(network(points), values, rtol=1e-4, atol=1e-4)
