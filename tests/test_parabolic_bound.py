"""Bounds of evolution equations by comparison and by d'Alembert's formula: never below the true error."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from test_bound import true_error

from kanpde import Box, Dirichlet, Initial, Neumann, Periodic, Problem, Robin, load_problem, problem_from, solve
from kanpde.marching.audit.bound import error_bound


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof is not given up on a busy machine."""
    monkeypatch.setattr("kanpde.marching.audit.bound.SECONDS", 1000.0)


ROD, START = Box(x=(0, 1), t=(0, 0.5)), {"start": Initial("exact")}
ENDS = {**START, "ends": Dirichlet("exact", on="x")}
FALLING = "exp(-{c}*t)*cos({d}*x)"
CLOSED = "exp(-{c}*t)*(1 + cos(2*pi*x)/{d})"
LEFT, RIGHT = {"left": Neumann("exact", on="x-")}, {"right": Robin(2.0, 0.5, "exact", on="x+")}
INFLOW = {**START, "left": Dirichlet("exact", on="x-")}
CIRCLE, LOOP = {**START, "circle": Periodic("x", order=1)}, {**START, "circle": Periodic("x", order=0)}
FREE = {"right": Neumann("exact", on="x+")}
REST = {"velocity": Initial("exact", order=1)}

# The equation, the domain, the solution, the conditions, and a limit of the bound.
CLASSES: dict[str, tuple[str, Box, str, dict[str, Any], float]] = {
    "allen_cahn": ("u_t = {a}*u_xx + {b}*(u - u^3)", ROD, FALLING, ENDS, 1e-10),
    "burgers": ("u_t + u*u_x = {a}*u_xx", ROD, FALLING, ENDS, 1e-10),
    "slopes": ("u_t = {a}*u_xx + {b}*u - u_x", ROD, FALLING, {**START, **LEFT, **RIGHT}, 1e-8),
    "circle": ("u_t = {a}*u_xx + {b}*u - u_x", ROD, CLOSED, CIRCLE, 1e-6),
    "transport": ("u_t + (1 + x*t)*{a}*u_x = {b}*sin(u)", ROD, FALLING, INFLOW, 1e-10),
    "loop": ("u_t - {a}*u_x = {b}*u^2", ROD, CLOSED, LOOP, 1e-8),
    "population": ("u_t = {b}*u*(1 - u)", Box(t=(0, 1)), "exp(-{c}*t) + {d}*t", START, 1e-9),
    "pendulum": ("u_tt = -{b}*sin(u)", Box(t=(0, 1)), "exp(-{c}*t) + {d}*t", {**START, **REST}, 1e-7),
    "klein_gordon": ("u_tt = {a}*u_xx - {b}*u^3", ROD, FALLING, {**ENDS, **REST}, 1e-8),
    "string": ("u_tt = {a}*u_xx + {b}*u", ROD, FALLING, {**INFLOW, **REST, **FREE}, 1e-7),
    "ring": ("u_tt = {a}*u_xx + {b}*u", ROD, CLOSED, {**CIRCLE, **REST}, 1e-6),
}
SQUARE, SADDLE = Box(x=(0, 1), y=(0, 1)), "cos({d}*x + y) + {c}*x*y"
CLASSES |= {
    "cubic": ("-u_xx - {a}*u_yy + {b}*u^3 + u = 0", SQUARE, SADDLE, {"edge": Dirichlet("exact")}, 1e-9),
    "flux": (
        "-u_xx - {a}*u_yy + {b}*u_x = 0",
        SQUARE,
        SADDLE,
        {"edge": Dirichlet("exact", on="x-"), "walls": Neumann("exact", on="y"), **RIGHT},
        1e-7,
    ),
    "insulated": ("-{a}*u_xx + u = 0", Box(x=(0, 1)), "cos({d}*x) + {c}*x", {"ends": Neumann("exact")}, 1e-7),
}
PLANE = Box(x=(0, 1), y=(0, 1), t=(0, 0.3))
EDGE = {"edge": Dirichlet("exact")}
CLASSES |= {
    "damped": ("u_tt + {b}*u_t = {a}*u_xx", ROD, FALLING, {**ENDS, **REST}, 1e-7),
    "membrane": (
        "u_tt = {a}*(u_xx + u_yy) - {b}*u",
        PLANE,
        "cos(x + {d}*t)*exp(-{c}*y)",
        {**START, **REST, **EDGE},
        1e-5,
    ),
    "resonant": ("u_xx + {a}*u_yy + 60*u = 0", SQUARE, SADDLE, EDGE, 1e-9),
    "exponential": ("u_xx + {a}*u_yy + exp(u) = 0", SQUARE, SADDLE, EDGE, 1e-9),
    "surface": ("(1 + u_y^2)*u_xx - 2*u_x*u_y*u_xy + (1 + u_x^2)*u_yy = {b}", SQUARE, SADDLE, EDGE, 1e-7),
}
NUMBERS = {"a": 0.7, "b": 0.8, "c": 0.6, "d": 1.3}


def stated(name: str, **changes: float) -> Problem:
    equation, domain, exact, conditions, _ = CLASSES[name]
    numbers = {**NUMBERS, **changes}
    text = equation.format(**numbers)
    return problem_from(text, domain=domain, conditions=conditions, exact=exact.format(**numbers), source="exact")


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
    assert bound is not None and bound <= CLASSES[name][-1]
    other = {"c": NUMBERS["c"] + 10 ** random.uniform(-6, -2)}  # of the solution, and so of the source and the data
    held(stated(name, **other), model)
    for size in (1e-9, 1e-4):
        spoiled = copy.deepcopy(model)
        with torch.no_grad():
            flat = spoiled.network.first.coefficients.view(-1)
            flat[random.choice(flat.nonzero().flatten().numpy())] += size
        held(problem, spoiled)


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
    problem = problem_from(equation, domain=ROD, conditions=conditions, exact=FALLING.format(**NUMBERS), source="exact")
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
