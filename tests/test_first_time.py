"""The prescribed values at the first time, beside those of a correction."""

from __future__ import annotations

import numpy as np
import pytest
from unsolved_problems import X, Y, problem

from kanpde import Box, Dirichlet, Disk, Initial, load_problem
from kanpde.calculus.devices import PROCESSOR
from kanpde.collocation.comparison import grid
from kanpde.marching.audit.first_time import JUMP, prescribed, with_start
from kanpde.marching.split import split
from kanpde.marching.task import MarchTask


def task_of(name: str) -> MarchTask:
    return MarchTask(split(load_problem(name)), 1, None, affine=False, most=8000, device=PROCESSOR)


def test_values_at_the_first_time_are_the_prescribed_ones_unless_they_are_far_away():
    task = task_of("heat")
    points, _ = grid(task.problem.domain, 9)
    x, t = points.T
    exact = (np.sin(np.pi * x) * np.exp(-(np.pi**2) * t))[:, None]
    wrong = exact + 1e-3
    wrong[(t == 0) & (x == 0.5)] = 1 + 2 * JUMP
    found = with_start(task, points, wrong)
    kept = (t > 0) | (x == 0.5)
    assert np.array_equal(found[kept], wrong[kept])
    assert found[~kept] == pytest.approx(exact[~kept], abs=1e-15)


def test_points_that_are_all_inside_time_keep_their_values():
    disk = problem(
        Disk((0, 0), 1) * Box(t=(0, 1)),
        lambda u: u.t - u.xx - u.yy,
        {"start": Initial(1 - X**2 - Y**2), "rim": Dirichlet(0, on="rim")},
    )
    task = MarchTask(split(disk), 1, None, affine=False, most=8000, device=PROCESSOR)
    points, _ = grid(task.problem.domain, 9)
    values = np.random.default_rng(0).random((len(points), 1))
    assert np.array_equal(with_start(task, points, values), values)


def test_a_velocity_prescribes_no_value():
    task = task_of("wave")
    points, _ = grid(task.problem.domain, 5)
    start = points[points[:, task.time] == task.problem.domain.low[task.time]]
    known = list(prescribed(task, start))
    exact = task.problem.reference_values(start)
    assert [field for field, _ in known] == [0]
    assert known[0][1] == pytest.approx(exact[:, 0], abs=1e-14)
