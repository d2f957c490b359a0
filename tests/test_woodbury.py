"""Steps in the space of rows are those of the stacked system."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from classic_problems import F64, Function
from optimisers import random, reaches

from kanpde.optim.gauss_newton import GaussNewton, damped_systems
from kanpde.optim.woodbury import Woodbury


@pytest.mark.parametrize("damping", [1e-13, 1e-6, 1.0, 1e6])
def test_steps_in_row_space_are_those_of_the_stacked_system(damping):
    matrix, residual, diagonal = random(5, 12), random(5, seed=1), torch.linspace(0.5, 2, 12, dtype=F64)
    system = Woodbury(matrix, (matrix / diagonal) @ matrix.T, diagonal, damping)
    stacked = np.concatenate([matrix.numpy(), np.diag(np.sqrt(damping * diagonal.numpy()))])
    expected = np.linalg.lstsq(stacked, np.concatenate([-residual.numpy(), np.zeros(12)]), rcond=None)[0]
    step = system.descent(residual, matrix.T @ residual).numpy()
    assert system.solvable and np.abs(step - expected).max() <= 1e-8 * np.abs(expected).max()
    assert torch.equal(
        system.solve_transposed(-residual, matrix.T @ -residual), system.descent(residual, matrix.T @ residual)
    )


def test_fewer_rows_than_parameters_choose_the_space_of_rows():
    for shape, kind in (((5, 12), "Woodbury"), ((12, 12), "Damped"), ((20, 12), "Damped")):
        scale, system = damped_systems(random(*shape))
        assert type(system(1e-3)).__name__ == kind and scale.shape == (12,)


def test_a_system_of_rows_that_is_not_positive_definite_is_not_solvable():
    matrix, ones = torch.zeros(2, 3, dtype=F64), torch.ones(3, dtype=F64)
    assert not Woodbury(matrix, matrix @ matrix.T, ones, 0.0).solvable
    assert not Woodbury(matrix, math.nan * matrix @ matrix.T, ones, 1.0).solvable


def test_gauss_newton_solves_more_parameters_than_rows_to_round_off():
    matrix = random(15, 40)
    problem = Function(lambda x: matrix @ torch.sinh(x) - 1, [0.1] * 40)
    assert reaches(GaussNewton(), problem, 1e-26, 12)
