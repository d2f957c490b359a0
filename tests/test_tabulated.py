"""Values of many points, looked up in tables or from truncated powers, are those of the layers."""

from __future__ import annotations

import pytest
import torch

from kanpde import KAN
from kanpde.network.tabulated import FEWEST, Tabulated, can_be_tabulated
from kanpde.network.truncated import MOST, Truncated, can_be_truncated


def points(count: int, inputs: int, dtype: torch.dtype) -> torch.Tensor:
    return 6 * torch.rand(count, inputs, dtype=dtype, generator=torch.Generator().manual_seed(0)) - 3


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
@pytest.mark.parametrize("degree", [1, 2, 3, 6])
@pytest.mark.parametrize("intervals", [1, 2, 5, MOST, MOST + 1])
def test_inside_and_beyond_the_grids(intervals, degree, dtype, near):
    net = KAN.from_sizes([3, (4, 2), 5, 2], degree=degree, intervals=intervals, dtype=dtype)
    assert can_be_truncated(net.first) == (intervals <= MOST)
    x = points(FEWEST + 77, 3, dtype)  # half of them are outside [-1, 1]
    with torch.no_grad():
        fast = net(x)
    assert all(can_be_tabulated(layer, x) for layer in net.layers)
    assert (fast - net(x)).abs().max() < near * fast.abs().max()


@pytest.mark.parametrize("degree", [1, 3, 6])
def test_knots_that_are_not_equidistant(degree):
    net, x = KAN.from_sizes([2, (3, 1), 2], degree=degree, dtype=torch.float64), points(FEWEST + 5, 2, torch.float64)
    net.quantile_grid((x / 3) ** 3)
    x[:9] = net.first.basis.knots[:, degree : degree + 6].T.repeat(2, 1)[:9]  # at the knots themselves
    with torch.no_grad():
        fast = net(x)
    assert not net.first.basis.uniform and can_be_tabulated(net.first, x)
    assert (fast - net(x)).abs().max() < 1e-12 * fast.abs().max()


def test_named_and_pruned_edges():
    net = KAN.from_sizes([2, 3, 1], dtype=torch.float64)
    net.first.hold({(0, 0): "sin", (1, 1): "exp"}, [(1, 2)])
    net.hidden[0].hold({(0, 0): "exp"}, [(1, 0), (2, 0)])  # no spline is left in it
    x = points(2 * FEWEST, 2, torch.float64)
    with torch.no_grad():
        fast = net(x)
    edges = net.hidden[0].edges(net.hidden[0].features(net.first(x), 1))[0].sum(dim=1)
    assert torch.allclose(fast, net(x), rtol=1e-12) and torch.allclose(fast, edges, rtol=1e-12)


def test_a_number_that_is_none_stays_in_its_row():
    net, x = KAN.from_sizes([2, 3, 1], dtype=torch.float64), points(FEWEST, 2, torch.float64)
    x[0, 1], x[1, 0] = float("nan"), 1e30
    with torch.no_grad():
        found = net(x)[:, 0]
    assert found[0].isnan() and found[1:].isfinite().all() and torch.allclose(found[1:], net(x)[1:, 0], rtol=1e-12)


@pytest.mark.parametrize("changed", ["family", "base", "straight"])
def test_other_layers_are_evaluated_as_before(changed):
    sizes = {"family": {"family": "chebyshev"}, "base": {"base": "silu"}}.get(changed, {})
    net, x = KAN.from_sizes([1, 2, 1], dtype=torch.float64, **sizes), points(FEWEST, 1, torch.float64)
    net.straight = changed != "straight"
    assert not can_be_tabulated(net.first, x)
    with torch.no_grad():
        assert torch.allclose(net(x), net(x.clone().requires_grad_()).detach(), rtol=1e-12)


def test_a_table_and_truncated_powers_answer_for_one_layer():
    layer = KAN.from_sizes([2, 3, 1], dtype=torch.float64).first
    with torch.no_grad():
        for evaluator in (Tabulated(layer), Truncated(layer)):
            for count in (9, 4, 9):
                x = points(count, 2, torch.float64)
                assert torch.allclose(evaluator(x.T).T, layer(x), rtol=1e-12)
