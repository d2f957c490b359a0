"""The measure by which networks are compared: the error at held-out points, or generalised cross-validation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kanpde.network.residuals import Residuals
from kanpde.network.trial_function import Model
from kanpde.problem.regression import Regression

INFLATION = 1.4  # γ


def held_out_error(problem: Regression, model: Model) -> float:
    """Return Σ_f mean_n ((u_f − y_nf) / σ_f)² at the held-out points."""
    points = torch.as_tensor(problem.held_out_points)
    with torch.no_grad():
        values = torch.cat([model(chunk) for chunk in torch.split(points.to(model.vector), 8192)]).cpu().double()
    misfit = (values - torch.as_tensor(problem.held_out_values)) / torch.as_tensor(problem.standard[1])
    return nan_to_infinity(float(misfit.square().mean(dim=0).sum()))


def generalised_cross_validation(data: Residuals, model: Model, roughness: Tensor | None) -> float:
    """Return mean r² / (1 − γ tr A / N)² with A = J (JᵀJ + KᵀK)⁻¹ Jᵀ, from all N rows of the data.

    Sources: Golub, Heath and Wahba, "Generalized cross-validation as a method for choosing a good ridge parameter",
    Technometrics 21 (1979) 215, with the model linearised at its parameters; Kim and Gu, "Smoothing spline Gaussian
    regression", J. R. Stat. Soc. B 66 (2004) 337, for γ > 1, without which few samples are often interpolated.
    """
    linear = data.linearise(model.vector)
    count, loss = len(linear.residual), linear.loss
    gram = linear.factor.T @ linear.factor
    ridge = 1e-12 * gram.diagonal().max() + torch.finfo(gram.dtype).tiny
    whole = gram + ridge * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    if roughness is not None:
        whole = whole + roughness.T @ roughness
    factor, info = torch.linalg.cholesky_ex(whole)
    if int(info):
        return math.inf
    freedom = INFLATION * float(torch.cholesky_solve(gram, factor).diagonal().sum()) / count
    return nan_to_infinity(loss / (1 - freedom) ** 2) if freedom < 1 else math.inf


def nan_to_infinity(value: float) -> float:
    """Return the value, infinity instead of NaN."""
    return math.inf if math.isnan(value) else value
