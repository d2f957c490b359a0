"""Tests of the factor of JᵀJ for an unknown function and unknown constants."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
import torch

from kanpde import Box, Data, Dirichlet, Initial, Problem, solve
from kanpde.marching.axes import SplineAxis
from kanpde.marching.system import System
from kanpde.marching.tensor_product import TensorProduct
from kanpde.optim.bordered import BorderedFactor, factor_of

F64 = torch.float64


class Decay(Problem):
    """u_t = a u_xx − b u with an unknown initial state, from measurements of two modes with noise."""

    domain = Box(x=(0, 1), t=(0, 1))

    def __init__(self, seed, start, noise=1e-4, count=60):
        random = np.random.default_rng(seed)
        self.points = random.random((count, 2))
        x, t = self.points.T
        one, two = (np.exp(-(0.15 * (k * np.pi) ** 2 + 0.4) * t) * np.sin(k * np.pi * x) for k in (1, 2))
        self.values = one + 0.5 * two + noise * random.standard_normal(count)
        self.unknowns = {"a": start[0], "b": start[1]}

    def residual(self, u, x, t, a, b):
        return u.t - a * u.xx + b * u

    def conditions(self):
        return {"ends": Dirichlet(0, on="x"), "seen": Data(self.points, self.values)}


def linearised(problem):
    axes = [SplineAxis(np.linspace(0, 1, 4), 5) for _ in range(2)]
    system = System(TensorProduct(axes), problem.domain, problem.blocks(), problem.fields, unknowns=("a", "b"))
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(system.size, generator=generator, dtype=F64)
    system.rescale(vector)
    return system.linearise(vector)


def test_the_border_solves_as_the_whole_matrix_does():
    linear = linearised(Decay(0, (0.2, 0.5)))
    factor = factor_of(linear, 1e-15)
    assert isinstance(factor, BorderedFactor)
    whole = linear.matrix
    right = whole.T @ torch.ones(len(whole), dtype=F64)
    expected = torch.linalg.lstsq(whole, torch.ones(len(whole), 1, dtype=F64), driver="gelsd").solution[:, 0]
    assert torch.allclose(factor.solve(right), expected, rtol=1e-5, atol=1e-7 * float(expected.abs().max()))


def test_damping_shortens_the_step_of_the_constants():
    linear = linearised(Decay(0, (0.2, 0.5)))
    factor = factor_of(linear, 1e-15)
    gradient = linear.transposed(linear.residual)
    sizes = [float(factor.damped(damping).solve(gradient)[-2:].norm()) for damping in (1e-15, 1e-2, 1.0, 1e2)]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] < 0.1 * sizes[0]


@pytest.mark.parametrize(("seed", "start"), [(0, (1.0, 0.0)), (1, (1.0, 0.0)), (3, (1.5, 4.0))])
def test_two_constants_are_found_from_a_far_start_and_their_spread_is_right(seed, start):
    solution = solve(Decay(seed, start), device="cpu", training={"target": 1e-3})
    for name, truth in (("a", 0.15), ("b", 0.4)):
        spread = solution.uncertainty[name]
        assert abs(solution.unknowns[name] - truth) < 4 * spread < 0.01


class Rate(Problem):
    """u' = −k u, k from measurements with noise."""

    domain = Box(t=(0, 2))
    unknowns = {"k": 3.0}

    def __init__(self, noise, seed=0, count=30):
        self.t = np.linspace(0, 2, count)
        self.values = np.exp(-0.6 * self.t) + noise * np.random.default_rng(seed).standard_normal(count)

    def residual(self, u, k):
        return u.t + k * u

    def conditions(self):
        return {"start": Initial(1), "seen": Data(self.t[:, None], self.values)}

    def exact(self, t):
        return sp.exp(-sp.Rational(3, 5) * t)


def test_without_noise_a_constant_has_all_digits_and_no_spread():
    solution = solve(Rate(0.0), device="cpu")
    assert abs(solution.unknowns["k"] - 0.6) < 1e-11 and solution.uncertainty["k"] < 1e-11


def test_intervals_of_two_spreads_hold_the_truth_about_as_often_as_they_should():
    inside = 0
    for seed in range(15):
        solution = solve(Rate(1e-2, seed), device="cpu")
        inside += abs(solution.unknowns["k"] - 0.6) < 2 * solution.uncertainty["k"]
    assert inside >= 13  # with 95 % each, 12 or fewer are unlikely (0.5 %)
