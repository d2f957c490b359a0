"""The families of edge functions: derivatives, fits, refinement, files, and a regression with each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import pytest
import sympy as sp
import torch
from torch import Tensor

from kanpde import KAN, Box, Dirichlet, Problem, Solution, prune, solve
from kanpde.calculus.jets import JetPlan
from kanpde.errors import ConfigurationError
from kanpde.network import knot_insertion
from kanpde.network.families import FAMILIES
from kanpde.network.scaled_basis import ScaledBasis

LOW, HIGH = [-1.0, 0.0], [1.0, 2.5]


class Monomials(ScaledBasis):
    """A family of one's own, 1, s, s², …: one class and one row in the table do it all."""

    def of_scaled(self, s: Tensor, orders: int) -> Tensor:
        powers = [
            [np.prod(range(j - m + 1, j + 1)) * s ** max(j - m, 0) for j in range(self.functions)]
            for m in range(orders)
        ]
        rows = [torch.stack([p if j >= m else 0 * p for j, p in enumerate(row)], dim=1) for m, row in enumerate(powers)]
        return torch.stack(rows)


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "monomials", Monomials)


EVERY = [*FAMILIES, "monomials"]
BOUNDED = [name for name in FAMILIES if name != "bspline"]


@dataclass(frozen=True)
class String(Problem):
    """A loaded string."""

    domain = Box(x=(0, 1))

    def residual(self, u, x):  # type: ignore[no-untyped-def]
        return u.xx + torch.pi**2 * torch.sin(torch.pi * x)

    def conditions(self):  # type: ignore[no-untyped-def]
        return {"ends": Dirichlet(0)}

    def exact(self, x):  # type: ignore[no-untyped-def]
        return sp.sin(sp.pi * x)


def built(family: str, base: str | None = "silu") -> KAN:
    network = KAN([(2, 1)], degree=4, intervals=3, base=base, family=family).build(LOW, HIGH, 2, seed=1)
    if base is not None:
        with torch.no_grad():
            for layer in network.layers:
                layer.coefficients[:, -1] = 0.3  # the start has no base function
    return network


def points_in(count: int = 20) -> Tensor:
    unit = np.random.default_rng(0).random((count, 2))
    return torch.as_tensor(np.array(LOW) + (np.array(HIGH) - np.array(LOW)) * unit)


@pytest.mark.parametrize("family", EVERY)
def test_derivatives_are_differences_of_those_below(family: str) -> None:
    basis = built(family, None).first.basis
    reach = 1.0 if family == "monomials" else 1.5
    centre, h = torch.tensor([[0.0], [1.25]], dtype=torch.float64), 1e-5
    x = centre + reach * torch.linspace(-1, 1, 38, dtype=torch.float64) * torch.tensor([[1.0], [1.25]])
    low, middle, high = (basis.evaluate(x + step, 5) for step in (-h, 0, h))
    away = ((x - centre).abs() / torch.tensor([[1.0], [1.25]]) - 1).abs() > 1e-3  # a bend at the ends is allowed
    for order in range(4):
        gap = (middle[order + 1] - (high[order] - low[order]) / (2 * h)).abs() * away[:, None]
        assert gap.max() <= 1e-6 * middle[order + 1].abs().max().clamp_min(1)


