"""A solution with many knots is bounded on splines with fewer knots, from which its distance is proved."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Dirichlet, Initial, Problem, solve
from kanpde.bench.spoiled import true_error
from kanpde.marching.audit.bound import error_bound
from kanpde.marching.audit.coarse import coarser_networks
from kanpde.network.grids import refine_layer
from kanpde.network.kan import KAN
from kanpde.network.trial_function import Model

LOW, HIGH = np.zeros(2), np.ones(2)
BOX_3D = Box(x=(0, 1), y=(0, 1), t=(0, 0.2))


@dataclass(frozen=True)
class Plate(Problem):
    """−Δu + c u = f, solved by sin(π x) e^y."""

    reaction: float = 1.0

    domain = Box(x=(0, 1), y=(0, 1))

    def residual(self, u, x, y):
        force = (torch.pi**2 - 1 + self.reaction) * torch.sin(torch.pi * x) * torch.exp(y)
        return -u.xx - u.yy + self.reaction * u - force

    def conditions(self):
        return {"edge": Dirichlet("exact")}

    def exact(self, x, y):
        return sp.sin(sp.pi * x) * sp.exp(y)


@dataclass(frozen=True)
class CoolingPlate(Problem):
    """u_t = u_xx + u_yy."""

    domain = BOX_3D

    def residual(self, u, x, y, t):
        return u.t - u.xx - u.yy

    def conditions(self):
        return {"start": Initial("exact"), "rim": Dirichlet(0)}

    def exact(self, x, y, t):
        return sp.sin(sp.pi * x) * sp.sin(sp.pi * y) * sp.exp(-2 * sp.pi**2 * t)


@pytest.fixture(scope="module")
def plate() -> Model:
    """A solution with four times as many knots as its march chose."""
    return with_more_knots(solve(Plate(), device="cpu").model)


@pytest.fixture(scope="module")
def cooling_plate() -> Model:
    return solve(CoolingPlate(), device="cpu").model


def with_more_knots(model: Model) -> Model:
    result = copy.deepcopy(model)
    layer = result.network.first
    places = np.random.default_rng(0).random((400, 2))
    for _ in range(2):
        with torch.no_grad():
            refine_layer(layer, places, np.ones(400))
    return result


def spoiled(model: Model, size: float, seed: int) -> Model:
    """Return the model with one coefficient of its first layer changed."""
    result, generator = copy.deepcopy(model), np.random.default_rng(seed)
    table = result.network.first.coefficients
    used = table.detach().abs().amax(dim=1).nonzero()
    axis, column = used[int(generator.integers(len(used)))].tolist()
    with torch.no_grad():
        table[axis, int(generator.integers(table.shape[1])), column] += size
    return result


def distance(one: KAN, other: KAN) -> float:
    points = torch.as_tensor(np.random.default_rng(1).random((4000, 2)))
    with torch.no_grad():
        return float((one(points) - other(points)).abs().max())


@pytest.mark.parametrize("limit", [1e-12, 1e-9, 1e-6, 1e-3])
def test_the_distance_from_splines_on_fewer_knots_is_below_its_bound(plate: Model, limit: float) -> None:
    found = list(coarser_networks(plate.network, LOW, HIGH, limit))
    assert found
    for network, bound in found:
        assert len(np.unique(network.first.basis.breakpoints()[0])) < len(plate.network.first.basis.breakpoints()[0])
        assert distance(plate.network, network) <= bound + 1e-13  # of evaluation
        assert bound < limit


def test_the_distance_of_a_spoiled_network_is_not_overlooked(plate: Model) -> None:
    """Splines on fewer knots cannot follow a change of one coefficient; then there are none."""
    for seed in range(3):
        network = spoiled(plate, 1e-4, seed).network
        for other, bound in coarser_networks(network, LOW, HIGH, 1e-2):
            assert distance(network, other) <= bound + 1e-13
        assert not list(coarser_networks(network, LOW, HIGH, 1e-10))


def test_a_bound_on_fewer_knots_is_close(plate: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kanpde.marching.audit.bound.MOST_AT_ONCE", 0)
    bound, lines = error_bound(Plate(), plate)
    assert bound is not None and true_error(Plate(), plate) <= bound <= 1e-10
    assert "on fewer knots" in lines[0]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [1e-12, 1e-9, 1e-5])
def test_a_spoiled_solution_has_a_larger_bound(
    plate: Model, size: float, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kanpde.marching.audit.bound.MOST_AT_ONCE", 0)
    monkeypatch.setattr("kanpde.marching.audit.enclosed.CLOSE", 1e12)  # distances of any size are allowed
    model = spoiled(plate, size, seed)
    bound, _ = error_bound(Plate(), model)
    assert bound is None or true_error(Plate(), model) <= bound


def test_an_evolution_in_two_dimensions_has_a_close_bound(cooling_plate: Model) -> None:
    bound, lines = error_bound(CoolingPlate(), cooling_plate)
    assert bound is not None and true_error(CoolingPlate(), cooling_plate) <= bound <= 1e-9, lines


@pytest.mark.parametrize("seed", [0, 3])
def test_a_spoiled_evolution_in_two_dimensions_has_a_larger_bound(cooling_plate: Model, seed: int) -> None:
    model = spoiled(cooling_plate, 10.0 ** -(4 + seed), seed)
    bound, _ = error_bound(CoolingPlate(), model)
    assert bound is None or true_error(CoolingPlate(), model) <= bound


def test_the_solution_of_another_equation_has_a_larger_bound(plate: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kanpde.marching.audit.bound.MOST_AT_ONCE", 0)

    @dataclass(frozen=True)
    class Shifted(Plate):
        def exact(self, x, y):
            return (1 + sp.Rational(1, 10**7)) * sp.sin(sp.pi * x) * sp.exp(y)

        def residual(self, u, x, y):
            return super().residual(u, x, y) - 1e-7 * torch.pi**2 * torch.sin(torch.pi * x) * torch.exp(y)

    bound, _ = error_bound(Shifted(), plate)
    assert bound is not None and bound >= 1e-7 * np.e * 0.99
