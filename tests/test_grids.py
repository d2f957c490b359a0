"""Grids that follow values: extended without a change of the network inside, and lines beyond them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kanpde import KAN
from kanpde.errors import OutsideDomainWarning

F64 = torch.float64


def built(width=(3, (1, 1)), **options):
    return KAN(width=list(width), degree=5, intervals=6, **options).build([-1, 0], [1, 2], 2, seed=3)


def points_in(count=200, reach=1.0):
    unit = torch.as_tensor(np.random.default_rng(0).random((count, 2)))
    return torch.tensor([0.0, 1.0], dtype=F64) + reach * (2 * unit - 1)


def moved(network):
    """The same network with hidden values that leave their grids."""
    with torch.no_grad():
        network.first.coefficients.mul_(1.15)
    network.straight = False
    return network


def test_extended_grids_contain_the_values_and_change_nothing():
    network, points = moved(built()), points_in()
    before, parameters = network(points), list(network.parameters())
    network.straighten(points)
    for layer, values in zip(network.hidden, network.node_values(points)[1:], strict=True):
        low, high = layer.basis.range()
        assert (values >= low).all() and (values <= high).all()
    torch.testing.assert_close(network(points), before, rtol=0, atol=1e-10 * float(before.detach().abs().max()))
    assert all(one is other for one, other in zip(parameters, network.parameters(), strict=True))


def test_values_that_are_not_finite_extend_nothing():
    network = built()
    assert not network.extend_grid(points_in() * torch.nan)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_data_outside_the_grid_are_learned_without_overflow(dtype):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1000, 2, generator=generator, dtype=dtype) * 2
    y = torch.sin(x[:, :1]) * torch.exp(-(x[:, 1:] ** 2)) + torch.cos(x[:, :1] * x[:, 1:])
    network = KAN(width=[8, 8], degree=3, intervals=5).build([-2, -2], [2, 2], 1, dtype=dtype)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(150):
        optimiser.zero_grad()
        loss = (network(x) - y).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all() and losses[-1] < 0.15 * losses[0] and max(losses) < 10 * losses[0]


def test_a_deep_network_of_high_degree_survives_a_large_learning_rate():
    network = KAN(width=[20, 20, 20], degree=7, intervals=8).build([-1, -1], [1, 1], 1, dtype=torch.float32)
    x = points_in(256).float() - torch.tensor([0.0, 1.0])
    optimiser = torch.optim.Adam(network.parameters(), 3e-2)
    worst = 0.0
    for _ in range(40):
        optimiser.zero_grad()
        loss = (network(x) - torch.sin(3 * x[:, :1])).square().mean()
        loss.backward()
        optimiser.step()
        worst = max(worst, loss.item())
    assert worst < 1e4


def test_a_solution_outside_its_domain_is_bounded_and_says_so_once(recwarn):
    from kanpde import load_problem, solve

    solution = solve(load_problem("heat"))
    assert not recwarn.list
    with pytest.warns(OutsideDomainWarning, match=r"outside its domain \(x by 1 of \[0, 1\], t by 2 of \[0, 1\]\)"):
        value = solution(x=2.0, t=3.0)
    assert abs(value) < 100
    assert np.abs(solution(x=np.array([5.0, -5.0]), t=5.0)).max() < 1000  # no second warning
