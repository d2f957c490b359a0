"""First axes of steady problems: as fine as the source needs, and the usual ones without a source."""

from __future__ import annotations

import numpy as np
import torch
from march_problems import task_of

from kanpde import Box, Dirichlet, Problem


class Loaded(Problem):
    """A membrane under a load that varies along y only, more so near y = 1."""

    domain = Box(x=(0, 1), y=(0, 1))
    steep = 0.0

    def residual(self, u, x, y):
        return u.xx + u.yy - torch.exp(self.steep * (y - 1)) - x

    def conditions(self):
        return {"frame": Dirichlet(0)}


class Steep(Loaded):
    steep = 20.0


def test_more_knots_go_where_the_source_varies():
    x, y = task_of(Steep()).first_axes
    assert x.intervals == 8 < y.intervals
    widths = np.diff(y.breakpoints)
    assert widths[-1] < 0.7 * widths[0]


def test_a_simple_source_and_given_intervals_leave_the_usual_axes():
    assert [axis.intervals for axis in task_of(Loaded()).first_axes] == [8, 8]
    assert [axis.intervals for axis in task_of(Steep(), intervals=5).first_axes] == [5, 5]
