"""The factor by blocks of polynomials in time: that of JᵀJ if coefficients are steady, and one near it if not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Dirichlet, Disk, Initial, Periodic, Problem
from kanpde.marching import time_blocks as module
from kanpde.marching.axes import LegendreAxis, SplineAxis
from kanpde.marching.linearisation import Numbered
from kanpde.marching.system import System
from kanpde.marching.tensor_product import TensorProduct
from kanpde.optim.band import Factor, Storage
from kanpde.optim.lagged_gauss_newton import LaggedGaussNewton

x = sp.Symbol("x")


@dataclass(frozen=True)
class Membrane(Problem):
    """An equation of second order in time, periodic across."""

    domain = Box(x=(0, 1), y=(0, 1), t=(0, 0.3))

    def residual(self, u, x, y, t):
        return u.tt + u.t - u.xx - (1 + x) * u.yy - x

    def conditions(self):
        return {"rim": Dirichlet(0, on="x"), "sides": Periodic("y"), "start": Initial(x), "rest": Initial(0, order=1)}


@dataclass(frozen=True)
class Pair(Problem):
    """Two fields, the second one without a derivative in time; `change` makes a coefficient depend on time."""

    domain = Box(x=(0, 1), y=(0, 1), t=(0, 0.3))
    fields = ("u", "p")
    change: float = 0.0

    def residual(self, u, p, x, y, t):
        return u.t + (1 + self.change * t) * p.x - u.xx - u.yy - x, p - u.y - y

    def conditions(self):
        return {"rim": Dirichlet(0, field="u"), "start": Initial(x * (1 - x), field="u")}


def rows_of(problem):
    """Return the rows of a problem on a slab, with a dense storage."""
    ends = np.linspace(0, 1, 3)
    space = TensorProduct([SplineAxis(ends, 5), SplineAxis(ends, 4), LegendreAxis(np.array([0, 0.3]), 7)])
    order = torch.arange(space.size * len(problem.fields))
    strides = len(problem.fields) * np.array([6 * 8, 8, 1])
    dense = Numbered(Storage(order), tuple(int(s) * torch.arange(n) for s, n in zip(strides, space.shape, strict=True)))
    system = System(space, problem.domain, problem.blocks(), problem.fields, numbered=dense)
    zero = torch.zeros(len(order), dtype=torch.float64)
    system.rescale(zero)
    return system, zero


def by_blocks(linear, monkeypatch):
    """Return the factor by blocks, however few the unknowns are."""
    monkeypatch.setattr(module, "LEAST", 0)
    factor = module.time_blocks(linear)
    assert factor is not None
    return factor


@pytest.mark.parametrize(("problem", "reach"), [(Membrane(), 4), (Pair(), 2)])
def test_the_factor_of_steady_coefficients_is_exact_and_its_far_blocks_vanish(problem, reach, monkeypatch):
    system, zero = rows_of(problem)
    linear = system.linearise(zero)
    factor = by_blocks(linear, monkeypatch)
    assert [len(column) for column in factor.below] == [1 + min(reach, 7 - j) for j in range(8)]
    right = torch.randn(len(zero), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    right = linear.transposed(linear.product(right))
    found = linear.transposed(linear.product(factor.solve(right)))
    assert float((found - right).norm()) < 1e-6 * float(right.norm())


@pytest.mark.parametrize(("change", "kind"), [(0.3, module.TimeBlocks), (2.0, Factor)])
def test_a_step_is_that_of_the_own_factor_which_is_used_where_coefficients_change_much(change, kind, monkeypatch):
    monkeypatch.setattr(module, "LEAST", 0)
    system, zero = rows_of(Pair(change=change))
    own, near = LaggedGaussNewton(), LaggedGaussNewton(nearby=module.time_blocks)
    steps = [method.step(system, zero) for method in (own, near)]
    assert type(own.factor) is Factor and type(near.factor) is kind
    assert all(step.accepted for step in steps)
    torch.testing.assert_close(steps[0].vector, steps[1].vector, rtol=1e-6, atol=1e-7)


def test_other_rows_have_no_such_factor(monkeypatch):
    monkeypatch.setattr(module, "LEAST", 0)
    system, zero = rows_of(Pair())
    assert module.time_blocks(system.linearise(zero)) is not None
    steady = TensorProduct([SplineAxis(np.linspace(0, 1, 3), 4)] * 2)
    plate = System(steady, Box(x=(0, 1), y=(0, 1)), Still().blocks(), ("u",))
    assert module.time_blocks(plate.linearise(torch.zeros(plate.size, dtype=torch.float64))) is None
    dense = Numbered(Storage(torch.arange(system.space.size)), ())
    disk = System(system.space, Round.domain, Round().blocks(), ("u",), numbered=dense)
    assert module.time_blocks(disk.linearise(torch.zeros(disk.size, dtype=torch.float64))) is None


@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_functions_in_time_have_one_legendre_polynomial_as_their_derivative(order):
    basis = module.integrated(9, order).numpy() * np.sqrt(2 * np.arange(9) + 1)[:, None]
    for j in range(2 * order, 9):
        derivative = np.polynomial.legendre.legder(basis[:, j], order)
        assert abs(derivative[: j - order]).max(initial=0.0) < 1e-12 * abs(derivative[j - order])
        for m in range(order):
            ends = np.polynomial.legendre.legval([-1, 1], np.polynomial.legendre.legder(basis[:, j], m))
            assert np.abs(ends).max() < 1e-12
    assert np.linalg.matrix_rank(basis) == 9


@dataclass(frozen=True)
class Still(Problem):
    domain = Box(x=(0, 1), y=(0, 1))

    def residual(self, u, x, y):
        return u.xx + u.yy + 1

    def conditions(self):
        return {"rim": Dirichlet(0)}


@dataclass(frozen=True)
class Round(Problem):
    domain = Disk((0.5, 0.5), 0.5) * Box(t=(0, 0.3))

    def residual(self, u, x, y, t):
        return u.t - u.xx - u.yy

    def conditions(self):
        return {"rim": Dirichlet(0), "start": Initial(0)}
