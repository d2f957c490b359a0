"""Bounds of evolution equations by comparison and by d'Alembert's formula: never below the true error."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from kanpde import Problem, load_problem, problem_from, solve
from kanpde.bench.spoiled import CASES, ENDS, FALLING, INFLOW, REST, ROD, START, USUAL, true_error
from kanpde.marching.audit.bound import error_bound


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof is not given up on a busy machine."""
    monkeypatch.setattr("kanpde.marching.audit.bound.SECONDS", 1000.0)


# The case, and a limit of the bound.
CLASSES = {
    "heat": 1e-11,
    "allen_cahn": 1e-11,
    "burgers": 1e-11,
    "slopes": 1e-8,
    "circle": 1e-8,
    "transport": 1e-10,
    "loop": 1e-9,
    "population": 1e-9,
    "pendulum": 1e-7,
    "klein_gordon": 1e-9,
    "string": 1e-8,
    "ring": 1e-8,
    "cubic": 1e-10,
    "flux": 1e-8,
    "insulated": 1e-8,
    "damped": 1e-8,
    "membrane": 1e-5,
    "resonant": 1e-10,
    "poisson": 1e-10,
    "exponential": 1e-10,
    "reactions": 1e-10,
    "surface": 1e-8,
}


def stated(name: str, **changes: float) -> Problem:
    return CASES[name].problem({**USUAL, **changes})


def held(problem: Problem, model: Any) -> float | None:
    """Return the bound, after a comparison with the truth."""
    bound, steps = error_bound(problem, model)
    assert len(steps) == 1 if bound is None else true_error(problem, model) <= bound, steps
    return bound


@pytest.mark.parametrize("name", CLASSES)
def test_the_bound_holds_for_a_solution_and_for_spoiled_ones(name: str) -> None:
    problem, random = stated(name), np.random.default_rng(0)
    model = solve(problem, device="cpu").model
    bound = held(problem, model)
    assert bound is not None and bound <= CLASSES[name]
    other = {"c": USUAL["c"] + 10 ** random.uniform(-6, -2)}  # of the solution, and so of the source and the data
    held(stated(name, **other), model)
    with torch.no_grad():
        flat = model.network.first.coefficients.view(-1)
        flat[random.choice(flat.nonzero().flatten().numpy())] += 10 ** random.uniform(-9, -4)
    held(problem, model)


@pytest.mark.parametrize(("name", "limit"), [("monge_ampere", 1e-6), ("supported_plate", 1e-5)])
def test_the_bound_of_a_shipped_problem_holds_for_spoiled_networks(name: str, limit: float) -> None:
    problem, random = load_problem(name), np.random.default_rng(0)
    model = solve(problem, device="cpu").model
    bound = held(problem, model)
    assert bound is not None and bound <= limit
    for size in (1e-7, 1e-3, 1.0):
        spoiled = copy.deepcopy(model)
        with torch.no_grad():
            flat = spoiled.network.first.coefficients.view(-1)
            flat[random.choice(flat.nonzero().flatten().numpy())] += size
        held(problem, spoiled)


@pytest.mark.parametrize(
    ("equation", "conditions", "reason"),
    [
        ("u_t - u_x = 0", INFLOW, "where characteristics may enter"),
        ("u_t - u_xx = 0", INFLOW, "x+"),
        ("u_t = 900*u^3 + u_xx", ENDS, "amplify"),
        ("u_t + u_xx = 0", ENDS, "not parabolic"),
        ("u_t + u_xxx = 0", ENDS, "order too high"),
        ("u_t^2 - u_xx = 0", ENDS, "nonlinear in its highest"),
        ("u_tt - u_xx = 0", ENDS, "velocity"),
        ("u_tt - (1 + x)*u_xx = 0", {**ENDS, **REST}, "not constant"),
        ("u_tt - u_xx = 0", {**START, **REST}, "x-"),
        ("u_tt + x*u_t - u_xx = 0", {**ENDS, **REST}, "not constant"),
    ],
)
def test_there_is_no_bound_without_a_theorem(
    equation: str, conditions: dict[str, Any], reason: str, transported: Any
) -> None:
    problem = problem_from(equation, domain=ROD, conditions=conditions, exact=FALLING.format(**USUAL), source="exact")
    bound, steps = error_bound(problem, transported)
    assert bound is None and reason in steps[0]


def test_training_ends_at_a_bound_and_says_when_there_is_none() -> None:
    problem = load_problem("poisson_quartic")
    early = solve(problem, device="cpu", training={"bound": 1e-3})
    assert early.record["stopped_because"].startswith("bound") and early.error_bound <= 1e-3
    late = solve(problem, device="cpu", training={"bound": 1e-30})
    assert late.verdict == "solved" and "not 1e-30" in late.audit().reasons[-1]


@pytest.fixture(scope="module")
def transported() -> Any:
    return solve(stated("transport"), device="cpu").model
