"""A network on a grid has the jets that it has at its points one by one."""

from __future__ import annotations

import pytest
import torch

from kanpde.calculus.jets import JetPlan
from kanpde.network.kan import KAN
from kanpde.network.repeated import jets_of_repeated

PLAN = JetPlan(2, [(), (0,), (0, 1), (1, 1)])
LINES = torch.linspace(-1, 1, 17, dtype=torch.float64), torch.linspace(0, 3, 9, dtype=torch.float64)


@pytest.mark.parametrize("base", [None, "silu"])
@pytest.mark.parametrize("periodic", [(False, False), (True, False)])
@pytest.mark.parametrize("width", [[5], [(3, 2), 4], []])
def test_jets_on_a_grid_are_those_at_its_points(width, periodic, base):
    network = KAN(width, base=base).build([-1, 0], [1, 3], 2, periodic=periodic)
    grid = torch.cartesian_prod(*LINES)
    found = jets_of_repeated(network, grid, PLAN)
    with torch.no_grad():
        expected = network.jets(network.prepare(grid, PLAN), PLAN)
    assert found is not None
    torch.testing.assert_close(found.detach(), expected, rtol=1e-12, atol=1e-12)


def test_scattered_points_are_no_grid():
    network = KAN.from_sizes([2, 5, 1]).double()
    points = torch.rand(100, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert jets_of_repeated(network, points, PLAN) is None
