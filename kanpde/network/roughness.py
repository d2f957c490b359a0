"""The penalty that makes a fitted function smooth, as rows that are linear in the parameters.

For a spline network it is the sum over all edges φ of the mean of (h² φ'')² + ε (h φ')² over the edge's grid, with h
half the grid's width, divided by the square of h of the next layer: a smoothing spline's penalty for every edge
(Eilers and Marx, "Flexible smoothing with B-splines and penalties", Stat. Sci. 11 (1996) 89). The small second term
keeps edges defined where there are no data. For a perceptron it is a hundredth of the sum of its squared
weights.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kanpde.network.edge_basis import EdgeBasis
from kanpde.network.kan import KAN
from kanpde.network.trial_function import Model

SLOPE = 1e-4  # ε
DECAY = 1e-2  # weight of a perceptron's squares
STATIONS = 4  # points for each function of an input


@torch.no_grad()
def roughness_rows(model: Model) -> Tensor:
    """Return the matrix K (R, P) for which ‖K θ‖² is the penalty of the parameters θ (P,)."""
    network, vector = model.network, model.vector
    if not isinstance(network, KAN):
        weights = torch.cat([torch.full((p.numel(),), p.dim() > 1) for p in model.ordered()])
        identity = torch.eye(len(vector), dtype=vector.dtype, device=vector.device)
        return DECAY**0.5 * identity[weights.to(vector.device)]
    blocks, start = [], 0
    layers = [network.first, *network.hidden]
    sizes = [float((layer.basis.half_width).mean()) for layer in layers[1:]] + [1.0]
    for layer, size in zip(layers, sizes, strict=True):
        inputs, functions, subnodes = layer.coefficients.shape
        factors = edge_factors(layer.basis) / size  # (i, r, g)
        block = vector.new_zeros(inputs, factors.shape[1], subnodes, len(vector))
        columns = torch.arange(layer.coefficients.numel(), device=vector.device).view(layer.coefficients.shape)
        for i in range(inputs):
            for o in range(subnodes):
                block[i, :, o, start + columns[i, :, o]] = factors[i]
        blocks.append(block.flatten(0, 2))
        start += sum(p.numel() for p in layer.parameters())
    return torch.cat(blocks)


def edge_factors(basis: EdgeBasis) -> Tensor:
    """Return the triangular matrices (i, r, g) whose product with an edge's coefficients has the penalty as square."""
    low, high = basis.range()
    count = STATIONS * basis.size
    stations = (torch.arange(count, dtype=low.dtype, device=low.device) + 0.5) / count
    features = basis.features(low + (high - low) * stations[:, None], 3)
    half = ((high - low) / 2)[:, None, None]
    rows = torch.cat([half**2 * features[:, 2], math.sqrt(SLOPE) * half * features[:, 1]], dim=1) / math.sqrt(count)
    factors: Tensor = torch.linalg.qr(rows, mode="r").R
    return factors
