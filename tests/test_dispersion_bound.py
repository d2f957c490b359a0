"""The bound of the errors of Schrödinger's equation and its kin: never below the true error, and close to it."""

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
from kanpde.network.trial_function import Model
from kanpde.symbolic.proof.dispersion import highest


@dataclass(frozen=True)
class Particle(Problem):
    """2 u_t = −v_xx + potential · v + loss · u, 2 v_t = u_xx − potential · u + f in a box, with moving walls."""

    potential: float = 1.0
    loss: float = 0.0
    shift: float = 0.0  # of the solution, as a source and values tell it

    domain = Box(x=(0, 1), t=(0, 1))
    fields = ("u", "v")

    def residual(self, u, v, x, t):
        a, b = torch.cos(x + t), torch.sin(2 * x - t) * (1 + self.shift)
        da, db = -torch.sin(x + t), -torch.cos(2 * x - t) * (1 + self.shift)
        first = 2 * da - 4 * b - self.potential * b - self.loss * a
        second = 2 * db + a + self.potential * a
        return {
            "u": 2 * u.t + v.xx - self.potential * v - self.loss * u - first,
            "v": 2 * v.t - u.xx + self.potential * u - second,
        }

    def conditions(self):
        starts = {f"{name}_start": Initial("exact", field=name) for name in self.fields}
        return {**starts, **{f"{name}_walls": Dirichlet("exact", on="x", field=name) for name in self.fields}}

    def exact(self, x, t):
        return {"u": sp.cos(x + t), "v": sp.sin(2 * x - t) * (1 + sp.Rational(str(self.shift)))}


@pytest.fixture(scope="module")
def model() -> Model:
    return solve(Particle(), device="cpu").model


def test_a_wave_function_has_a_close_bound(model: Model) -> None:
    bound, lines = error_bound(Particle(), model)
    assert bound is not None and true_error(Particle(), model) <= bound <= 1e-9, lines


@pytest.mark.parametrize("shift", [1e-10, 1e-6, 1e-2])
def test_the_solution_of_another_problem_has_a_larger_bound(model: Model, shift: float) -> None:
    other = Particle(shift=shift)
    bound, _ = error_bound(other, model)
    assert bound is not None and true_error(other, model) <= bound


@pytest.mark.parametrize("size", [1e-11, 1e-7, 1e-3])
def test_a_spoiled_wave_function_has_a_larger_bound(model: Model, size: float) -> None:
    for seed in range(3):
        spoiled, generator = copy.deepcopy(model), np.random.default_rng(seed)
        with torch.no_grad():
            table = spoiled.network.first.coefficients
            table.view(-1)[int(generator.choice(table.detach().flatten().nonzero().flatten().numpy()))] += size
        bound, _ = error_bound(Particle(), spoiled)
        assert bound is None or true_error(Particle(), spoiled) <= bound


@pytest.mark.parametrize("loss", [1.5, -1.5])
def test_growth_and_decay_are_followed(loss: float) -> None:
    problem = Particle(loss=loss)
    found = solve(problem, device="cpu").model
    bound, _ = error_bound(problem, found)
    assert bound is not None and true_error(problem, found) <= bound <= 1e-9


def test_the_largest_value_is_bounded_by_norms() -> None:
    """sin(k π x) has the value 1, the norm √(1/2), and a second derivative with (k π)² times that."""
    for k in (1, 2, 7):
        assert 1.0 <= highest(np.sqrt(0.5), (k * np.pi) ** 2 * np.sqrt(0.5)) <= 1.0 * np.sqrt(0.5 * k * np.pi) * 1.01


def test_a_system_that_is_no_wave_has_a_reason(model: Model) -> None:
    @dataclass(frozen=True)
    class Crossed(Particle):
        def residual(self, u, v, x, t):
            return {"u": u.t - v.xx, "v": v.t - u.xx}

    bound, (reason,) = error_bound(Crossed(), model)
    assert bound is None and "coupled" in reason
