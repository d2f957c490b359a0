"""Gauss–Newton with a factor that is used again."""

from __future__ import annotations

import torch
from local_rows import F64, Rows

from kanpde.optim.band import Storage
from kanpde.optim.lagged_gauss_newton import LaggedGaussNewton


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
