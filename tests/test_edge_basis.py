"""A family of edge functions of one's own, here Chebyshev polynomials: one class and one row in the table do it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import pytest
import sympy as sp
import torch
from numpy.polynomial import chebyshev
from torch import Tensor

from kanpde import KAN, Box, Dirichlet, Problem, Solution, prune, solve
from kanpde.calculus.arrays import Array
from kanpde.calculus.jets import JetPlan
from kanpde.errors import ConfigurationError
from kanpde.network import knot_insertion
from kanpde.network.edge_basis import EdgeBasis
from kanpde.network.families import FAMILIES

LOW, HIGH = [-1.0, 0.0], [1.0, 2.5]


class Chebyshev(EdgeBasis):
    """T_0 … T_{k+n-1} of every input's interval; refined by higher degrees, wherever the residual is."""

    def __init__(self, low: Array, high: Array, degree: int, intervals: int, base: str | None) -> None:
        super().__init__(low, high, base, None)
        self.degree, self._intervals = degree, intervals

    @classmethod
    def spanning(cls, low, high, *, degree, intervals, base, periodic) -> Chebyshev:  # type: ignore[no-untyped-def]
        if periodic and any(periodic):
            raise ConfigurationError("expected coordinates that are not periodic for Chebyshev polynomials")
        return cls(low, high, degree, intervals, base)

    def adopt(self, buffers: Mapping[str, Tensor]) -> None:
        """Every buffer has the shape that `spanning` gave it."""

    @property
    def intervals(self) -> int:
        return self._intervals

    @property
    def functions(self) -> int:
        return self.degree + self._intervals

    def range(self) -> tuple[Tensor, Tensor]:
        return self.centre - self.half_width, self.centre + self.half_width

    def features(self, x: Tensor, orders: int) -> Tensor:
        s = (x - self.centre) / self.half_width
        # T_{j+1} = 2 s T_j - T_{j-1}, differentiated m times.
        below, here = torch.zeros(orders, *s.shape).to(s), torch.zeros(orders, *s.shape).to(s)
        here[0], columns = 1, []
        ranks = torch.arange(orders).to(s)[:, None, None]
        for j in range(self.functions):
            columns.append(here)
            lower = torch.cat([torch.zeros_like(here[:1]), here[:-1]])
            after = s * here + ranks * lower if j == 0 else 2 * (s * here + ranks * lower) - below
            below, here = here, after
        dense = torch.stack(columns, dim=-1) / self.half_width[:, None] ** ranks[..., None]
        if self.base is not None:
            dense = torch.cat([dense, self.base_features(x, orders)[..., None]], dim=-1)
        return dense.permute(2, 0, 1, 3)

    def fit(self, i: int, x: Array, values: Array) -> Array:
        s = (x - float(self.centre[i])) / float(self.half_width[i])
        return np.asarray(np.linalg.lstsq(chebyshev.chebvander(s, self.functions - 1), values, rcond=None)[0])

    def one(self, i: int) -> Tensor:
        return torch.eye(self.functions)[0].to(self.centre)

    def subset(self, inputs: Sequence[int]) -> Chebyshev:
        low, high = (end[list(inputs)].cpu().double().numpy() for end in self.range())
        return Chebyshev(low, high, self.degree, self._intervals, self.base).to(self.centre)

    def regrid(self, i: int, low: float, high: float, margin: float) -> None:
        self.centre[i], self.half_width[i] = (low + high) / 2, (high - low) / 2 + margin

    @property
    def growth(self) -> int:
        return self._intervals

    def refine(self, values: Array, mass: Array, coefficients: Tensor) -> Tensor:
        more = coefficients.new_zeros(coefficients.shape[0], self.growth, coefficients.shape[2])
        self._intervals *= 2
        return torch.cat([coefficients, more], dim=1).cpu().double()


@pytest.fixture(autouse=True)
def family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "chebyshev", Chebyshev)


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


def built(base: str | None = "silu") -> KAN:
    network = KAN([(2, 1)], degree=4, intervals=2, base=base, family="chebyshev").build(LOW, HIGH, 2, seed=1)
    if base is not None:
        with torch.no_grad():
            for layer in network.layers:
                layer.coefficients[:, -1] = 0.3  # the start has no base function
    return network


def points_in(count: int = 20) -> Tensor:
    unit = np.random.default_rng(0).random((count, 2))
    return torch.as_tensor(np.array(LOW) + (np.array(HIGH) - np.array(LOW)) * unit)


@pytest.mark.parametrize("base", [None, "silu"])
def test_jets_are_those_of_automatic_differentiation(base: str | None) -> None:
    network, points = built(base), points_in()
    plan = JetPlan(2, combinations_with_replacement(range(2), 2))
    jets = network.jets(network.prepare(points, plan), plan)
    for partial in [(), (0,), (1,), (0, 0), (0, 1), (1, 1)]:
        inputs = points.clone().requires_grad_()
        result = network(inputs)[:, 1]
        for axis in partial:
            (gradient,) = torch.autograd.grad(result.sum(), inputs, create_graph=True)
            result = gradient[:, axis]
        torch.testing.assert_close(jets[:, plan.index[partial], 1], result, rtol=1e-10, atol=1e-10)


def test_rows_are_the_jacobian() -> None:
    network, points = built(), points_in(4)
    plan = JetPlan(2, [(0, 0), (1,)])
    jet, tapes = network.taped(network.prepare(points, plan), plan)
    rows = network.rows(tapes, torch.ones_like(jet), plan)
    sums = network.jets(network.prepare(points, plan), plan).sum(dim=(1, 2))
    for n, total in enumerate(sums):
        expected = torch.autograd.grad(total, list(network.parameters()), retain_graph=True)
        for row, gradient in zip(rows, expected, strict=True):
            torch.testing.assert_close(row[n], gradient, rtol=1e-9, atol=1e-9)


def test_finer_functions_leave_the_network_as_it_is() -> None:
    network, points = built(), points_in()
    before, size = network(points), sum(parameter.numel() for parameter in network.parameters())
    growth = knot_insertion.growth(network, first_only=False)
    knot_insertion.refine(network, points, torch.ones(len(points)), first_only=False)
    torch.testing.assert_close(network(points), before, rtol=1e-13, atol=1e-13)
    assert sum(parameter.numel() for parameter in network.parameters()) == size + growth


def test_it_solves_and_is_saved(tmp_path) -> None:  # type: ignore[no-untyped-def]
    network = KAN([2], degree=8, intervals=2, family="chebyshev")
    stages = [{"optimiser": "gauss_newton", "iterations": 40}]
    solution = solve(String(), network=network, training={"stages": stages})
    assert solution.errors()["relative_l2"] < 1e-7
    assert all(type(layer.basis) is Chebyshev for layer in solution.network.layers)
    solution.save(tmp_path / "string.kan")
    again = Solution.load(tmp_path / "string.kan", problem=String())
    x = np.linspace(0, 1, 101)
    assert np.array_equal(again(x=x), solution(x=x))
    assert type(again.network.first.basis) is Chebyshev


def test_pruning_keeps_the_family() -> None:
    network = built(None)
    with torch.no_grad():
        network.layers[1].coefficients[1] = 0  # nothing passes the second sum node
    smaller = prune(network)
    assert smaller.family == "chebyshev" and smaller.layers[1].basis.inputs == 2
    torch.testing.assert_close(smaller(points_in()), network(points_in()), rtol=1e-10, atol=1e-10)


def test_an_unknown_family_is_told() -> None:
    with pytest.raises(ConfigurationError, match="unknown family of edge functions 'bsplin'; did you mean 'bspline'"):
        KAN([2], family="bsplin")
