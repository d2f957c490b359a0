"""Gauss–Newton with a factor that is used again."""

from __future__ import annotations

import torch
from local_rows import F64, Rows

from kanpde.optim.band import MIN_DAMPING, Storage
from kanpde.optim.lagged_gauss_newton import LaggedGaussNewton


class Scalar:
    """r = f(θ) for one unknown, with its derivative."""

    storage = Storage.of(torch.arange(1), 0, 0)

    def __init__(self, function, derivative):
        self.residual, self.derivative = function, derivative

    def linearise(self, vector):
        return Rows(self.storage, torch.tensor([[0]]), self.derivative(vector)[None, :, None], self.residual(vector))


def test_a_step_that_goes_too_far_is_shortened_not_damped():
    """Newton's step from 0 to 100 is halved until θ³ + θ - 100 falls: to 3.125, beyond which full steps converge."""
    method, problem = LaggedGaussNewton(), Scalar(lambda x: x**3 + x - 100, lambda x: 3 * x**2 + 1)
    step = method.step(problem, torch.zeros(1, dtype=F64))
    assert step.accepted and step.damping == MIN_DAMPING
    assert abs(float(step.vector) - 100 / 32) < 1e-12
    vector = step.vector
    for _ in range(7):
        vector = method.step(problem, vector).vector
    assert abs(float(vector**3 + vector) - 100) < 1e-12


def test_newton_needs_one_step_for_a_linear_problem_and_damping_for_one_that_is_not():
    class Cubic:
        """r = θ³ − 8 for every unknown, from where a full step goes much too far."""

        storage, factors = Storage.of(torch.arange(3), 0, 0), set()

        def residual(self, vector):
            return vector**3 - 8

        def linearise(self, vector):
            return Rows(self.storage, torch.arange(3)[:, None], (3 * vector**2)[None, :, None], vector**3 - 8)

    method, vector, problem = LaggedGaussNewton(), torch.full((3,), 0.05, dtype=F64), Cubic()
    for _ in range(40):
        step = method.step(problem, vector)
        problem.factors.add(method.factor)
        assert step.loss <= step.before
        vector = step.vector
    assert (vector - 2).abs().max() < 1e-12
    assert len(problem.factors) < 40  # a factor is used again


def test_a_step_with_its_own_factor_finds_what_hardly_changes_the_rows():
    """r = (A (θ − θ*), 1) with nearly parallel columns: one iteration finds θ₁ + θ₂, and rounding of AᵀA the rest."""
    matrix = torch.tensor([[0.7, 0.7], [0.3, 0.3 + 1e-6], [0.0, 0.0]], dtype=F64)
    wanted, left = torch.tensor([1.1, 2.3], dtype=F64), torch.tensor([0.0, 0.0, 1.0], dtype=F64)

    class Parallel:
        storage = Storage.of(torch.arange(2), 2, 0)

        def residual(self, vector):
            return matrix @ (vector - wanted) + left

        def linearise(self, vector):
            return Rows(self.storage, torch.tensor([[0, 1]] * 3), matrix[None], self.residual(vector))

    step = LaggedGaussNewton(share=1e-3).step(Parallel(), torch.zeros(2, dtype=F64))
    assert (step.vector - wanted).abs().max() < 1e-8
