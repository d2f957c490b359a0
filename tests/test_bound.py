"""The bound of a network's error: never below the true error, close to it where it can be, and None with a reason."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Dirichlet, Initial, Problem, load_problem, solve
from kanpde.bench.spoiled import true_error
from kanpde.marching.audit.bound import error_bound
from kanpde.network.rounding import rounding_error
from kanpde.network.trial_function import Model


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof is not given up on a busy machine."""
    monkeypatch.setattr("kanpde.marching.audit.bound.SECONDS", 1000.0)


@dataclass(frozen=True)
class Manufactured(Problem):
    """−(1 + x²/4) u_xx − a u_yy + b u_x + c u = f, solved by a chosen function."""

    conductivity: float = 1.0
    drift: float = 0.0
    reaction: float = 0.0
    shift: float = 0.0
    frequency: float = 1.0

    domain = Box(x=(-1, 1), y=(0, 1))

    def left(self, u, ux, uxx, uyy, x):
        return -(1 + x**2 / 4) * uxx - self.conductivity * uyy + self.drift * ux + self.reaction * u

    def residual(self, u, x, y):
        angle = self.frequency * x + y
        v, slope = torch.sin(angle) + self.shift * x * y, self.frequency * torch.cos(angle) + self.shift * y
        bend = -(self.frequency**2) * torch.sin(angle)
        return self.left(u, u.x, u.xx, u.yy, x) - self.left(v, slope, bend, -torch.sin(angle), x)

    def conditions(self):
        return {"edge": Dirichlet("exact")}

    def exact(self, x, y):
        return sp.sin(self.frequency * x + y) + self.shift * x * y


@dataclass(frozen=True)
class Cooling(Problem):
    """(1 + t/2) u_t = D u_xx + b u_x − c u + f."""

    diffusivity: float = 0.2
    drift: float = 0.0
    reaction: float = 0.0
    decay: float = 1.0

    domain = Box(x=(0, 1), t=(0, 0.5))

    def residual(self, u, x, t):
        v, rest = torch.exp(-self.decay * t) * torch.cos(2 * x), torch.exp(-self.decay * t) * torch.sin(2 * x)
        f = -(1 + t / 2) * self.decay * v + 4 * self.diffusivity * v + 2 * self.drift * rest + self.reaction * v
        return (1 + t / 2) * u.t - self.diffusivity * u.xx - self.drift * u.x + self.reaction * u - f

    def conditions(self):
        return {"start": Initial("exact"), "ends": Dirichlet("exact", on="x")}

    def exact(self, x, t):
        return sp.exp(-self.decay * t) * sp.cos(2 * x)


SOLVED: dict[str, tuple[Problem, float]] = {
    "poisson_quartic": (load_problem("poisson_quartic"), 1e-11),
    "manufactured": (Manufactured(drift=0.5, reaction=1.0), 1e-9),
    "cooling": (Cooling(drift=0.3, reaction=-0.5), 1e-10),
}


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {name: solve(problem, device="cpu").model for name, (problem, _) in SOLVED.items()}


@pytest.mark.parametrize("name", SOLVED)
def test_a_computed_solution_has_a_close_bound(name: str, models: dict[str, Model]) -> None:
    problem, limit = SOLVED[name]
    bound, steps = error_bound(problem, models[name])
    assert bound is not None, steps
    assert true_error(problem, models[name]) <= bound <= limit


@pytest.mark.parametrize("name", SOLVED)
def test_a_spoiled_network_has_a_larger_bound(name: str, models: dict[str, Model]) -> None:
    problem, random = SOLVED[name][0], np.random.default_rng(0)
    for _ in range(6):
        model = copy.deepcopy(models[name])
        coefficients = (
            model.network.first.coefficients if random.random() < 0.7 else model.network.hidden[0].coefficients
        )
        with torch.no_grad():
            flat = coefficients.view(-1)
            place = random.choice(flat.nonzero().flatten().numpy())
            flat[place] += 10 ** random.uniform(-13, 0) * random.choice([-1, 1])
        bound, steps = error_bound(problem, model)
        # A last layer that bends is not enclosed, which the reason says.
        assert (bound is None and "composition" in steps[0]) or true_error(problem, model) <= bound


