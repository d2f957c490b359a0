"""Bounds of ordinary differential equations: never below the true error, and none where errors may be of any size."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Condition, Dirichlet, Initial, Integral, Neumann, Problem, problem_from, solve
from kanpde.calculus.expressions import numpy_function
from kanpde.calculus.jets import JetPlan
from kanpde.calculus.taylor_models import TaylorModel
from kanpde.marching.audit.bound import error_bound
from kanpde.marching.audit.fundamental import at_ends, fundamental, integral, integrals
from kanpde.network.trial_function import Model


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof is not given up on a busy machine."""
    monkeypatch.setattr("kanpde.marching.audit.bound.SECONDS", 1000.0)


@dataclass(frozen=True)
class Orbit(Problem):
    """u' = −v (u² + v²)^p, v' = u (u² + v²)^p, solved by a circle."""

    power: int = 1
    radius: float = 1.0

    domain = Box(t=(0, 2))
    fields = ("u", "v")

    def residual(self, u, v, t):
        speed = (u**2 + v**2) ** self.power
        return {"first": u.t + v * speed, "second": v.t - u * speed}

    def conditions(self):
        return {"start": Initial("exact")}

    def exact(self, t):
        angle = self.radius ** (2 * self.power) * t
        return {"u": self.radius * sp.cos(angle), "v": self.radius * sp.sin(angle)}


@dataclass(frozen=True)
class Beam(Problem):
    """u'''' + u = f, with values, slopes, moments and shear forces."""

    shift: float = 0.0

    domain = Box(x=(0, 1))

    def residual(self, u, x):
        return u.xxxx + u - 2 * torch.cos(x) - self.shift * x

    def conditions(self):
        moment = Condition(lambda u, x: u.xx + torch.cos(x), on="x+")
        shear = Condition(lambda u, x: u.xxx - torch.sin(x), on="x+")
        return {"held": Dirichlet("exact", on="x-"), "clamped": Neumann("exact", on="x-"), "m": moment, "s": shear}

    def exact(self, x):
        return sp.cos(x) + self.shift * x


@dataclass(frozen=True)
class String(Problem):
    """−u'' = λ u with the ends held and a prescribed integral."""

    domain = Box(x=(0, 1))
    unknowns = {"square": 9.0}

    def residual(self, u, x, square):
        return u.xx + square * u

    def conditions(self):
        return {"ends": Dirichlet(0), "size": Integral(1)}

    def exact(self, x):
        return sp.pi / 2 * sp.sin(sp.pi * x)


def true_error(problem: Problem, model: Model) -> float:
    """The largest error of all fields on a grid with the ends."""
    domain = problem.domain
    points = np.linspace(domain.low, domain.high, 2001)
    values = model.jets_at(torch.as_tensor(points), JetPlan(1, [()]))[:, 0].numpy()
    functions = [numpy_function(f, domain.names) for f in problem.exact_functions()]
    exact = np.stack([np.broadcast_to(f(points[:, 0]), len(points)) for f in functions], axis=1)
    return float(np.abs(values - exact).max())


def layer(number: float) -> Problem:
    """−u'' = number · u² + …, solved by a function that is not small."""
    ends = {"ends": Dirichlet("exact")}
    text = f"u_xx + {number}*u^2 = 0"
    return problem_from(text, domain=Box(x=(0, 1)), conditions=ends, exact="1 + x*exp(x)", source="exact")


SOLVED: dict[str, tuple[Problem, float]] = {
    "orbit": (Orbit(), 1e-9),
    "beam": (Beam(), 1e-7),
    "string": (String(), 1e-10),
    "layer": (layer(0.5), 1e-10),
}


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {name: solve(problem, device="cpu").model for name, (problem, _) in SOLVED.items()}


@pytest.mark.parametrize("name", SOLVED)
def test_the_bound_is_close_and_that_of_a_spoiled_network_is_larger(name: str, models: dict[str, Model]) -> None:
    (problem, limit), random = SOLVED[name], np.random.default_rng(0)
    bound, steps = error_bound(problem, models[name])
    assert bound is not None, steps
    assert true_error(problem, models[name]) <= bound <= limit
    for size in (1e-12, 1e-9, 1e-6, 1e-4, 1e-2):
        spoiled = copy.deepcopy(models[name])
        with torch.no_grad():
            flat = spoiled.network.first.coefficients.view(-1)
            flat[random.choice(flat.nonzero().flatten().numpy())] += size
        bound, steps = error_bound(problem, spoiled)
        assert len(steps) == 1 if bound is None else true_error(problem, spoiled) <= bound


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("orbit", Orbit(radius=1.001)),
        ("orbit", Orbit(power=2, radius=1.0)),
        ("beam", Beam(shift=0.01)),
        ("layer", layer(0.4)),
    ],
)
def test_the_solution_of_another_problem_has_a_larger_bound(name: str, other: Any, models: dict[str, Model]) -> None:
    bound, steps = error_bound(other, models[name])
    assert len(steps) == 1 if bound is None else true_error(other, models[name]) <= bound
    assert bound is not None or name == "orbit"


def test_an_eigenvalue_is_enclosed(models: dict[str, Model]) -> None:
    _, steps = error_bound(String(), models["string"])
    (line,) = (line for line in steps if line.startswith("|square"))
    error = abs(models["string"].unknowns["square"].item() - np.pi**2)
    assert error <= float(line.split("≤")[1]) <= 1e-9


def test_there_is_no_bound_at_an_eigenvalue(models: dict[str, Model]) -> None:
    ends = {"ends": Dirichlet(0)}
    resonant = problem_from("u_xx + pi^2*u = 0", domain=Box(x=(0, 1)), conditions=ends, exact="0*x")
    bound, steps = error_bound(resonant, models["string"])
    assert bound is None and "amplified too much" in steps[0]
    stable = problem_from("u_xx + 5*u = 0", domain=Box(x=(0, 1)), conditions=ends, exact="0*x")
    bound, steps = error_bound(stable, models["string"])
    assert bound is not None and true_error(stable, models["string"]) <= bound


def test_fundamental_matrices_follow_an_exponential() -> None:
    half = np.array([0.25, 0.5])
    rates: Any = [[TaylorModel.constant(r, 1, 0.0) if r else TaylorModel(np.zeros((2, 1)), np.zeros(2)) for r in row]
                  for row in ((0.0, 1.0), (-1.0, 0.0))]  # fmt: skip
    adjoint, forward = fundamental(rates, half)
    last, _ = at_ends(forward, 1)
    assert np.allclose(last[:, 0, 0], np.cos(2 * half), atol=1e-12) and np.allclose(last[:, 0, 1], np.sin(2 * half))
    back, _ = at_ends(adjoint, 1)
    assert np.allclose(back @ last, np.eye(2), atol=1e-12)


def test_integrals_of_a_polynomial_are_enclosed() -> None:
    # f = s + 3 s² on [−1, 1], stretched to the cells [0, 1] and [1, 3]: ∫ f ds = 2.
    model, half = TaylorModel(np.array([[0.0, 1.0, 3.0]] * 2), np.zeros(2)), np.array([0.5, 1.0])
    whole, running = integrals(model, half)
    assert np.allclose(whole, 2 * half) and (whole >= 2 * half).all()
    # The antiderivative s²/2 + s³ + 1/2 is largest at the end, and has smaller values only before.
    assert (running >= 2 * half).all() and (running <= 3 * half).all()
    found, error = integral(model, half)
    assert abs(found - 3.0) <= error <= 1e-13
