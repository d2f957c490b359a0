"""Coefficients of few bits: what rounding costs, and what a file holds."""

from __future__ import annotations

import pytest
import torch

from kanpde import KAN, files
from kanpde.errors import ConfigurationError


def network(dtype=torch.float64):
    return KAN.from_sizes([2, (3, 1), 2], intervals=200, dtype=dtype)


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_rounding_moves_every_edge_by_half_a_step_at_most(tmp_path, bits):
    net = network()
    net.save(tmp_path / "whole.kan")
    net.save(tmp_path / "rounded.kan", bits=bits)
    again = KAN.load(tmp_path / "rounded.kan")
    x = 2 * torch.rand(500, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 1
    edges = [each.first.edges(each.first.features(x, 1))[0] for each in (net, again)]
    step = net.first.coefficients.abs().amax(dim=1) / (2 ** (bits - 1) - 1)
    moved = (edges[1] - edges[0]).abs().amax(dim=0)
    assert (moved <= step / 2 * (1 + 1e-9)).all() and moved.max() > 1e-3 * step.max()
    held = files.read(tmp_path / "rounded.kan")[0]["layers.0.coefficients.whole"]
    assert held.dtype == (torch.int8 if bits <= 8 else torch.int16) and held.abs().max() == 2 ** (bits - 1) - 1
    assert (tmp_path / "rounded.kan").stat().st_size < (tmp_path / "whole.kan").stat().st_size


def test_a_network_without_size_and_wrong_numbers_of_bits(tmp_path):
    net = network(torch.float32)
    with torch.no_grad():
        net.first.coefficients[0, :, 0] = 0
    net.save(tmp_path / "net.kan", bits=8)
    again = KAN.load(tmp_path / "net.kan")
    assert again.first.coefficients[0, :, 0].eq(0).all() and again.first.coefficients.dtype == torch.float32
    for bits in (1, 17, 8.5, "8", True):
        with pytest.raises(ConfigurationError, match="bits to be a whole number from 2 to 16"):
            net.save(tmp_path / "net.kan", bits=bits)


def test_polynomials_that_follow_from_knots_take_no_space(tmp_path):
    net = network()
    x = 2 * torch.rand(500, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 1
    net.quantile_grid(x**3)
    net.save(tmp_path / "rounded.kan", bits=16)
    numbers = sum(tensor.numel() for name, tensor in net.state_dict().items() if not name.endswith("pieces"))
    assert (tmp_path / "rounded.kan").stat().st_size < 8 * numbers
    again = KAN.load(tmp_path / "rounded.kan")
    assert torch.equal(again.first.basis.pieces, net.first.basis.pieces)
    assert (again(x) - net(x)).abs().max() < 1e-3 * net(x).abs().max()