@pytest.mark.parametrize("family", EVERY)
def test_jets_are_those_of_automatic_differentiation(family: str) -> None:
    network, points = built(family), points_in()
    plan = JetPlan(2, combinations_with_replacement(range(2), 2))
    jets = network.jets(network.prepare(points, plan), plan)
    for partial in [(), (0,), (1,), (0, 0), (0, 1), (1, 1)]:
        inputs = points.clone().requires_grad_()
        result = network(inputs)[:, 1]
        for axis in partial:
            (gradient,) = torch.autograd.grad(result.sum(), inputs, create_graph=True)
            result = gradient[:, axis]
        torch.testing.assert_close(jets[:, plan.index[partial], 1], result, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("family", EVERY)
def test_rows_are_the_jacobian(family: str) -> None:
    network, points = built(family), points_in(4)
    plan = JetPlan(2, [(0, 0), (1,)])
    jet, tapes = network.taped(network.prepare(points, plan), plan)
    rows = network.rows(tapes, torch.ones_like(jet), plan)
    sums = network.jets(network.prepare(points, plan), plan).sum(dim=(1, 2))
    for n, total in enumerate(sums):
        expected = torch.autograd.grad(total, list(network.parameters()), retain_graph=True)
        for row, gradient in zip(rows, expected, strict=True):
            torch.testing.assert_close(row[n], gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("family", EVERY)
def test_finer_functions_leave_the_network_as_it_is(family: str) -> None:
    network, points = built(family), points_in()
    before, size = network(points), sum(parameter.numel() for parameter in network.parameters())
    growth = knot_insertion.growth(network, first_only=False)
    knot_insertion.refine(network, points, torch.ones(len(points)), first_only=False)
    torch.testing.assert_close(network(points), before, rtol=1e-12, atol=1e-12)
    assert sum(parameter.numel() for parameter in network.parameters()) == size + growth


@pytest.mark.parametrize("family", ["chebyshev", "monomials"])
def test_polynomials_on_wider_intervals_are_the_same(family: str) -> None:
    layer = built(family, None).first
    layer.basis.straight = False
    x = points_in().T
    with torch.no_grad():
        before = layer.nodes(x)
        low, high = (1.5 * end.numpy() for end in layer.basis.range())
        layer.coefficients.copy_(layer.basis.extend(low - 0.1, high, layer.coefficients))
        torch.testing.assert_close(layer.nodes(x), before, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("family", BOUNDED)
def test_values_far_away_grow_no_faster_than_lines(family: str) -> None:
    basis = built(family, None).first.basis
    with torch.no_grad():
        far, further = (basis.evaluate(torch.full((2, 1), x, dtype=torch.float64), 2)[0].abs() for x in (1e5, 1e6))
    assert (further <= 10.01 * far.clamp_min(1)).all()


@pytest.mark.parametrize("family", list(FAMILIES))
def test_a_function_is_learned(family: str) -> None:
    x = points_in(300)
    y = torch.sin(torch.pi * x[:, :1]) * torch.exp(-x[:, 1:])
    network = KAN(width=[4], degree=3, intervals=5, family=family).build(LOW, HIGH, 1, seed=0)
    optimiser = torch.optim.LBFGS(network.parameters(), max_iter=150, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = (network(x) - y).square().mean()
        loss.backward()
        return loss

    optimiser.step(closure)
    assert closure().item() < 2e-3 * y.square().mean().item()


@pytest.mark.parametrize("family", ["chebyshev", "fourier", "gaussian"])
def test_it_solves_and_is_saved(family: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    network = KAN([2], degree=8, intervals=2, family=family)
    stages = [{"optimiser": "gauss_newton", "iterations": 30}]
    solution = solve(String(), network=network, training={"stages": stages})
    assert solution.errors()["relative_l2"] < 1e-5
    assert all(type(layer.basis) is FAMILIES[family] for layer in solution.network.layers)
    solution.save(tmp_path / "string.kan")
    again = Solution.load(tmp_path / "string.kan", problem=String())
    x = np.linspace(0, 1, 101)
    assert np.array_equal(again(x=x), solution(x=x))


def test_each_layer_may_have_its_own_family(tmp_path) -> None:  # type: ignore[no-untyped-def]
    network = KAN([3, 2], degree=3, intervals=4, family=["fourier", "wavelet", "bspline"]).build(LOW, HIGH, 1)
    assert [type(layer.basis).__name__ for layer in network.layers] == ["Fourier", "Wavelet", "BSpline"]
    network.refine(points_in())
    network.save(tmp_path / "network.kan")
    again = KAN.load(tmp_path / "network.kan")
    assert torch.equal(again(points_in()), network(points_in()))
    with pytest.raises(ConfigurationError, match="expected 2 entries in network.family, one a layer, got 3"):
        KAN([3], family=["fourier", "wavelet", "bspline"]).build(LOW, HIGH, 1)


@pytest.mark.parametrize("family", ["chebyshev", "gaussian"])
def test_pruning_keeps_the_family(family: str) -> None:
    network = built(family, None)
    with torch.no_grad():
        network.layers[1].coefficients[1] = 0  # nothing passes the second sum node
    smaller = prune(network)
    assert smaller.family == family and smaller.layers[1].basis.inputs == 2
    torch.testing.assert_close(smaller(points_in()), network(points_in()), rtol=1e-9, atol=1e-9)


def test_fourier_functions_of_a_periodic_input_are_periodic() -> None:
    network = KAN([2], degree=3, intervals=4, family="fourier").build(LOW, HIGH, 1, periodic=[True, False])
    x = points_in()
    torch.testing.assert_close(network(x + torch.tensor([2.0, 0.0])), network(x), rtol=1e-11, atol=1e-11)
    with pytest.raises(ConfigurationError, match="bspline or fourier for periodic coordinates, got Gaussian"):
        KAN([2], family="gaussian").build(LOW, HIGH, 1, periodic=[True, False])


def test_knots_at_quantiles_are_for_splines() -> None:
    with pytest.raises(ConfigurationError, match="expected B-splines .* got Wavelet"):
        built("wavelet").quantile_grid(points_in())


def test_an_unknown_family_is_told() -> None:
    with pytest.raises(ConfigurationError, match="unknown family of edge functions 'bsplin'; did you mean 'bspline'"):
        KAN([2], family="bsplin")
