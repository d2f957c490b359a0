"""Tensor trains as trial functions: their partial derivatives, and the derivatives of these by the cores."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from kanpde.calculus.jets import JetPlan
from kanpde.marching.axes import SplineAxis
from kanpde.network.tensor_train import TensorTrain

PARTIALS = [(), (0,), (0, 0), (1, 2), (3, 3)]


@pytest.fixture
def train():
    generator = torch.Generator().manual_seed(0)
    axes = [SplineAxis(np.linspace(0, 1, 2 + a % 2), 5) for a in range(4)]
    ranks = (1, 2, 3, 2, 1)
    trains = [
        [torch.randn(axis.size, *ranks[a : a + 2], generator=generator).double() for a, axis in enumerate(axes)]
        for _ in range(2)
    ]
    return TensorTrain([axis.basis for axis in axes], trains)


@pytest.fixture
def points():
    return torch.as_tensor(0.1 + 0.3 * np.random.default_rng(1).random((7, 4)))


def values(train, points):
    plan = JetPlan(4, [()])
    return train.jets(train.prepare(points, plan), plan)[:, 0]


@pytest.mark.parametrize("partial", PARTIALS)
def test_partials_are_differences_of_values(train, points, partial):
    plan, step = JetPlan(4, PARTIALS), 1e-4
    moves = [step * torch.eye(4, dtype=torch.float64)[axis] for axis in partial]
    expected = torch.zeros(len(points), 2, dtype=torch.float64)
    for signs in itertools.product((-1, 1), repeat=len(moves)):
        moved = points + sum(sign * move for sign, move in zip(signs, moves, strict=True))
        expected += math.prod(signs) * values(train, moved) / (2 * step) ** len(moves)
    found = train.jets(train.prepare(points, plan), plan)[:, plan.index[partial]]
    assert (found - expected).abs().max() < 1e-5 * found.abs().max()


def test_rows_are_the_derivatives_by_the_cores(train, points):
    plan = JetPlan(4, PARTIALS)
    prepared = train.prepare(points, plan)
    jets, taped = train.taped(prepared, plan)
    assert torch.allclose(jets, train.jets(prepared, plan))
    adjoint = torch.randn(jets.shape, generator=torch.Generator().manual_seed(2)).double()
    rows = train.rows(taped, adjoint, plan)
    for n in range(len(points)):
        train.zero_grad()
        (adjoint[n] * train.jets([each[n : n + 1] for each in prepared], plan)[0]).sum().backward()
        for core, row in zip(train.cores, rows, strict=True):
            assert torch.allclose(core.grad, row[n], rtol=1e-10, atol=1e-10)
