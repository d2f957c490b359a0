"""The rows of a fit's data.

    r_fn = (u_f(x_n) − y_nf) / (σ_f √N)

with σ_f the standard deviation of the values, so that a loss ‖r‖² of 1 explains nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.problem.regression import Regression


def rows_of_data(problem: Regression, model: Model, which: Tensor | None = None) -> Residuals:
    """Return the rows of the data, of all samples or of those numbered `which` (k,)."""
    residuals = Residuals(model, problem.blocks(), problem.domain.names)
    like = model.vector
    points = torch.as_tensor(problem.points).to(like)
    index = torch.arange(len(points), device=like.device) if which is None else which
    residuals.place(0, points[index], index)
    residuals.parts[0].scale = torch.as_tensor(problem.standard[1]).to(like)
    return residuals
