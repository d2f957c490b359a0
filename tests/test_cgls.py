"""Conjugate gradients with a factor of a band, against dense least squares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from local_rows import F64, Rows

from kanpde.optim.band import MAX_ORTHOGONAL, MIN_DAMPING, Factor, Storage
from kanpde.optim.cgls import conjugate_gradients


def local_problem(size, periodic=False):
    """Random rows on four neighbouring unknowns each, and the same as a matrix."""
    random = np.random.default_rng(3)
    start = np.repeat(np.arange(size if periodic else size - 3), 5)
    columns = torch.as_tensor((start[:, None] + np.arange(4)) % size)
    rows = torch.as_tensor(random.normal(size=(2, len(columns), 4)))
    dense = torch.zeros(2 * len(columns), size, dtype=F64)
    dense.scatter_(1, columns.repeat(2, 1), rows.flatten(0, 1))
    return columns, rows, dense, torch.as_tensor(random.normal(size=2 * len(columns)))


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("size", [6, 60])
def test_a_damped_problem_of_local_rows_is_solved(size, periodic):
    columns, rows, dense, residual = local_problem(size, periodic)
    straight = torch.arange(size)
    inwards = torch.minimum(2 * straight, 2 * (size - 1 - straight) + 1)
    storage = Storage.of(inwards if periodic else straight, 6 if periodic else 3, 2)
    linear = Rows(storage, columns, rows, residual)
    squares = dense.square().sum(0)
    assert (storage.bandwidth is not None) == (size == 60)  # a band pays where there are many unknowns
    for damping in (1e-12, 1.0):
        stacked = torch.cat([dense, damping**0.5 * torch.diag(squares.sqrt())])
        expected = torch.linalg.lstsq(stacked, -torch.cat([residual, torch.zeros(size, dtype=F64)])[:, None]).solution
        found = conjugate_gradients(linear, Factor(linear, damping))
        assert torch.allclose(found.step, expected[:, 0], atol=1e-10)
        assert torch.allclose(found.image, dense @ found.step, atol=1e-10)


def test_conjugate_gradients_give_back_the_digits_of_an_ill_conditioned_problem():
    columns, rows, dense, _ = local_problem(40)
    scale = torch.logspace(0, -6, 40, dtype=F64)
    truth = torch.as_tensor(np.random.default_rng(5).normal(size=40))
    linear = Rows(Storage.of(torch.arange(40), 3, 1), columns, rows * scale[columns], -(dense * scale) @ truth)
    assert (conjugate_gradients(linear, Factor(linear, 1e-15)).step - truth).abs().max() < 1e-11


def test_the_damping_that_makes_up_for_rounding_errors_is_no_error_of_a_step():
    """Pairs of unknowns whose sums have rows as small as √λ beside those of their differences."""
    size, far = MAX_ORTHOGONAL + 2, 3e-8
    pairs = torch.arange(size).view(-1, 2)
    rows = torch.tensor([[1.0, -1.0], [far, far]], dtype=F64)[:, None].expand(2, len(pairs), 2)
    residual = torch.cat([torch.zeros(len(pairs), dtype=F64), torch.full((len(pairs),), far, dtype=F64)])
    linear = Rows(Storage.of(torch.arange(size), 1, 1), pairs, rows, residual)
    found = conjugate_gradients(linear, Factor(linear, MIN_DAMPING))
    assert (residual + found.image).norm() < 1e-3 * residual.norm()


def test_the_factor_of_a_jacobian_nearby_will_do():
    columns, rows, dense, residual = local_problem(40)
    storage = Storage.of(torch.arange(40), 3, 1)
    there = Rows(storage, columns, rows * (1 + 0.1 * torch.sin(columns.double())), residual)
    found = conjugate_gradients(Rows(storage, columns, rows, residual), Factor(there, 1e-15))
    expected = torch.linalg.lstsq(dense, -residual[:, None]).solution[:, 0]
    assert 3 < found.iterations < 30 and found.left < 1e-9 and torch.allclose(found.step, expected, atol=1e-9)


class Slow:
    """Rows diag(d), with the preconditioner 1: conjugate gradients lower the gradient at a steady but slow rate."""

    shift = torch.zeros(400, dtype=F64)
    diagonal = torch.linspace(1, 12, 400, dtype=F64)
    residual = torch.ones(400, dtype=F64)

    def product(self, step):
        return self.diagonal * step

    transposed = product

    def solve(self, right):
        return right


def test_a_slow_iteration_is_not_taken_for_a_stalled_one():
    slow = Slow()
    found = conjugate_gradients(slow, slow, 300, 1e-12, removable=1e-9)
    assert found.left < 1e-8
    assert torch.allclose(found.step, -1 / slow.diagonal, rtol=1e-6)
