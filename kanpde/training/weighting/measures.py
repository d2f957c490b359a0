"""The quantities from which rules compute weights: gradients and Jacobians by block, residuals by point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from kanpde.network.block_points import BlockPoints
from kanpde.network.residuals import Residuals


def gradient_norms(residuals: Residuals) -> Tensor:
    """Return ‖∇L_b‖ of each block's loss without its emphasis, (blocks,), at the model's parameters."""
    return torch.stack([gradient(residuals, part).norm() / part.emphasis for part in residuals.parts])


def gradient(residuals: Residuals, part: BlockPoints) -> Tensor:
    """Return the gradient (P,) of one block's part of the loss."""
    parameters = residuals.model.ordered()
    rows = [residuals.own(chunk) * part.row_factors(chunk) for chunk in part.chunks]
    loss = torch.stack([row.square().sum() for row in rows]).sum()
    none: list[Tensor | None] = [None] * len(parameters)
    slopes = torch.autograd.grad(loss, parameters, allow_unused=True) if loss.requires_grad else none
    flat = [torch.zeros_like(p) if s is None else s for p, s in zip(parameters, slopes, strict=True)]
    return residuals.total(torch.cat([s.reshape(-1) for s in flat]))


def traces(residuals: Residuals, vector: Tensor) -> Tensor:
    """Return ‖J_b‖²_F of each block's rows without its emphasis, (blocks,)."""
    counts = [len(part.points) * len(part.block.components) for part in residuals.parts]
    ends = torch.tensor(counts).cumsum(0)
    found, start = vector.new_zeros(len(counts)), 0
    for jacobian, rows in residuals.chunks_of_rows(vector):
        if jacobian is not None:
            found[int(torch.searchsorted(ends, start, right=True))] += jacobian.square().sum()
        start += len(rows)
    return residuals.total(found) / vector.new_tensor([part.emphasis for part in residuals.parts])


def squared_residuals(residuals: Residuals, part: BlockPoints) -> Tensor:
    """Return Σ_c (r_cn / s_c)² at each point, (n,), with the block's scales s_c but without weights."""
    with torch.no_grad():
        return (residuals.values(part.chunks) / part.scale[:, None]).square().sum(dim=0)
