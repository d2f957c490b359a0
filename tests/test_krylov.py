"""Krylov spaces: orthonormal in their metric, and steps in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from classic_problems import CLASSICS, F64, Function, minimise
from optimisers import random

from kanpde.optim.gauss_newton import GaussNewton
from kanpde.optim.krylov import KrylovGaussNewton, Subspace, krylov


def test_a_krylov_basis_is_orthonormal_in_its_metric_and_known_under_the_jacobian():
    jacobian, residual = random(50, 20) * torch.logspace(0, -3, 20, dtype=F64), random(50, seed=1)
    pieces = list(zip(torch.split(jacobian, 7), torch.split(residual, 7), strict=True))
    basis, products = krylov(lambda: pieces, 6)
    squares = jacobian.square().sum(dim=0)
    metric = squares + 1e-5 * squares.max()
    assert torch.allclose(basis.T @ (metric[:, None] * basis), torch.eye(6, dtype=F64), atol=1e-12)
    assert torch.allclose(products, jacobian @ basis, rtol=1e-12, atol=1e-12)
    powers = [jacobian.T @ residual / metric]
    for _ in range(5):
        powers.append(jacobian.T @ (jacobian @ powers[-1]) / metric)
    stacked = torch.stack([p / p.norm() for p in powers], dim=1)
    left = stacked - basis @ torch.linalg.lstsq(basis, stacked).solution
    assert left.abs().max() < 1e-9


def test_a_krylov_space_ends_where_nothing_is_new():
    matrix = torch.diag(torch.tensor([1.0, 1.0, 1.0, 1.0], dtype=F64))
    basis, products = krylov(lambda: [(matrix, random(4))], 4)
    assert basis.shape == products.shape == (4, 1)


def test_a_krylov_step_in_the_whole_space_is_the_gauss_newton_step_of_a_linear_problem():
    problem = CLASSICS["linear"]
    step = KrylovGaussNewton().step(problem, problem.start)
    assert torch.allclose(step.vector, GaussNewton().step(problem, problem.start).vector, rtol=1e-8, atol=1e-10)


def test_more_dimensions_reach_further_in_one_step():
    matrix, right = random(80, 40) * torch.logspace(0, -2, 40, dtype=F64), random(80, seed=1)
    problem = Function(lambda x: matrix @ x - right, [0.0] * 40)
    losses = [KrylovGaussNewton(dimension).step(problem, problem.start).loss for dimension in (1, 4, 12, 40)]
    assert losses == sorted(losses, reverse=True) and losses[0] > 1.01 * losses[-1]
    best = np.linalg.lstsq(matrix.numpy(), right.numpy(), rcond=None)[1]
    assert losses[-1] == pytest.approx(float(best[0]), rel=1e-8)


def test_a_jacobian_that_is_not_kept_takes_the_same_steps(monkeypatch):
    problem = CLASSICS["wood"]
    kept = minimise(KrylovGaussNewton(3), problem, 5)
    monkeypatch.setattr("kanpde.optim.krylov.MAX_STORED_ENTRIES", 0)
    for one, other in zip(kept, minimise(KrylovGaussNewton(3), problem, 5), strict=True):
        assert torch.equal(one.vector, other.vector)


def test_a_subspace_is_a_problem_of_its_own():
    problem = CLASSICS["broyden_tridiagonal"]
    subspace = Subspace(problem, problem.start, 4)
    zero = torch.zeros(4, dtype=F64)
    slow = torch.func.jacrev(subspace.residual)(zero)
    linear = subspace.linearise(zero)
    assert torch.allclose(linear.factor, slow, atol=1e-11) and torch.equal(linear.residual, subspace.residual(zero))
    loss, gradient = subspace.gradient(zero)
    assert loss == pytest.approx(linear.loss) and torch.allclose(gradient, 2 * slow.T @ linear.residual, atol=1e-9)
    ((jacobian, residual),) = subspace.chunks_of_rows(zero)
    assert torch.equal(jacobian, linear.factor) and torch.equal(residual, linear.residual)
