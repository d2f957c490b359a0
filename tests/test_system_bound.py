"""Bounds of parabolic systems by comparison: never below the true error, and close to it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from kanpde import Box, Dirichlet, Initial, Neumann, Periodic, Problem, Robin, load_problem, problem_from, solve
from kanpde.bench.spoiled import true_error
from kanpde.marching.audit.bound import error_bound
from kanpde.network.trial_function import Model
from kanpde.symbolic.proof.coupled import weights_of


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof is not given up on a busy machine."""
    monkeypatch.setattr("kanpde.marching.audit.bound.SECONDS", 1000.0)


ROD = Box(x=(0, 1), t=(0, 0.5))
START = {f"start_{f}": Initial("exact", field=f) for f in "uv"}
ENDS = {f"ends_{f}": Dirichlet("exact", on="x", field=f) for f in "uv"}
MIXED = {
    "flux": Neumann("exact", on="x", field="u"),
    "left": Robin(1.0, 0.5, "exact", on="x-", field="v"),
    "right": Dirichlet("exact", on="x+", field="v"),
}
EXACT = {"u": "exp(-t)*cos(2*x)", "v": "sin(x + t)"}
SYSTEMS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "linear": (["u_t = u_xx/10 - 2*u + (1 + x)*v", "v_t = v_xx/5 - v_x + u - v"], ENDS),
    "oregonator": (["u_t = u_xx/10 + u^2*v - u", "v_t = -u^2*v + 3*v_xx/10"], MIXED),
    "without diffusion": (["u_t = u_xx/10 + u - u^3 - v", "v_t = (u + 0.7 - 0.8*v)/12"], {"u": MIXED["flux"]}),
    "transported": (["u_t + (u + v)*u_x = u_xx/10", "v_t + u*v_x = v_xx/10 + u*v"], ENDS),
}


def stated(equations: list[str], conditions: dict[str, Any], more: str = "0") -> Problem:
    exact = {name: f"{text} + {more}" for name, text in EXACT.items()}
    return problem_from(equations, domain=ROD, exact=exact, source="exact", conditions={**START, **conditions})


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_bound_of_a_system_holds_for_a_solution_and_for_spoiled_ones(name: str) -> None:
    problem, random = stated(*SYSTEMS[name]), np.random.default_rng(0)
    model = solve(problem, device="cpu").model
    bound, steps = error_bound(problem, model)
    assert bound is not None, steps
    assert true_error(problem, model) <= bound <= 1e-9
    for size in (1e-10, 1e-4):
        spoiled = copy.deepcopy(model)
        with torch.no_grad():
            flat = spoiled.network.first.coefficients.view(-1)
            flat[random.choice(flat.nonzero().flatten().numpy())] += size
        for other in (problem, stated(*SYSTEMS[name], f"{size}*cos(3*x)*t")):
            bound, steps = error_bound(other, spoiled)
            assert bound is not None, steps
            assert true_error(other, spoiled) <= bound


def test_weights_follow_the_coupling() -> None:
    even, perron = weights_of(np.array([[0.0, 100.0], [0.01, 0.0]]))
    growth = [max((np.array([[0.0, 100.0], [0.01, 0.0]]) @ d) / d) for d in (even, perron)]
    assert growth == pytest.approx([100.0, 1.0])


@pytest.mark.parametrize(
    ("equations", "conditions", "reason"),
    [
        (["u_t = v_xx", "v_t = -u*u_xx"], ENDS, "more than their values"),
        (["u_t = u_xx + v_x", "v_t = v_xx"], ENDS, "more than their values"),
        (["u_t = -u_xx + v", "v_t = v_xx"], ENDS, "not parabolic"),
        (["u_t = u_xx + v", "v_t = -v_x"], ENDS, "without diffusion"),
        (["u_t = u_xx + v", "v_t = v_xx"], {"u": ENDS["ends_u"]}, "prescribed for v on x-"),
        (["u_t = u_xx + v", "v_t = v_xx"], {"loop": Periodic("x")}, "prescribed for u on x-"),
        (["u_t = u_xxx + v", "v_t = v_xx"], ENDS, "order too high"),
        (["u_t = u_xx*v_xx", "v_t = v_xx"], ENDS, "more than their values"),
    ],
)
def test_there_is_no_bound_of_a_system_without_a_theorem(
    equations: list[str], conditions: dict[str, Any], reason: str, model: Model
) -> None:
    bound, steps = error_bound(stated(equations, conditions), model)
    assert bound is None and reason in steps[0]


def test_steady_systems_have_no_bound_yet(model: Model) -> None:
    bound, steps = error_bound(load_problem("elasticity"), model)
    assert bound is None and "steady system" in steps[0]


@pytest.fixture(scope="module")
def model() -> Model:
    return solve(stated(*SYSTEMS["linear"]), device="cpu").model
