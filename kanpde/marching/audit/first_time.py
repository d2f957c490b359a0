"""The prescribed values at the first time, where the error of a solution is known exactly.

Data that agree there in values only leave a layer that may be thinner than the knots of a solution and of its
correction, so that neither shows it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from kanpde.calculus.arrays import Array
from kanpde.collocation.rows import Placed
from kanpde.marching.task import MarchTask

JUMP = 0.05  # share of the largest value from which a difference is a jump of the data, which no spline has


def with_start(task: MarchTask, points: Array, values: Array) -> Array:
    """Return values (n, f) of a corrected solution at points (n, d), with the prescribed ones at the first time.

    They stay as they are where the prescribed ones are far away, as beside a jump.
    """
    where = points[:, task.time] == task.problem.domain.low[task.time]
    found: Array = values.copy()
    if not where.any():  # as in the quadrature of a shape
        return found
    for field, known in prescribed(task, points[where]):
        near = abs(known - values[where, field]) <= JUMP * abs(values).max()
        found[where, field] = np.where(near, known, values[where, field])
    return found


def prescribed(task: MarchTask, points: Array) -> Iterator[tuple[int, Array]]:
    """Yield the fields whose values the initial conditions prescribe, each with these values (n,) at the points."""
    problem = task.problem
    unknowns = {name: torch.tensor(float(value), dtype=torch.float64) for name, value in problem.constants.items()}
    for block in task.starts:
        if set().union(*block.partials.values()) != {()}:
            continue
        index = torch.zeros(len(points), dtype=torch.long)
        placed = Placed.at(block, problem.domain.names, torch.as_tensor(points), index)
        zero = torch.zeros(len(points), len(placed.plan), len(problem.fields), dtype=torch.float64)
        rows, slopes = placed.slopes([zero] * len(placed.images), unknowns)
        for row, slope in zip(rows, slopes, strict=True):
            by_values = slope.by_jets[0][:, placed.plan.index[()]]
            (fields,) = torch.nonzero(by_values.abs().amax(dim=0), as_tuple=True)
            if len(fields) == 1:
                yield int(fields[0]), (-row / by_values[:, fields[0]]).numpy()
