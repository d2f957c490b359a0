"""The bound of an eigenfunction and the enclosure of its eigenvalue: never below the true errors, and close to them."""

from __future__ import annotations

import copy
import math
import re
from dataclasses import dataclass

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Dirichlet, Integral, Problem, solve
from kanpde.bench.spoiled import true_error
from kanpde.marching.audit.bound import error_bound
from kanpde.network.trial_function import Model
from kanpde.symbolic.proof.eigenvalues import gap_of
from kanpde.symbolic.proof.maximum_principle import NoTheorem
from kanpde.symbolic.proof.row import Row
from kanpde.symbolic.proof.spectral import ConstantOperator

TRUE = math.pi**2 * (1 / 4 + 2) + 1  # the lowest eigenvalue of the membrane


@dataclass(frozen=True)
class Membrane(Problem):
    """u_xx + 2 u_yy + (tone − 1 + source) u = 0 on a rectangle of 2 × 1, with ∫ u = 3."""

    source: float = 0.0

    domain = Box(x=(0, 2), y=(0, 1))
    unknowns = {"tone": 20.0}

    def residual(self, u, x, y, tone):
        return u.xx + 2 * u.yy + (tone - 1) * u + self.source

    def conditions(self):
        return {"rim": Dirichlet(0), "size": Integral(3)}

    def exact(self, x, y):
        return 3 * sp.pi**2 / 8 * sp.sin(sp.pi * x / 2) * sp.sin(sp.pi * y)


@pytest.fixture(scope="module")
def model() -> Model:
    return solve(Membrane(), device="cpu").model


def enclosed_tone(lines: tuple[str, ...]) -> float:
    """Return the bound of the error of the eigenvalue from the lines of a proof."""
    (found,) = (re.search(r"\|tone − tone\*\| ≤ (\S+)", line) for line in lines if "tone*" in line)
    assert found is not None
    return float(found[1].rstrip(","))


def test_an_eigenfunction_and_its_eigenvalue_have_close_bounds(model: Model) -> None:
    bound, lines = error_bound(Membrane(), model)
    assert bound is not None and true_error(Membrane(), model) <= bound <= 1e-9, lines
    assert abs(model.unknowns["tone"].item() - TRUE) <= enclosed_tone(lines) <= 1e-10


@pytest.mark.parametrize("size", [1e-11, 1e-8, 1e-5, 1e-2])
def test_a_spoiled_eigenfunction_has_a_larger_bound(model: Model, size: float) -> None:
    for seed in range(3):
        spoiled, generator = copy.deepcopy(model), np.random.default_rng(seed)
        with torch.no_grad():
            table = spoiled.network.first.coefficients
            table.view(-1)[int(generator.choice(table.detach().flatten().nonzero().flatten().numpy()))] += size
        bound, lines = error_bound(Membrane(), spoiled)
        assert bound is None or true_error(Membrane(), spoiled) <= bound
        assert bound is None or abs(spoiled.unknowns["tone"].item() - TRUE) <= enclosed_tone(lines)


@pytest.mark.parametrize("size", [1e-10, 1e-6, 1e-3, 1.0])
def test_a_spoiled_eigenvalue_is_enclosed(model: Model, size: float) -> None:
    spoiled = copy.deepcopy(model)
    with torch.no_grad():
        spoiled.constants += size
    bound, lines = error_bound(Membrane(), spoiled)
    assert bound is None or (true_error(Membrane(), spoiled) <= bound and size <= enclosed_tone(lines) + 1e-9)


def test_an_equation_with_a_source_has_no_eigenvalue(model: Model) -> None:
    bound, (reason,) = error_bound(Membrane(source=1.0), model)
    assert bound is None and "source" in reason


def operator(theta: float) -> ConstantOperator:
    """Return −Δ − θ on the unit square, whose eigenvalues without θ are π² (k² + l²)."""
    return ConstantOperator(Row(sp.S.Zero, {}), (1.0, 1.0), -theta, (1.0, 1.0), ())


def test_the_gap_sum_is_that_of_the_other_eigenvalues() -> None:
    """The sum over many eigenvalues but the nearest one, added up directly, is just below the bound."""
    theta = 2 * math.pi**2 + 1e-6
    k = np.arange(1, 400)
    values = math.pi**2 * (k[:, None] ** 2 + k**2) - theta
    values[0, 0] = math.inf
    gap = gap_of(operator(theta), 1e-5)
    direct = 2 * math.sqrt((1 / values**2).sum())
    assert direct <= gap.sum_ <= 1.01 * direct
    assert 1e-6 <= gap.distance <= 1e-6 * (1 + 1e-5)


@pytest.mark.parametrize(("theta", "distance"), [(5 * math.pi**2, 1e-6), (3.5 * math.pi**2, 20.0), (30.0, 1e-3)])
def test_eigenvalues_that_are_double_or_uncertain_or_absent_are_refused(theta: float, distance: float) -> None:
    with pytest.raises(NoTheorem):
        gap_of(operator(theta), distance)
