"""The linear algebra of a step against NumPy's on the whole matrix."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from classic_problems import F64

from kanpde.optim.gauss_newton import GaussNewton
from kanpde.optim.least_squares import Damped, Linearisation

CUTS = {"one": [40], "several": [3, 17, 1, 19], "points": [1] * 40, "short": [2, 2], "one row": [1]}


def rows(count, size=6, seed=0):
    generator = np.random.default_rng(seed)
    return torch.from_numpy(generator.normal(size=(count, size))), torch.from_numpy(generator.normal(size=count))


def linearised(jacobian, residual, cuts, keep):
    if keep:
        return Linearisation.whole(jacobian, residual)
    chunks = list(zip(torch.split(jacobian, cuts), torch.split(residual, cuts), strict=True))
    return Linearisation.streamed(lambda: chunks, jacobian.shape[1])


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "streamed"])
@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
def test_a_linearisation_is_the_dense_one(cuts, keep):
    jacobian, residual = rows(sum(cuts))
    linear = linearised(jacobian, residual, cuts, keep)
    assert keep or linear.factor.shape[0] <= jacobian.shape[1] + 1
    assert torch.allclose(linear.factor.T @ linear.factor, jacobian.T @ jacobian, rtol=1e-13, atol=1e-13)
    assert torch.allclose(linear.factor.T @ linear.rest, jacobian.T @ residual, rtol=1e-13, atol=1e-13)
    assert torch.equal(linear.residual, residual) and linear.loss == float(residual.square().sum())
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        step = torch.randn(jacobian.shape[1], generator=generator, dtype=F64)
        weights = torch.randn(len(residual), generator=generator, dtype=F64)
        moved = jacobian @ step + residual
        assert float((linear.factor @ step + linear.rest).norm()) == pytest.approx(float(moved.norm()), rel=1e-13)
        product, pulled = linear.product_and_pullback(step)
        assert torch.allclose(product, jacobian @ step, rtol=1e-13, atol=1e-13)
        assert torch.allclose(pulled, jacobian.T @ (jacobian @ step), rtol=1e-13, atol=1e-12)
        moved_by, pulled = linear.product_and_pullback(step, -3.0, weights)
        assert torch.allclose(moved_by, weights - 3 * jacobian @ step, rtol=1e-13, atol=1e-13)
        assert torch.allclose(pulled, jacobian.T @ (weights - 3 * jacobian @ step), rtol=1e-13, atol=1e-12)
        assert torch.allclose(linear.transposed(weights), jacobian.T @ weights, rtol=1e-13, atol=1e-13)
        predicted = float(residual.square().sum() - moved.square().sum())
        assert linear.predicted(linear.factor @ step) == pytest.approx(predicted, rel=1e-11)


def test_a_step_makes_a_jacobian_that_is_not_kept_once_and_once_more_for_every_probe():
    jacobian, right = rows(40)
    passes = []

    class Counted:
        def residual(self, vector):
            return torch.sin(jacobian @ vector) + right

        def linearise(self, vector):
            def chunks():
                passes.append(1)
                scaled = torch.cos(jacobian @ vector)[:, None] * jacobian
                return zip(torch.split(scaled, 7), torch.split(self.residual(vector), 7), strict=True)

            return Linearisation.streamed(chunks, jacobian.shape[1])

    step = GaussNewton().step(Counted(), torch.zeros(jacobian.shape[1], dtype=F64))
    assert step.accepted and len(passes) == 1 + step.probes


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "streamed"])
def test_small_singular_values_survive_the_factor(keep):
    """JᵀJ would lose all that is below the root of the last digit."""
    jacobian = conditioned(200, 8, 1e-12)
    linear = linearised(jacobian, torch.ones(200, dtype=F64), [30] * 6 + [20], keep)
    found = np.linalg.svd(linear.factor.numpy(), compute_uv=False)
    assert np.allclose(found, np.logspace(0, -12, 8), rtol=1e-2, atol=0)


def conditioned(count, size, smallest):
    """A matrix with singular values from 1 to `smallest`, evenly on a logarithmic scale."""
    generator = np.random.default_rng(5)
    left = np.linalg.qr(generator.normal(size=(count, size)))[0]
    right = np.linalg.qr(generator.normal(size=(size, size)))[0]
    return torch.from_numpy(left * np.logspace(0, np.log10(smallest), size) @ right.T)


def duplicated():
    matrix = rows(12)[0]
    matrix[:, 5] = matrix[:, 0] + matrix[:, 1]
    return matrix


MATRICES = {
    "well conditioned": (rows(30)[0], 1e-3),
    "hardly damped": (rows(30)[0], 1e-15),
    "strongly damped": (rows(30)[0], 1e6),
    "condition 1e10": (conditioned(30, 8, 1e-10), 1e-13),
    "rank deficient": (duplicated(), 1e-6),  # what tells the equal columns apart is lost to round-off at eps / λ
    "underdetermined": (rows(3)[0], 1e-6),
}


def step_of(linear, diagonal, damping):
    system = Damped(linear.factor, linear.factor.T @ linear.factor, diagonal, damping)
    assert system.solvable
    return system.descent(linear.rest, linear.factor.T @ linear.rest).numpy()


def stacked_solution(matrix, residual, diagonal, damping):
    """The least-squares solution of [J; sqrt(λ D)] p = [−r; 0] by NumPy."""
    rows = np.concatenate([matrix.numpy(), np.diag(np.sqrt(damping * diagonal.numpy()))])
    right = np.concatenate([-residual.numpy(), np.zeros(len(diagonal))])
    return np.linalg.lstsq(rows, right, rcond=None)[0]


@pytest.mark.parametrize("keep", [True, False], ids=["kept", "streamed"])
@pytest.mark.parametrize("name", MATRICES)
def test_a_damped_step_is_the_least_squares_solution_of_the_stacked_system(name, keep):
    matrix, damping = MATRICES[name]
    residual = torch.from_numpy(np.random.default_rng(2).normal(size=len(matrix)))
    diagonal = torch.linspace(0.5, 2, matrix.shape[1], dtype=F64)
    expected = stacked_solution(matrix, residual, diagonal, damping)
    found = step_of(linearised(matrix, residual, [len(matrix)], keep), diagonal, damping)
    assert np.abs(found - expected).max() <= 1e-8 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["well conditioned", "strongly damped", "rank deficient", "underdetermined"])
def test_a_damped_system_is_solved(name):
    matrix, damping = MATRICES[name]
    diagonal = torch.linspace(0.5, 2, matrix.shape[1], dtype=F64)
    gram = matrix.T @ matrix
    right = torch.from_numpy(np.random.default_rng(3).normal(size=matrix.shape[1]))
    found = Damped(matrix, gram, diagonal, damping).solve(right)
    full = gram + damping * torch.diag(diagonal)
    assert (full @ found - right).abs().max() <= 1e-14 * torch.linalg.matrix_norm(full) * found.norm()


def test_refinement_gives_back_the_digits_that_the_normal_equations_cost():
    matrix, damping = MATRICES["condition 1e10"]
    residual = torch.from_numpy(np.random.default_rng(2).normal(size=len(matrix)))
    diagonal = torch.ones(matrix.shape[1], dtype=F64)
    expected = stacked_solution(matrix, residual, diagonal, damping)
    normal = torch.linalg.solve(matrix.T @ matrix + damping * torch.diag(diagonal), -matrix.T @ residual).numpy()
    found = step_of(linearised(matrix, residual, [len(matrix)], keep=True), diagonal, damping)
    assert np.abs(found - expected).max() < np.abs(normal - expected).max() / 100


def test_a_system_that_is_not_positive_definite_is_not_solvable():
    matrix = torch.diag(torch.tensor([1.0, 0.0], dtype=F64))
    assert not Damped(matrix, matrix, torch.ones(2, dtype=F64), 0.0).solvable
    assert not Damped(matrix, matrix * math.nan, torch.ones(2, dtype=F64), 1.0).solvable
