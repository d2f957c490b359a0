"""Prescribed integrals: they pin constants, replace conditions, and normalise eigenfunctions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import KAN, Box, Dirichlet, Disk, Initial, Integral, Neumann, Problem, solve
from kanpde.collocation.sampling import sample
from kanpde.errors import ProblemError
from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model

MEAN = 2 * math.sin(1) - math.sin(2)  # of sin(x + y) over the unit square


@dataclass(frozen=True)
class Flux(Problem):
    """Δu = -2 sin(x + y) with its flux prescribed everywhere: a constant is open."""

    mean: Any = Integral(0)
    domain: Any = Box(x=(0, 1), y=(0, 1))
    shift: float = MEAN

    def residual(self, u, x, y):  # type: ignore[no-untyped-def]
        return u.xx + u.yy + 2 * torch.sin(x + y)

    def conditions(self):  # type: ignore[no-untyped-def]
        return {"flux": Neumann("exact"), "mean": self.mean}

    def exact(self, x, y):  # type: ignore[no-untyped-def]
        return sp.sin(x + y) - self.shift


class Heated(Problem):
    """u_t = u_xx with one end insulated and the heat in the rod given in place of the other end's condition."""

    domain = Box(x=(0, 1), t=(0, 1))

    def residual(self, u, x, t):  # type: ignore[no-untyped-def]
        return u.t - u.xx

    def conditions(self):  # type: ignore[no-untyped-def]
        heat = Integral(lambda t: torch.exp(-t) * (math.cos(0.2) - math.cos(1.2)))
        return {"start": Initial("exact"), "end": Neumann("exact", on="x-"), "heat": heat}

    def exact(self, x, t):  # type: ignore[no-untyped-def]
        return sp.exp(-t) * sp.sin(x + 0.2)


@dataclass(frozen=True)
class Membrane(Problem):
    """Δu + λ u = 0 with u = 0 on the boundary and ∫ u² = 1."""

    start: float
    domain: Any = Box(x=(0, 1))

    @property
    def unknowns(self):  # type: ignore[no-untyped-def, override]
        return {"square": self.start}

    def residual(self, square, **fields):  # type: ignore[no-untyped-def]
        u = fields["u"]
        return sum(u.d(name, name) for name in self.domain.names) + square * u

    def conditions(self):  # type: ignore[no-untyped-def]
        return {"rim": Dirichlet(0), "norm": Integral(1, integrand=lambda u: u**2)}


@pytest.mark.parametrize(("domain", "shift"), [(Box(x=(0, 1), y=(0, 1)), MEAN), (Disk((0, 0), 1), 0.0)])
def test_the_mean_pins_the_constant(domain: Any, shift: float) -> None:
    solution = solve(Flux(Integral(0), domain, shift))
    assert solution.verdict == "solved"
    assert solution.errors()["max_error"] < 1e-10


def test_an_integral_over_a_face_of_an_expression() -> None:
    given = sp.integrate((sp.sin(sp.Symbol("y")) - MEAN) ** 2, (sp.Symbol("y"), 0, 1))
    problem = Flux(Integral(float(given), integrand=lambda u: u**2, on="x-"))
    assert problem.check_exact() == []
    assert ["'mean'" in warning for warning in Flux(Integral(1)).check_exact()] == [True]


def test_an_integral_for_every_time_replaces_a_condition() -> None:
    solution = solve(Heated())
    assert solution.verdict == "solved"
    assert solution.errors()["relative_l2"] < 1e-10


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_eigenvalue_nearest_to_its_start_is_found(number: int) -> None:
    exact = (number * math.pi) ** 2
    solution = solve(Membrane(exact + 2.0 * (-1) ** number))
    assert solution.unknowns["square"] == pytest.approx(exact, abs=1e-10)
    x = np.linspace(0, 1, 101)
    mode = math.sqrt(2) * np.sin(number * math.pi * x)
    even = number % 2 == 0  # without a mean, of which the positive one is taken
    sign = np.sign(solution(x=0.25)) if even else 1.0
    np.testing.assert_allclose(solution(x=x), sign * mode, atol=1e-9)


def test_the_first_eigenvalue_of_a_disk() -> None:
    solution = solve(Membrane(5.0, Disk((0, 0), 1)), training={"target": 1e-9})
    assert solution.unknowns["square"] == pytest.approx(5.783185962946785, abs=1e-9)


def test_rows_of_a_network_have_the_jacobian_of_autograd() -> None:
    problem = Heated()
    model = Model(KAN([2], degree=4, intervals=2).build(problem.domain.low, problem.domain.high, 1))
    block = problem.blocks()[3]
    residuals = Residuals(model, [problem.blocks()[0], block], problem.domain.names)
    generator = np.random.default_rng(0)
    for number, each in enumerate((problem.blocks()[0], block)):
        drawn = sample(each, problem.domain, 32, "sobol", generator)
        residuals.place(number, *drawn.tensors(model.vector))
    vector = model.vector
    found = residuals.linearise(vector)

    def rows(v: torch.Tensor) -> torch.Tensor:
        return residuals.residual(v)

    step = torch.randn(len(vector), generator=torch.Generator().manual_seed(0), dtype=vector.dtype)
    slope = (rows(vector + 1e-6 * step) - rows(vector - 1e-6 * step)) / 2e-6
    torch.testing.assert_close(found.factor @ step, slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        (Integral(0, integrand=1), "function"),
        (Integral("exact", integrand=lambda u: u), "number or a function of t"),
        (Integral(lambda x: x), "'x'"),
        (Integral(sp.Symbol("y")), "no coordinate"),
        (Integral(0, on={"x": 0.5}), "faces"),
        (Integral(0, on="z"), "'z'"),
        (Integral(0, hard=True), "hard"),
    ],
)
def test_mistakes_are_named(mean: Any, words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        Flux(mean).blocks()
