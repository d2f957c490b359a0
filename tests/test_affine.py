"""Whether an equation or a condition is affine in its fields, found by trying it."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde.collocation.affine import is_affine
from kanpde.geometry.box import Box
from kanpde.problem.conditions import Condition, Data, Dirichlet, Initial, Neumann, Periodic, Robin
from kanpde.problem.problem import Problem
from kanpde.problem.registry import load_problem

X, T = sp.symbols("x t", real=True)
STRIP, TIME = Box(x=(-1, 1), t=(0, 2)), Box(t=(0, 3))

AFFINE = {
    "heat": lambda u: u.t - u.xx,
    "a source": lambda u, x, t: u.t - u.xx + torch.exp(-50 * x**2) * torch.sin(t),
    "variable coefficients": lambda u, x, t: torch.sin(x) * u.tt - 1e6 * t * u.xxxx + u / (2 + x),
    "a value alone": lambda u, x: u - x,
    "tiny coefficients": lambda u: 1e-9 * u.t - 1e-9 * u.xx,
    "nothing": lambda u: 0 * u.t,
    "quadratic in disguise": lambda u: (u.x + 1) ** 2 - (u.x - 1) ** 2 - u.t,
}
NONLINEAR = {
    "burgers": lambda u: u.t + u * u.x - 0.01 * u.xx,
    "reaction": lambda u: u.t - u.xx - u * (1 - u),
    "eikonal": lambda u, t: u.x**2 + u.t**2 - t,
    "exponential": lambda u: u.xx + torch.exp(u),
    "root": lambda u: u.t - torch.sqrt(u),
    "mixed": lambda u: u.xx * u.tt - u.xt**2,
    "size": lambda u: u.x + abs(u),
    "ramp": lambda u: u.x + torch.relu(u),
    "ramp of a slope": lambda u: u.t + torch.relu(u.x),
    "upwind": lambda u: u.t + torch.minimum(u.x, -u.x),
    "root and size": lambda u: torch.sqrt(u) * 0 + abs(u.x),
    "logarithm": lambda u: u.x + torch.log(u),
    "a small part": lambda u: u.t - 100 * u.xx + 1e-3 * u**3,
}


def problem_of(residual, conditions=None, **more):
    members = {"domain": STRIP, "residual": staticmethod(residual), "conditions": lambda self: conditions or {}, **more}
    return type("Trial", (Problem,), members)()


def found(problem):
    """Name -> whether it is affine, for the equation and every condition, hard ones too."""
    return {block.name: is_affine(block, problem) for block in problem.blocks(hard=True)}


@pytest.mark.parametrize("residual", AFFINE.values(), ids=AFFINE)
def test_affine_equations_are_affine(residual):
    assert found(problem_of(residual)) == {"residual": True}


@pytest.mark.parametrize("residual", NONLINEAR.values(), ids=NONLINEAR)
def test_other_equations_are_not(residual):
    assert found(problem_of(residual)) == {"residual": False}


@pytest.mark.parametrize("factor", [1e-200, 1e-12, 1e-3, 1.0, 1e6, 1e200])
@pytest.mark.parametrize("kind", [AFFINE, NONLINEAR], ids=["affine", "nonlinear"])
def test_the_unit_of_an_equation_says_nothing(kind, factor):
    for residual in (kind[name] for name in list(kind)[:2]):
        assert found(problem_of(lambda u, x, t, r=residual: factor * call(r, u, x, t))) == {"residual": kind is AFFINE}


def call(residual, u, x, t):
    names = residual.__code__.co_varnames[: residual.__code__.co_argcount]
    return residual(**{name: {"u": u, "x": x, "t": t}[name] for name in names})


def test_one_nonlinear_equation_makes_a_system_nonlinear():
    pair = {"fields": ("u", "v")}
    assert found(problem_of(lambda u, v: (u.t - v.x, v.t + u.x - v), **pair)) == {"residual": True}
    assert found(problem_of(lambda u, v: {"a": u.t - v.x, "b": v.t + u * v}, **pair)) == {"residual": False}
    assert found(problem_of(lambda u, v: (u.t - v.x, v.t - u.x * v.x), **pair)) == {"residual": False}


def test_an_unknown_constant_is_a_coefficient():
    unknown = {"unknowns": {"speed": 0.5}}
    assert found(problem_of(lambda u, speed: u.t + speed**2 * u.x, **unknown)) == {"residual": True}
    assert found(problem_of(lambda u, speed: u.t + speed * u * u.x, **unknown)) == {"residual": False}


def test_the_conditions_of_the_library_are_affine():
    conditions = {
        "start": Initial(sp.sin(X)),
        "speed": Initial(sp.cos(X) * 7, order=1),
        "low": Dirichlet(lambda t: torch.exp(t), on="x-"),
        "flux": Neumann(T**2, on="x+"),
        "mixed": Robin(2, -3, 1, on="x"),
        "data": Data(np.array([[0.1, 0.2], [-0.5, 1.0]]), np.array([3.0, -4.0])),
        "hard": Dirichlet(sp.sin(X), on="t+", hard=True),
    }
    assert set(found(problem_of(AFFINE["heat"], conditions)).values()) == {True}
    ring = problem_of(AFFINE["heat"], {"ring": Periodic("x", order=2)})
    assert found(ring) == {"residual": True, "ring": True}


@pytest.mark.parametrize(
    ("residual", "affine"),
    [(lambda u, x: u.x - 2 * u + x, True), (lambda u: u.x - u**4, False), (lambda u: (u.t, u * u.x), False)],
    ids=["affine", "radiation", "one of two"],
)
def test_a_condition_is_judged_by_its_residual(residual, affine):
    problem = problem_of(AFFINE["heat"], {"rim": Condition(residual, on="x")})
    assert found(problem) == {"residual": True, "rim": affine}


@pytest.mark.parametrize(
    ("name", "affine"),
    [("heat", True), ("wave", True), ("poisson", True), ("helmholtz", True), ("advection", True)]
    + [("burgers", False), ("allen_cahn", False), ("kdv", False)],
)
def test_shipped_equations_are_what_they_are_known_for(name, affine):
    assert all(found(load_problem(name)).values()) == affine
