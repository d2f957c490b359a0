"""Grids that follow values: extended without a change of the network inside, and lines beyond them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kanpde import KAN
from kanpde.errors import ConfigurationError, OutsideDomainWarning

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


@pytest.mark.parametrize("settings", [{"intervals": 18}, {"degree": 7, "intervals": 60}, {"family": "chebyshev"}])
def test_a_network_is_transferred_to_other_functions(settings):
    network, points = built(base="silu"), points_in()
    before = network(points)
    other = network.transfer(**settings)
    again = [layer.basis for layer in other.layers]
    assert all(getattr(basis, name) == value for basis in again for name, value in settings.items() if name != "family")
    exact = settings == {"intervals": 18}  # every third of its knots is one of the old ones
    error = (other(points) - before).abs().max() / before.abs().max()
    assert error < (1e-11 if exact else 0.02 if "family" in settings else 1e-3)
    assert torch.equal(network(points), before)


def test_pruned_edges_and_atoms_are_transferred():
    network, points = built(base="silu"), points_in()
    network.first.hold({(0, 1): "sin"}, [(1, 0)])
    other = network.transfer(intervals=12)
    torch.testing.assert_close(other(points), network(points), rtol=1e-11, atol=1e-11)
    assert other.architecture()["fixed"] == network.architecture()["fixed"]


def learn(network, optimiser, points, steps):
    """The losses of a few steps towards a fixed function."""
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = (network(points) - torch.sin(3 * points[:, :1]) * points[:, 1:]).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("kind", [torch.optim.AdamW, torch.optim.SGD])
@pytest.mark.parametrize("change", ["refine", "extend_grid"])
def test_an_optimiser_goes_on_with_finer_grids(kind, change):
    network, points = built(base="silu").double(), points_in()
    optimiser = kind(network.parameters(), 1e-3, **({"momentum": 0.9} if kind is torch.optim.SGD else {}))
    before = learn(network, optimiser, points, 40)[-1]
    name = "exp_avg" if kind is torch.optim.AdamW else "momentum_buffer"
    old = optimiser.state[network.first.coefficients][name].sum(dim=1)
    getattr(network, change)(points if change == "refine" else 1.5 * points, optimiser=optimiser)
    assert [p for group in optimiser.param_groups for p in group["params"]] == list(network.parameters())
    state = optimiser.state[network.first.coefficients]
    torch.testing.assert_close(state[name].sum(dim=1), old, rtol=1e-9, atol=1e-12)  # slopes are shared, none is lost
    assert all(value.shape == network.first.coefficients.shape for value in state.values() if value.dim())
    after = learn(network, optimiser, points, 40)
    assert after[-1] < before and (change != "refine" or max(after) < 1.05 * before)


def test_an_optimiser_of_other_parameters_or_without_moments_is_refused():
    network, points = built(), points_in()
    optimiser = torch.optim.LBFGS(network.parameters())
    parameters = list(network.parameters())

    def closure():
        optimiser.zero_grad()
        loss = network(points).square().mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    with pytest.raises(ConfigurationError, match="such as Adam, got LBFGS"):
        network.refine(points, optimiser=optimiser)
    with pytest.raises(ConfigurationError, match="this network's parameters"):
        network.extend_grid(3 * points, optimiser=torch.optim.Adam(built().parameters()))
    assert all(one is other for one, other in zip(parameters, network.parameters(), strict=True))
