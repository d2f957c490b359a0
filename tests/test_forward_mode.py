"""Derivatives without reverse sweeps are those of reverse sweeps; forks beside a card need no others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import sympy as sp
import torch
from torch.testing import assert_close

from kanpde import Box, Implicit, Initial, Integral, Neumann, Periodic, Problem, load_problem, solve
from kanpde.calculus import forward_mode
from kanpde.collocation.rows import Placed, Sums
from kanpde.symbolic import workers


@dataclass(frozen=True)
class Coupled(Problem):
    """A system with an unknown constant, a flux, a periodic field, and an integral."""

    domain = Box(x=(0, 1), t=(0, 2))
    fields = ("u", "v")
    unknowns = {"drift": 0.5}

    def residual(self, u, v, drift, x):
        return u.t + drift * u * u.x - torch.exp(v) * v.xx, v.t - drift**2 * v * u + x

    def conditions(self):
        return {
            "start": Initial(lambda x: torch.sin(np.pi * x), field="u"),
            "flux": Neumann(lambda t: t**3, on="x-", field="u"),
            "loop": Periodic("x", field="v"),
            "size": Integral(lambda t: t, field="u"),
        }


@pytest.fixture
def no_engine(monkeypatch):
    """Reverse sweeps fail, as in a fork beside a card."""

    def refused(*arguments, **more):
        raise RuntimeError("Unable to handle autograd's threading in combination with fork-based multiprocessing.")

    def lose():
        monkeypatch.setattr(torch.autograd, "grad", refused)
        monkeypatch.setattr(forward_mode, "_engine", False)

    return lose


def both(function, lose):
    """What a function returns with the engine and without it."""
    first = function()
    lose()
    return first, function()


def slopes(number):
    """The rows and slopes of one of the blocks, all in one list."""
    random = torch.Generator().manual_seed(number)
    block = Coupled().blocks()[number]  # their order is that of the equation and its conditions
    points = torch.rand(6, 2, generator=random, dtype=torch.float64)
    index = None if block.kind == "residual" else torch.zeros(6, dtype=torch.long)
    sums = None
    if block.integrated:
        sums, index = Sums(torch.arange(6) // 3, torch.rand(6, generator=random, dtype=torch.float64), 2), None
    placed = Placed.at(block, ("x", "t"), points, index, sums)
    jets = [torch.rand(6, len(placed.plan), 2, generator=random, dtype=torch.float64) for _ in placed.images]
    factors = torch.rand(len(block.components), placed.count, generator=random, dtype=torch.float64)
    rows, found = placed.slopes(jets, {"drift": torch.tensor(0.7, dtype=torch.float64)}, factors)
    return [rows, *(each for slope in found for each in (*slope.by_jets, slope.by_unknowns))]


@pytest.mark.parametrize("number", range(5))
def test_slopes_are_those_of_reverse_sweeps(no_engine, number):
    for one, other in zip(*both(lambda: slopes(number), no_engine), strict=True):
        assert_close(other, one, rtol=1e-13, atol=1e-13)


def test_values_and_normals_are_those_of_reverse_sweeps(no_engine):
    flower = Implicit(lambda x, y: x**4 + torch.cos(y) * y**2 - 1, Box(x=(-2, 2), y=(-2, 2)))
    points = np.random.default_rng(0).random((5, 2))

    def found():
        slope = forward_mode.partial(lambda p: p[..., 0] ** 3 * p[..., 1] ** 2, torch.from_numpy(points), [0, 0, 1])
        return slope, torch.as_tensor(flower._level.slopes(points)[1])

    (cubic, first), (again, second) = both(found, no_engine)
    assert_close(cubic, torch.as_tensor(12 * points[:, 0] * points[:, 1]))
    assert_close(again, cubic, rtol=0, atol=0)
    assert_close(second, first, rtol=1e-14, atol=1e-14)


def test_a_formula_is_found_in_forks_beside_a_card(monkeypatch, no_engine):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(workers, "cores", lambda: 2)
    monkeypatch.setattr(workers, "_compute", without_engine(no_engine))
    workers.forks_compute.cache_clear()
    try:
        solution = solve(load_problem("heat"), device="cpu", training={"target": 1e-6})
        formula = solution.symbolify(functions=["exp", "sin"], budget_seconds=600)  # it ends by itself
    finally:
        workers.forks_compute.cache_clear()
    x, t = sp.symbols("x t", real=True)
    assert formula.proved and sp.simplify(formula.expression - solution.problem.exact(x, t)) == 0


def without_engine(lose):
    """A computation in a fork in which reverse sweeps fail."""
    compute = workers._compute

    def computed(function, item, sender):
        lose()
        compute(function, item, sender)

    return computed
