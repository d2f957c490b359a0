"""Losses and penalties for training loops of one's own."""

from __future__ import annotations

import pytest
import torch

from kanpde import KAN, load_problem, losses, penalty, solve
from kanpde.errors import ConfigurationError, ProblemError


def sine(points):
    """The heat equation's solution."""
    x, t = points.T
    return (torch.exp(-(torch.pi**2) * t) * torch.sin(torch.pi * x))[:, None]


def test_losses_vanish_for_the_solution_and_measure_the_distance_from_it():
    problem = load_problem("heat")
    found = losses(problem, lambda points: sine(points.double()))
    assert list(found) == ["residual", *problem.conditions()] and all(
        float(each.detach()) < 1e-9 for each in found.values()
    )
    double = losses(problem, lambda points: 2 * sine(points.double()), interior=4096)
    assert float(double["start"].detach()) == pytest.approx(0.5, rel=1e-2) and float(double["residual"].detach()) < 1e-9


def test_a_module_learns_by_the_losses():
    problem = load_problem("heat")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    optimiser = torch.optim.Adam(module.parameters(), 1e-2)
    totals = []
    for seed in range(60):
        optimiser.zero_grad()
        total = sum(losses(problem, module, interior=128, boundary=64, seed=seed).values())
        total.backward()
        optimiser.step()
        totals.append(total.item())
    assert totals[-1] < 0.6 * totals[0]


def test_losses_are_those_of_the_table_of_a_run():
    solution = solve(load_problem("heat"), KAN(width=[(0, 1)], degree=9, intervals=6), training={"max_iterations": 3})
    found, rms = losses(solution.problem, solution.model, interior=4096, boundary=4096), solution.rms()
    for name, loss in found.items():
        assert float(loss.detach().sqrt()) == pytest.approx(rms[name], rel=0.02)


def test_constants_of_an_inverse_problem_have_slopes():
    problem = load_problem("inverse_heat")
    value = torch.tensor(0.3, requires_grad=True)
    found = losses(problem, sine, interior=32, unknowns={"diffusivity": value})
    (slope,) = torch.autograd.grad(sum(found.values()), value)
    assert slope.isfinite() and slope != 0
    with pytest.raises(ProblemError, match="unknown constant 'difusivity'.*diffusivity"):
        losses(problem, sine, unknowns={"difusivity": value})
    with pytest.raises(ProblemError, match=r"a problem such as load_problem\('heat'\), got 'heat'"):
        losses("heat", sine)
    with pytest.raises(ProblemError, match=r"shape \(1024, 1\) at 1024 points, got \(1024,\)"):
        losses(problem, lambda points: sine(points)[:, 0])


@pytest.mark.parametrize("sizes", [[1, 1], [2, 5, 1], [2, (1, 2), 3, 1]])
def test_penalties_have_finite_slopes_and_fall(sizes):
    for seed in range(5):
        network = KAN.from_sizes(sizes, base="silu", seed=seed, dtype=torch.float32)
        optimiser = torch.optim.Adam(network.parameters(), 1e-2)
        values = []
        for _ in range(30):
            optimiser.zero_grad()
            value = penalty(network, l1=1, entropy=0.5, smoothness=1e-2)
            value.backward()
            assert all(p.grad.isfinite().all() for p in network.parameters())
            optimiser.step()
            values.append(value.item())
        assert values[-1] < values[0]
    with pytest.raises(ConfigurationError, match="entropy to be a number of at least 0, got -1"):
        penalty(network, entropy=-1)


def test_the_sparsity_of_one_edge_is_never_negative():
    for seed in range(20):
        network = KAN.from_sizes([1, 1], seed=seed, dtype=torch.float32)
        assert penalty(network, l1=1, entropy=0).isfinite()