OTHERS: list[tuple[str, Any]] = [
    ("manufactured", Manufactured(drift=0.5, reaction=1.0, shift=1e-3)),
    ("manufactured", Manufactured(drift=0.5, reaction=1.0, frequency=1.01)),
    ("manufactured", Manufactured(conductivity=5.0, reaction=-1.5, frequency=3.0)),
    ("manufactured", Manufactured(conductivity=0.1, drift=-6.0, frequency=2.0)),
    ("manufactured", Manufactured(conductivity=10.0, drift=2.0, shift=4.0)),
    ("cooling", Cooling(drift=0.3, reaction=-0.5, decay=1.001)),
    ("cooling", Cooling(diffusivity=0.01, drift=-4.0, reaction=-3.0, decay=3.0)),
    ("cooling", Cooling(diffusivity=3.0, reaction=5.0, decay=-2.0)),
]


@pytest.mark.parametrize(("name", "problem"), OTHERS)
def test_the_solution_of_another_problem_has_a_larger_bound(name: str, problem: Any, models: dict[str, Model]) -> None:
    bound, steps = error_bound(problem, models[name])
    assert bound is not None, steps
    assert true_error(problem, models[name]) <= bound


@dataclass(frozen=True)
class Loaded(Problem):
    """−u'' = load, whose solution load · x (1 − x) / 2 is the largest that a residual of this size can cause."""

    load: float = 0.0
    end: float = 0.0

    domain = Box(x=(0, 1))

    def residual(self, u, x):
        return -u.xx - self.load * torch.ones_like(x)

    def conditions(self):
        return {"left": Dirichlet(0, on="x-"), "right": Dirichlet(self.end, on="x+")}

    def exact(self, x):
        return self.load * x * (1 - x) / 2 + self.end * x


def test_rounding_errors_are_below_their_bound(models: dict[str, Model]) -> None:
    single = copy.deepcopy(models["cooling"].network).float()
    double = copy.deepcopy(single).double()
    for layer in (double.first, *double.hidden):
        layer.basis.set_knots(layer.basis.knots.numpy(), uniform=layer.basis.uniform)
    points = torch.rand(4000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.5])
    with torch.no_grad():
        error = float((single(points).double() - double(points.double())).abs().max())
    assert error <= rounding_error(single, np.zeros(2), np.array([1.0, 0.5])) <= 1000 * error


def test_the_bound_of_a_constant_residual_is_sharp() -> None:
    model = solve(Loaded(load=1.0), device="cpu").model
    for load, end in ((3.0, 0.0), (1.0, 0.25), (-1.0, 0.0)):
        problem = Loaded(load=load, end=end)
        true = true_error(problem, model)
        bound, steps = error_bound(problem, model)
        assert bound is not None, steps
        assert true <= bound <= 1.01 * true


@dataclass(frozen=True)
class Lifted(Problem):
    """u_xx + u_yy = 4, with two sides by construction."""

    wrong: float = 0.0

    domain = Box(x=(-1, 1), y=(-1, 1))

    def residual(self, u, x, y):
        return u.xx + u.yy - 4 - self.wrong * x

    def conditions(self):
        return {"sides": Dirichlet("exact", on="x", hard=True), "ends": Dirichlet("exact", on="y")}

    def exact(self, x, y):
        return x**2 + y**2 + sp.exp(x) * sp.sin(y) + self.wrong * x * (x**2 - 1) / 6


def test_conditions_by_construction_are_part_of_the_bound() -> None:
    model = solve(Lifted(), device="cpu").model
    bound, steps = error_bound(Lifted(), model)
    assert bound is not None, steps
    assert true_error(Lifted(), model) <= bound <= 1e-9
    wrong = Lifted(wrong=1.0)
    bound, steps = error_bound(wrong, model)
    assert bound is not None, steps
    assert true_error(wrong, model) <= bound < 10 * true_error(wrong, model)


class Open(Loaded):
    def conditions(self):
        return {"left": Dirichlet(0, on="x-")}


class Kinked(Loaded):
    def residual(self, u, x):
        return -u.xx - torch.abs(x - 0.3)


@pytest.mark.parametrize(
    ("problem", "reason"),
    [(Open(), "need 2 conditions"), (Kinked(), "Abs")],
)
def test_there_is_no_bound_without_a_theorem_and_the_reason_says_why(problem: Problem, reason: str) -> None:
    model = solve(Loaded(load=1.0), device="cpu").model
    bound, steps = error_bound(problem, model)
    assert bound is None
    assert reason in steps[0] and len(steps) == 1
